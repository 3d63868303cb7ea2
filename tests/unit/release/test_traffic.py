"""An alias has moved when it is read so."""

import pytest

from mlops.errors import TrafficChanged
from mlops.release.traffic import is_all, move, settle, words
from tests.unit.release.fakes import FakeFunction


@pytest.fixture
def function() -> FakeFunction:
    function = FakeFunction()
    for code in ("sha256:second", "sha256:third"):
        function.deploy(code=code)
        function.publish()
    return function


def moved_back_at_once(function: FakeFunction) -> None:
    """Once."""

    def before(operation: str) -> None:
        if operation == "traffic" and function.moves:
            function.before = lambda operation: None
            function.move("1", {"2": 0.3}, function.traffic().revision)

    function.before = before


def test_it_is_read_back(function: FakeFunction) -> None:
    revision = function.traffic().revision
    moved_back_at_once(function)
    with pytest.raises(TrafficChanged):
        move(function, "2", {}, revision)


def test_settling_goes_on_until_it_is_so(function: FakeFunction) -> None:
    moved_back_at_once(function)
    assert settle(function, "2", "1")
    assert is_all(function.traffic(), "2")


@pytest.mark.parametrize(("version", "weights"), [("3", {}), ("3", {"1": 0.1}), ("1", {"3": 0.1})])
def test_what_is_a_third_ones_is_left(
    function: FakeFunction, version: str, weights: dict[str, float]
) -> None:
    function.move(version, weights, function.traffic().revision)
    before = function.traffic()
    assert not settle(function, "1", "2")
    assert function.traffic() == before


def test_it_is_an_update_even_if_nothing_changes(function: FakeFunction) -> None:
    before = function.traffic()
    assert settle(function, "1", "2")
    assert function.traffic().revision != before.revision


def test_words(function: FakeFunction) -> None:
    assert words(function.traffic()) == "the alias to version 1"
    function.move("1", {"2": 0.1}, function.traffic().revision)
    assert words(function.traffic()) == "the alias to version 1 with 10% to version 2"
