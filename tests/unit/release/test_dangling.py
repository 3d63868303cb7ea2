"""Weights that belong to no release are cleared, after a deadline."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from mlops.release.lock import CURRENT
from tests.unit.release.bench import Bench


def dangling(bench: Bench) -> None:
    bench.api.publish()
    bench.api.move("1", {"2": 0.2}, bench.api.traffic().revision)


@pytest.mark.fault
def test_weights_that_belong_to_nobody_are_cleared_after_the_deadline(bench: Bench) -> None:
    dangling(bench)
    assert bench.reconciler.reconcile().done == ()
    bench.wait(timedelta(minutes=29))
    assert bench.reconciler.reconcile().done == ()
    assert bench.live() == ("1", {"2": 0.2}, "1")
    bench.wait(timedelta(minutes=2))
    words = "The API gave 20% to version 2; version 1 has all again"
    assert bench.reconciler.reconcile().done == (words,)
    assert bench.live() == ("1", {}, "1")
    assert bench.notices.sent == [("Weights that belonged to no release", words)]
    assert bench.reconciler.reconcile().idle == "nothing to do"


def test_the_deadline_begins_anew_with_other_weights(bench: Bench) -> None:
    dangling(bench)
    bench.reconciler.reconcile()
    bench.api.move("1", {}, bench.api.traffic().revision)
    bench.reconciler.reconcile()
    assert bench.lock.read().dangling_since is None
    dangling(bench)
    bench.wait(timedelta(hours=1))
    assert bench.reconciler.reconcile().done == ()


def overdue(bench: Bench) -> None:
    dangling(bench)
    bench.reconciler.reconcile()
    bench.wait(timedelta(hours=1))


def release_begins(bench: Bench) -> None:
    bench.api.move("1", {}, bench.api.traffic().revision)
    bench.canary()


def somebody_moves(bench: Bench) -> None:
    bench.api.move("1", {"2": 0.3}, bench.api.traffic().revision)


@pytest.mark.parametrize("meanwhile", [release_begins, somebody_moves])
@pytest.mark.parametrize("at", ["get", "move"])
def test_what_begins_meanwhile_keeps_its_weights(
    bench: Bench, meanwhile: Callable[[Bench], None], at: str
) -> None:
    overdue(bench)

    def before(operation: str, key: str = CURRENT) -> None:
        if (operation, key) == (at, CURRENT):
            bench.before = lambda operation, key: None
            bench.api.before = lambda operation: None
            meanwhile(bench)

    bench.before = before
    bench.api.before = before
    assert bench.reconciler.reconcile().done == ()
    assert bench.live()[1]


def test_functions_that_are_gone_have_no_weights(bench: Bench) -> None:
    bench.api.remove_function()
    bench.batch.remove_alias()
    assert bench.reconciler.reconcile().idle == "nothing to do"
