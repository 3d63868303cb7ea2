"""What a million predictions cost, of what was measured, at prices of a date."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PRICES_OF = "March 2026"
PRICES_FROM = "AWS's price lists of Lambda, API Gateway, Fargate, S3 and SQS, US East (N. Virginia)"
MILLION = 1_000_000
HOURS_A_MONTH = 730
API_MB, BATCH_MB = 1769, 3538
"""template.yaml's defaults: one and two whole processors, as the machine here has them."""
CHUNK_ROWS = 10_000
CHUNK_WRITES, CHUNK_READS = 6, 5
"""Requests to S3 for a chunk: to put or to list, and to get."""
JOB_WRITES, JOB_READS = 12, 6
"""For a job besides: to cut it up, to merge it, to say how it stands."""
MESSAGES = 3
"""Requests to SQS for a message: to send, to receive, to delete."""
S3_SECONDS = 0.1
"""Of a request, for which the function waits and is billed. Nobody measured it here: S3's guide to
performance speaks of tens of milliseconds for small requests, and of 100 to 200 to a first byte."""
CONTAINER_VCPU, CONTAINER_GB = 1, 2


@dataclass(frozen=True)
class Prices:
    """Dollars."""

    gb_second: float
    vcpu_hour: float
    gb_hour: float
    million_requests: float = 0.20
    million_http_api: float = 1.00
    million_s3_writes: float = 5.00
    million_s3_reads: float = 0.40
    million_sqs_requests: float = 0.40


PRICES = {
    "x86_64": Prices(gb_second=0.0000166667, vcpu_hour=0.04048, gb_hour=0.004445),
    "arm64": Prices(gb_second=0.0000133334, vcpu_hour=0.03238, gb_hour=0.00356),
}


def costs(warm_ms: float, cold_seconds: float | None, batch_seconds: float) -> dict[str, Any]:
    return {
        "prices_of": PRICES_OF,
        "prices_from": PRICES_FROM,
        **{
            name: _of(prices, warm_ms, cold_seconds, batch_seconds)
            for name, prices in PRICES.items()
        },
    }


def _of(
    prices: Prices, warm_ms: float, cold_seconds: float | None, batch_seconds: float
) -> dict[str, Any]:
    billed_ms = math.ceil(warm_ms)
    api_second, batch_second = (mb / 1024 * prices.gb_second for mb in (API_MB, BATCH_MB))
    single = MILLION * billed_ms / 1000 * api_second + prices.million_requests
    over_http = single + prices.million_http_api
    computing = batch_seconds * batch_second
    month = HOURS_A_MONTH * (CONTAINER_VCPU * prices.vcpu_hour + CONTAINER_GB * prices.gb_hour)
    found = {
        "billed_ms": billed_ms,
        "million_single": round(single, 3),
        "million_single_with_http_api": round(over_http, 3),
        "million_batch_rows_computing_alone": round(computing, 5),
        "million_batch_rows": round(computing + _around_batch(prices, batch_second), 5),
        "container_month": round(month, 2),
        **_break_even(month / over_http, "with_http_api"),
        **_break_even(month / single, "of_functions_alone"),
    }
    if cold_seconds is not None:
        cold = cold_seconds * api_second * MILLION
        found["warm_requests_a_cold_start_costs"] = round(cold / single, 1)
    return found


def _around_batch(prices: Prices, batch_second: float) -> float:
    """Dollars of a million rows for all but computing: messages, objects, and waiting for these."""
    chunks = MILLION / CHUNK_ROWS
    writes, reads = JOB_WRITES + chunks * CHUNK_WRITES, JOB_READS + chunks * CHUNK_READS
    messages = chunks + 2  # to cut the job up, and to merge it
    requests = (
        messages * (prices.million_requests + MESSAGES * prices.million_sqs_requests)
        + writes * prices.million_s3_writes
        + reads * prices.million_s3_reads
    )
    return requests / MILLION + (writes + reads) * S3_SECONDS * batch_second


def _break_even(millions: float, of: str) -> dict[str, float]:
    a_month = millions * MILLION
    return {
        f"break_even_a_month_{of}": round(a_month / 100_000) * 100_000,
        f"break_even_a_second_{of}": round(a_month / HOURS_A_MONTH / 3600, 1),
    }


def cost(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Of the parts that were measured; the bill of arm64 takes x86_64's milliseconds."""
    cold = parts.get("cold", {}).get("ours", {}).get("seconds")
    return costs(
        parts["warm"]["ours"]["p50_ms"], cold, parts["batch"]["many"]["columns"]["seconds"]
    )
