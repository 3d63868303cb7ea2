"""What every `Function` does, strictest where Lambda's simulations are lenient."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from mlops.errors import FunctionGone, InvocationFailed, TrafficChanged, TrafficRefused
from mlops.release.note import Note, Reached
from mlops.release.ports import Function

NOTE = Note("release-1", Reached.CANARY, "1", "2", "1", "2", who="änn")


@dataclass(frozen=True)
class Deployed:
    """A function whose version 1 is published and has all traffic, and what the world does to it.

    deploy: changes `$LATEST`. break_handler: from then on, no version answers.
    """

    function: Function
    deploy: Callable[[], None]
    remove_version: Callable[[str], None]
    remove_alias: Callable[[], None]
    remove_function: Callable[[], None]
    break_handler: Callable[[], None]


class AliasContract:
    """To be inherited by a class of tests with a fixture `deployed`."""

    def test_at_first_the_first_version_has_all_traffic(self, deployed: Deployed) -> None:
        traffic = deployed.function.traffic()
        assert (traffic.version, dict(traffic.weights)) == ("1", {})
        assert deployed.function.traffic() == traffic

    def test_what_is_published_is_what_was_deployed(self, deployed: Deployed) -> None:
        deployed.deploy()
        latest = deployed.function.describe("$LATEST")
        published = deployed.function.publish()
        assert (latest.number, published.number) == ("$LATEST", "2")
        assert (latest.code, latest.pins) == (published.code, published.pins)
        assert latest.settings == published.settings
        assert deployed.function.describe("2") == published
        assert deployed.function.describe("1") != published

    def test_nothing_new_gives_the_same_version(self, deployed: Deployed) -> None:
        assert deployed.function.publish() == deployed.function.describe("1")
        deployed.deploy()
        assert deployed.function.publish() == deployed.function.publish()

    def test_to_publish_moves_no_traffic(self, deployed: Deployed) -> None:
        before = deployed.function.traffic()
        self.publish(deployed)
        assert deployed.function.traffic() == before

    def test_a_move_is_there_for_all_to_see(self, deployed: Deployed) -> None:
        function, second = deployed.function, self.publish(deployed)
        moved = function.move("1", {second: 0.1}, None, function.traffic().revision)
        assert (moved.version, dict(moved.weights)) == ("1", {second: 0.1})
        assert function.traffic() == moved

    def test_weights_are_replaced(self, deployed: Deployed) -> None:
        function, second, third = deployed.function, self.publish(deployed), self.publish(deployed)
        first = function.move("1", {second: 0.1}, None, function.traffic().revision)
        moved = function.move("1", {third: 0.2}, None, first.revision)
        assert dict(moved.weights) == {third: 0.2}
        moved = function.move(third, {}, None, moved.revision)
        assert (moved.version, dict(moved.weights)) == (third, {})
        assert function.traffic() == moved

    def test_each_move_has_a_revision_of_its_own(self, deployed: Deployed) -> None:
        function, second = deployed.function, self.publish(deployed)
        revisions = [function.traffic().revision]
        for weights in ({second: 0.1}, {}, {second: 0.1}, {second: 0.1}):
            revisions.append(function.move("1", weights, None, revisions[-1]).revision)
        assert len(set(revisions)) == len(revisions)

    def test_a_note_comes_with_its_move_and_stays_until_the_next(self, deployed: Deployed) -> None:
        function = deployed.function
        before = function.traffic()
        assert before.note is None
        moved = function.move("1", {}, NOTE, before.revision)
        assert (moved.note, function.traffic()) == (NOTE, moved)
        other = replace(NOTE, who="bob")
        again = function.move("1", {}, other, moved.revision)
        assert again.revision != moved.revision, "the note alone makes another state of it"
        with pytest.raises(TrafficChanged):
            function.move("1", {}, NOTE, moved.revision)
        assert function.traffic().note == other
        assert function.move("1", {}, None, again.revision).note is None

    def test_the_longest_note_fits(self, deployed: Deployed) -> None:
        note = replace(NOTE, by="r" * 80, who="n" * 300, undone=True)
        moved = deployed.function.move("1", {}, note, deployed.function.traffic().revision)
        assert moved.note is not None
        assert replace(moved.note, who="") == replace(note, who="")
        assert note.who.startswith(moved.note.who)
        assert moved.note.who

    def test_a_stale_revision_is_refused(self, deployed: Deployed) -> None:
        function, second = deployed.function, self.publish(deployed)
        stale = function.traffic().revision
        moved = function.move("1", {second: 0.1}, None, stale)
        for weights in ({second: 0.2}, {second: 0.1}):
            with pytest.raises(TrafficChanged):
                function.move("1", weights, None, stale)
        assert function.traffic() == moved

    @pytest.mark.parametrize(
        ("version", "weights"),
        [
            ("$LATEST", {}),
            ("$LATEST", {"2": 0.1}),
            ("1", {"$LATEST": 0.1}),
            ("1", {"1": 0.1}),
            ("1", {"2": 0.1, "3": 0.1}),
            ("1", {"2": 0.0}),
            ("1", {"2": 1.0}),
            ("1", {"2": -0.1}),
            ("1", {"2": 1.1}),
            ("1", {"2": float("nan")}),
        ],
    )
    def test_a_split_that_cannot_be_is_refused(
        self, deployed: Deployed, version: str, weights: dict[str, float]
    ) -> None:
        for _ in range(2):
            self.publish(deployed)
        before = deployed.function.traffic()
        with pytest.raises(TrafficRefused):
            deployed.function.move(version, weights, None, before.revision)
        assert deployed.function.traffic() == before

    def test_exactly_the_version_that_was_asked_answers(self, deployed: Deployed) -> None:
        second = self.publish(deployed)
        for number in ("1", second, "$LATEST"):
            answer = deployed.function.invoke(number, {"name": "é"})
            assert answer == {"version": number, "event": {"name": "é"}}

    def test_a_function_that_fails(self, deployed: Deployed) -> None:
        deployed.break_handler()
        with pytest.raises(InvocationFailed):
            deployed.function.invoke("1", {})

    def test_an_active_version_is_described(self, deployed: Deployed) -> None:
        for number in ("1", self.publish(deployed)):
            found = deployed.function.wait_until_active(number, {})
            assert found == deployed.function.describe(number)

    @pytest.mark.parametrize("operation", ["activate", "describe", "invoke", "move", "weigh"])
    def test_a_version_that_is_not_there(self, deployed: Deployed, operation: str) -> None:
        function, second = deployed.function, self.publish(deployed)
        deployed.remove_version(second)
        before = function.traffic()
        for number in (second, "99"):
            calls: dict[str, Callable[[str], object]] = {
                "activate": lambda number: function.wait_until_active(number, {}),
                "describe": function.describe,
                "invoke": lambda number: function.invoke(number, {}),
                "move": lambda number: function.move(number, {}, None, before.revision),
                "weigh": lambda number: function.move("1", {number: 0.1}, None, before.revision),
            }
            with pytest.raises(FunctionGone):
                calls[operation](number)
        assert function.traffic() == before

    def test_an_alias_that_is_not_there(self, deployed: Deployed) -> None:
        revision = deployed.function.traffic().revision
        deployed.remove_alias()
        with pytest.raises(FunctionGone):
            deployed.function.traffic()
        with pytest.raises(FunctionGone):
            deployed.function.move("1", {}, None, revision)
        assert deployed.function.describe("1").number == "1"

    def test_a_function_that_is_not_there(self, deployed: Deployed) -> None:
        function, revision = deployed.function, deployed.function.traffic().revision
        deployed.remove_function()
        calls: tuple[Callable[[], object], ...] = (
            function.publish,
            lambda: function.describe("1"),
            lambda: function.wait_until_active("1", {}),
            function.traffic,
            lambda: function.move("1", {}, None, revision),
            lambda: function.invoke("1", {}),
        )
        for call in calls:
            with pytest.raises(FunctionGone):
                call()

    @staticmethod
    def publish(deployed: Deployed) -> str:
        deployed.deploy()
        return deployed.function.publish().number
