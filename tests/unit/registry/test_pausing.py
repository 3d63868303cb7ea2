import pytest

from mlops.registry.pausing import jittered_pause, tries


@pytest.mark.parametrize(
    ("number", "longest"), [(0, 0.05), (1, 0.1), (2, 0.2), (5, 1.6), (6, 1.6), (1000, 1.6)]
)
def test_a_pause_is_drawn_up_to_a_limit_that_doubles(number: int, longest: float) -> None:
    slept: list[float] = []
    draws = iter([0.0, 0.5, 1.0])
    for _ in range(3):
        jittered_pause(number, sleep=slept.append, draw=lambda: next(draws))
    assert slept == pytest.approx([0, longest / 2, longest])


def test_pauses_lie_between_the_tries() -> None:
    happened: list[str] = []
    for _ in tries(3, lambda number: happened.append(f"pause {number}")):
        happened.append("try")
    assert happened == ["try", "pause 0", "try", "pause 1", "try"]
