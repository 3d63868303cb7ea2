"""The Lambda's entry point. Work at import is on purpose: it is the cold start."""

from functions.api.app import create_app
from functions.api.gateway import behind_gateway
from functions.api.settings import read_settings

lambda_handler = behind_gateway(create_app(read_settings()))
