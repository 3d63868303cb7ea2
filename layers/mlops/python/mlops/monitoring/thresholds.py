"""The numbers at which an alarm is raised; every alerting system here uses the same ones.

CloudFormation cannot read them, so `template.yaml` repeats them and a test compares.
"""

from datetime import timedelta
from typing import Final

ERROR_WINDOW: Final = timedelta(minutes=10)

FEWEST_ERRORS: Final = 5
"""Fewer errors in the window raise no alarm, however few requests there were.

At a true error rate of 0.5 % and 30 requests, an alarm on the share alone is raised in 14 % of the
windows; with this minimum in none.
"""

ERROR_SHARE: Final = 0.02
"""Share of the requests that must have failed, besides."""
