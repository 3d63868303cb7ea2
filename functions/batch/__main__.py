"""The worker of `make run`: delivers what lies in a queue's folder, as SQS does to the Lambda."""

import argparse
import os
import sys

from functions.batch.handler import lambda_handler
from functions.batch.handling import Unusable
from functions.batch.polling import poll
from functions.batch.settings import read_settings
from functions.batch.signals import Signals
from mlops.bootstrap.jobs import open_inbox
from mlops.errors import MlopsError

_REST_SECONDS = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m functions.batch", description=__doc__)
    parser.add_argument(
        "--parent", type=int, default=os.getppid(), help="End when this process has ended."
    )
    parent: int = parser.parse_args().parent
    signals = Signals()
    if isinstance(lambda_handler, Unusable):
        sys.exit(1)  # and has said why
    settings = read_settings()
    try:
        poll(
            open_inbox(settings.queue, settings.max_receives),
            lambda_handler,
            # A process whose parent has ended has another one.
            is_wanted=lambda: os.getppid() == parent and not signals.came(),
            rest=lambda: signals.rest(_REST_SECONDS),
        )
    except MlopsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
