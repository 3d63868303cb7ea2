"""The Lambda's entry point. Work at import is on purpose: it is the cold start."""

from mangum import Mangum

from functions.api.app import create_app
from functions.api.settings import read_settings

# Mangum would run the lifespan around every single invocation.
lambda_handler = Mangum(create_app(read_settings()), lifespan="off")
