"""Bills are whole milliseconds times memory, and a container that is always on has its price."""

from collections import Counter

import pytest

from bench.cost import (
    CHUNK_READS,
    CHUNK_ROWS,
    CHUNK_WRITES,
    JOB_READS,
    JOB_WRITES,
    cost,
    costs,
)
from tests.unit.batch.bench import Bench


def test_a_million_requests_of_a_millisecond() -> None:
    found = costs(warm_ms=0.4, cold_seconds=None, batch_seconds=4.0)["x86_64"]
    assert found["billed_ms"] == 1
    # 1,000 seconds of 1,769 MB, and 20 cents for the requests
    assert found["million_single"] == pytest.approx(1.7275 * 1000 * 0.0000166667 + 0.2, abs=1e-3)
    assert found["million_single_with_http_api"] == pytest.approx(found["million_single"] + 1)
    assert "warm_requests_a_cold_start_costs" not in found


def test_a_millisecond_begun_is_billed() -> None:
    assert costs(warm_ms=1.01, cold_seconds=None, batch_seconds=1.0)["arm64"]["billed_ms"] == 2


def test_batch_is_billed_by_its_seconds() -> None:
    once, twice = (costs(1.0, None, seconds)["x86_64"] for seconds in (5, 10))
    assert once["million_batch_rows_computing_alone"] == pytest.approx(2.879e-4, abs=1e-5)
    more = twice["million_batch_rows"] - once["million_batch_rows"]
    assert more == pytest.approx(5 * 3538 / 1024 * 0.0000166667, abs=2e-5)


def test_arm_is_cheaper_at_equal_times() -> None:
    found = costs(1.0, 0.5, 5.0)
    for figure in ("million_single", "million_batch_rows", "container_month"):
        assert found["arm64"][figure] < found["x86_64"][figure]


def test_at_the_break_even_both_cost_the_same() -> None:
    """What is deployed has an API before the function; the function by itself is cheaper."""
    found = costs(1.0, 0.5, 5.0)["x86_64"]
    for of, price in (("with_http_api", "_with_http_api"), ("of_functions_alone", "")):
        lambdas = found[f"break_even_a_month_{of}"] / 1e6 * found[f"million_single{price}"]
        assert lambdas == pytest.approx(found["container_month"], rel=0.01)
        a_second = found[f"break_even_a_second_{of}"]
        assert a_second * 730 * 3600 == pytest.approx(found[f"break_even_a_month_{of}"], rel=0.02)


@pytest.mark.parametrize("chunks", [2, 6])
def test_a_job_asks_its_store_no_more_than_it_is_billed_for(chunks: int) -> None:
    asked: Counter[str] = Counter()
    bench = Bench()
    bench.before = lambda operation, key: asked.update([operation])
    rows = (f"C{number},24,79.5" for number in range(chunks * CHUNK_ROWS))
    bench.submit("\n".join(["customer_id,tenure,monthly_charges", *rows]).encode())
    bench.drain()
    writes = asked["create"] + asked["replace"] + asked["keys"]
    assert writes == JOB_WRITES + chunks * CHUNK_WRITES
    assert asked["get"] + asked["stat"] == JOB_READS + chunks * CHUNK_READS


def test_batch_costs_more_than_its_computing() -> None:
    found = costs(1.0, None, 2.5)["x86_64"]
    around = found["million_batch_rows"] - found["million_batch_rows_computing_alone"]
    objects = 612 * 5e-6 + 506 * 0.4e-6
    messages = 102 * (0.2e-6 + 3 * 0.4e-6)
    waiting = 1118 * 0.1 * 3538 / 1024 * 0.0000166667
    assert around == pytest.approx(objects + messages + waiting, abs=2e-5)


def test_a_cold_start_is_billed_as_time_and_a_warm_request_mostly_as_a_request() -> None:
    """0.5 s of 1,769 MB are 14.4 millionths of a dollar, a request of a millisecond is 0.229."""
    found = costs(1.0, 0.5, 2.5)["x86_64"]
    assert found["warm_requests_a_cold_start_costs"] == pytest.approx(14.396 / 0.2288, abs=0.1)


def test_it_is_computed_of_what_was_measured() -> None:
    parts = {
        "warm": {"ours": {"p50_ms": 0.4}},
        "cold": {"ours": {"seconds": 0.5}},
        "batch": {"many": {"columns": {"seconds": 4.0}}},
    }
    assert cost(parts) == costs(0.4, 0.5, 4.0)


def test_without_a_measurement_it_names_what_lacks() -> None:
    with pytest.raises(KeyError, match="warm"):
        cost({"batch": {}})
