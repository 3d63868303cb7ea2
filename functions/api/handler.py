"""The Lambda's entry point. Work at import is on purpose: it is the cold start."""

from mangum import Mangum

from functions.api.app import create_app
from functions.api.settings import read_settings

lambda_handler = Mangum(
    create_app(read_settings()),
    lifespan="off",  # Mangum would run it around every single invocation
    text_mime_types=["application/json", "application/problem+json", "text/html"],
)
