"""The Lambda's entry point. Work at import is on purpose: it is the cold start."""

import gc

# What is imported is there to stay. To look through it for garbage, again and again while it grows,
# is a fifth of a start; and freezing spares all later looks the same.
gc.disable()

from functions.api.app import create_app  # noqa: E402 -- after the line above
from functions.api.gateway import behind_gateway  # noqa: E402 -- as above
from functions.api.settings import read_settings  # noqa: E402 -- as above

lambda_handler = behind_gateway(create_app(read_settings()))

gc.freeze()
gc.enable()
