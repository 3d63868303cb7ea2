"""What tests of the API function's log share."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

from mlops.release.analysis import Observation, Requests, latency_bin
from tests.unit.aws.playing import NOBODYS, attempts

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient

GROUP, FUNCTION = "mlops-ApiLogs", "mlops-Api"
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
PREDICTED: dict[str, Any] = {
    "level": "info",
    "message": "request",
    "route": "/v1/predict/churn",
    "model": "churn",
    "status": 200,
    "duration_ms": 7.5,
    "cold_start": False,
    "prediction": 0.25,
}


def client() -> "CloudWatchLogsClient":
    return boto3.client("logs", config=attempts(1), **NOBODYS)


def stream_of(day: datetime, version: str = "2", function: str = FUNCTION) -> str:
    """As Lambda names a container's stream in a group of one's own choice."""
    return f"{day:%Y/%m/%d}/{function}[{version}][0123456789abcdef]"


def stream_by_default(day: datetime, version: str = "2") -> str:
    """As Lambda names it in the group that it makes itself."""
    return f"{day:%Y/%m/%d}/[{version}]0123456789abcdef"


@cache  # a quarter of a second each; moto catches what it sends, whenever it was made
def shared_client() -> "CloudWatchLogsClient":
    return client()


EDGES = {"churn": tuple(place / 1_000 for place in range(1, 1_000))}
"""Bins by which a prediction of three decimals can be read back."""


def counts(found: Observation) -> tuple[int, int, list[float], list[float]]:
    """Return requests and errors, crashes included; latencies in milliseconds; and predictions."""
    model = found.models.get("churn", Requests())
    everything = found.predictions
    latencies = [place for place in LATENCIES if latency_bin(place) in model.latencies]
    return (
        everything.requests,
        everything.errors,
        sorted(value for value in latencies for _ in range(model.latencies[latency_bin(value)])),
        sorted(place / 1_000 for place in Counter(model.predictions).elements()),
    )


LATENCIES = (*range(60), 7.5)
"""Those that tests write, of which no two share a bin."""
