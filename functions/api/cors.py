"""Let pages of other origins call the API in a browser (CORS)."""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

# template.yaml has the same for API Gateway.
METHODS = ["GET", "HEAD", "POST", "DELETE"]
REQUEST_HEADERS = [
    "authorization",
    "content-type",
    "idempotency-key",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
]
ANSWER_HEADERS = ["Location", "Model-Digest", "Release", "Retry-After", "X-Request-Id"]
MAX_AGE_SECONDS = 600


def allow_origins(app: FastAPI, origins: Sequence[str]) -> None:
    """Answer preflight requests of these origins, and let their pages read the answers."""
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=REQUEST_HEADERS,
        expose_headers=ANSWER_HEADERS,
        max_age=MAX_AGE_SECONDS,
    )
