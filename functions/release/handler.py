"""The Lambda's entry point. Work at import is on purpose: it is the cold start."""

import os

from aws_lambda_powertools import Logger

from functions.release.handling import create_handler

lambda_handler = create_handler(os.environ, Logger(location=None))
