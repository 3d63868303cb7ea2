"""The application behind Lambda: events of API Gateway in, its answers out."""

import asyncio
from functools import cache, cached_property
from typing import TYPE_CHECKING

from fastapi import FastAPI
from mangum import Mangum
from mangum.handlers import HTTPGateway

if TYPE_CHECKING:
    from mangum.types import Scope


class _ReadOnce(HTTPGateway):
    """Mangum's own reads an event a second time, to look at its version before it answers."""

    @cached_property
    def scope(self) -> "Scope":
        return super().scope


def behind_gateway(app: FastAPI) -> Mangum:
    # Mangum asks asyncio for the thread's current loop. Python makes one for the asking no more:
    # 3.12 warns, 3.14 fails.
    asyncio.set_event_loop(_loop())
    return Mangum(
        app,
        lifespan="off",  # Mangum would run it around every single invocation
        custom_handlers=[_ReadOnce],
        text_mime_types=["application/json", "application/problem+json", "text/html"],
    )


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One for the life of the process: a loop that is replaced is left unclosed."""
    return asyncio.new_event_loop()
