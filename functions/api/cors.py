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

# Of the links to files, which lead to the bucket or, for a folder, to this server.
FILE_METHODS = ["GET", "HEAD", "PUT"]
FILE_REQUEST_HEADERS = ["content-type", "if-none-match"]


def allow_origins(app: FastAPI, origins: Sequence[str], *, serves_files: bool) -> None:
    """Answer preflight requests of these origins, and let their pages read the answers."""
    methods = dict.fromkeys([*METHODS, *(FILE_METHODS if serves_files else ())])
    request_headers = dict.fromkeys(
        [*REQUEST_HEADERS, *(FILE_REQUEST_HEADERS if serves_files else ())]
    )
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=list(methods),
        allow_headers=list(request_headers),
        expose_headers=ANSWER_HEADERS,
        max_age=MAX_AGE_SECONDS,
    )
