"""Bills are whole milliseconds times memory, and a container that is always on has its price."""

import pytest

from bench.cost import cost, costs


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
    once, twice = (costs(1.0, None, seconds)["x86_64"]["million_batch_rows"] for seconds in (5, 10))
    assert twice - once == pytest.approx(5 * 3538 / 1024 * 0.0000166667, abs=2e-5)


def test_arm_is_cheaper_at_equal_times() -> None:
    found = costs(1.0, 0.5, 5.0)
    for figure in ("million_single", "million_batch_rows", "container_month"):
        assert found["arm64"][figure] < found["x86_64"][figure]


def test_at_the_break_even_both_cost_the_same() -> None:
    found = costs(1.0, 0.5, 5.0)["x86_64"]
    lambdas = found["break_even_requests_a_month"] / 1e6 * found["million_single"]
    assert lambdas == pytest.approx(found["container_month"], rel=0.01)


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
