"""What a million predictions cost, of what was measured, at prices of a date."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PRICES_OF = "March 2026"
PRICES_FROM = "AWS's price lists of Lambda, API Gateway and Fargate, US East (N. Virginia)"
MILLION = 1_000_000
HOURS_A_MONTH = 730
API_MB, BATCH_MB = 1769, 3538
"""template.yaml's defaults: one and two whole processors, as the machine here has them."""
CHUNK_ROWS = 10_000
CONTAINER_VCPU, CONTAINER_GB = 1, 2


@dataclass(frozen=True)
class Prices:
    """Dollars."""

    gb_second: float
    vcpu_hour: float
    gb_hour: float
    million_requests: float = 0.20
    million_http_api: float = 1.00


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
    compute = MILLION * billed_ms / 1000 * API_MB / 1024 * prices.gb_second
    single = compute + prices.million_requests
    invocations = MILLION / CHUNK_ROWS + 2  # to cut the job up, and to merge it
    batch = batch_seconds * BATCH_MB / 1024 * prices.gb_second
    batch += invocations * prices.million_requests / MILLION
    month = HOURS_A_MONTH * (CONTAINER_VCPU * prices.vcpu_hour + CONTAINER_GB * prices.gb_hour)
    break_even = month / single * MILLION
    found = {
        "billed_ms": billed_ms,
        "million_single": round(single, 3),
        "million_single_with_http_api": round(single + prices.million_http_api, 3),
        "million_batch_rows": round(batch, 5),
        "container_month": round(month, 2),
        "break_even_requests_a_month": round(break_even, -5),
        "break_even_requests_a_second": round(break_even / HOURS_A_MONTH / 3600, 1),
    }
    if cold_seconds is not None:
        found["warm_requests_a_cold_start_costs"] = round(cold_seconds * 1000 / billed_ms)
    return found


def cost(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Of the parts that were measured; the bill of arm64 takes x86_64's milliseconds."""
    cold = parts.get("cold", {}).get("ours", {}).get("seconds")
    return costs(
        parts["warm"]["ours"]["p50_ms"], cold, parts["batch"]["many"]["columns"]["seconds"]
    )
