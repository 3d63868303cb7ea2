"""All take turns, nobody always first; of each figure it is kept how far its rounds lie apart."""

from bench.rounds import summary, turns


def test_who_was_last_is_first_in_the_next_round() -> None:
    assert [turns("abc", number) for number in range(3)] == [[*"abc"], [*"cba"], [*"abc"]]


def test_a_summary_is_the_median_and_the_range() -> None:
    assert summary({"p50_ms": [3.00049, 1.0, 2.0]}) == {
        "p50_ms": 2.0,
        "p50_ms_range": [1.0, 3.0],
    }
