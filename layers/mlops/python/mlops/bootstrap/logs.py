"""Logs: a line of JSON for each event, written when it happens."""

import json
import logging
import sys
from typing import BinaryIO

import structlog
from pydantic_core import PydanticSerializationError, to_json
from structlog.typing import EventDict, FilteringBoundLogger


def open_logger(service: str, stream: BinaryIO | None = None) -> FilteringBoundLogger:
    """A logger that names `service` in each line. stream: where lines go; stdout if None."""
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.BytesLogger(sys.stdout.buffer if stream is None else stream),
        processors=(
            structlog.processors.add_log_level,
            structlog.processors.EventRenamer("message"),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _to_json,
        ),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        service=service,
    )
    return logger.bind()  # assembled now, and not anew for each line


def _to_json(logger: object, method: str, line: EventDict) -> bytes:
    """What is None is left out. Raises nothing: whatever is in a line, no request fails by it."""
    del logger, method
    line = {name: value for name, value in line.items() if value is not None}
    try:
        return to_json(line, fallback=repr, inf_nan_mode="strings")
    except PydanticSerializationError:  # a text that is no Unicode
        return json.dumps(line, default=repr).encode()
