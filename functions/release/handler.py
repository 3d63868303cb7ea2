"""The Lambda's entry point. Work at import is on purpose: it is the cold start."""

import os

from functions.release.service import create_handler
from mlops.bootstrap.logs import open_logger

lambda_handler = create_handler(os.environ, open_logger("release"))
