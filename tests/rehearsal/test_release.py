"""A stack's life: releases promoted, refused and rolled back, with clients asking all along.

All tests share one stack. Each begins when nothing is under way and makes what it needs.
"""

import time
from collections.abc import Callable, Sequence

import pytest

from tests.conftest import RELEASES
from tests.rehearsal import models
from tests.rehearsal.releasing import LOANS, ROLLBACK_SECONDS, WEIGHT, Releasing
from tests.rehearsal.traffic import Answered, Traffic

pytestmark = pytest.mark.xdist_group(RELEASES)

FIRST = {"churn": "churn-model-v1.0.0", LOANS: "loans-model-v1.0.0"}
DEVIATIONS = 4
IN_A_ROW = 10
TWO_MODELS = ("churn", "churn", LOANS)
"""Of which each is asked in turn."""


def share(answers: list[Answered], release: str) -> float:
    return sum(answer.release == release for answer in answers) / len(answers)


def until_all_of(answers: Sequence[Answered], release: str) -> list[Answered]:
    """Those before the promotion: so many in a row are no tenth any more."""
    for place in range(len(answers) - IN_A_ROW):
        if all(answer.release == release for answer in answers[place : place + IN_A_ROW]):
            return list(answers[:place])
    return list(answers)


def deviation(answers: list[Answered]) -> float:
    """Of such a share around the weight."""
    return float((WEIGHT * (1 - WEIGHT) / len(answers)) ** 0.5)


def test_the_first_deployment_is_live_at_once(releasing: Releasing) -> None:
    records = releasing.mlops("release", "list", "--json").document
    (first,) = [it for it in records if it["kind"] == "first"]
    assert (first["outcome"], first["candidate"]) == ("PROMOTED", "1")
    assert {model: releasing.model_of("1", model) for model in FIRST} == FIRST


def test_a_good_canary_gets_a_tenth_and_is_promoted(
    releasing: Releasing, clients: Traffic, url: str, note_figure: Callable[[str], None]
) -> None:
    batch = releasing.shares("batch")
    version = releasing.register(models.as_good)
    commit = releasing.deployment.commit()
    releasing.deployment.make("deploy")
    releasing.running()
    began = time.monotonic()
    canary = [number for number, weight in releasing.shares().items() if weight == WEIGHT]
    with clients.at_full_rate():
        said = releasing.deployment.make("verdict", TRAFFIC="1", API_URL=url)
    ran = releasing.verdict()

    assert ran.code == 0, ran.said
    assert ran.document["outcome"] == "PROMOTED"
    assert f"PROMOTED: {ran.document['id']}" in said
    assert ran.document["deployed_sha"] == commit
    number = ran.document["candidate"]
    assert (canary, releasing.shares()) == ([number], {number: 1})
    assert releasing.status()["api"] == {number: 1}
    assert releasing.model_of(number) == version
    assert releasing.shares("batch") != batch, "it follows"
    shared = until_all_of(clients.since(began), number)
    assert len(shared) > 500
    assert abs(share(shared, number) - WEIGHT) < DEVIATIONS * deviation(shared)
    note_figure(f"a good canary: {share(shared, number):.1%} of {len(shared):,} requests")

    assert "No changes to deploy" in releasing.deployment.make("deploy")
    assert releasing.shares() == {number: 1}, "nothing new is no release"


def test_the_live_version_answers_examples_of_both_models(releasing: Releasing, url: str) -> None:
    said = releasing.deployment.make("smoke", API_URL=url)
    assert f"3 by version {releasing.live()}. Failed: 0" in said


def test_a_rollback_after_the_promotion_takes_seconds(
    releasing: Releasing, clients: Traffic, note_figure: Callable[[str], None]
) -> None:
    before = releasing.live()
    number = releasing.start_canary()["candidate"]
    assert releasing.mlops("release", "promote", "--by", "rehearsal").code == 0
    releasing.wait_for_end()
    assert releasing.live() == number
    began = time.monotonic()
    ran = releasing.mlops("rollback", "--json")
    assert (ran.code, ran.document["version"]) == (0, before), ran.said
    time.sleep(1)  # for the last answers to arrive
    assert releasing.shares() == {before: 1}
    wrong = [answer.at - began for answer in clients.since(began) if answer.release == number]
    assert max(wrong) < ROLLBACK_SECONDS
    note_figure(f"a rollback: {max(wrong):.1f} s from the command to the last wrong answer")
    again = releasing.mlops("rollback", "--json")
    assert (again.code, "to go back further" in again.said) == (3, True), again.said


def test_a_contract_that_takes_less_gets_no_traffic(
    releasing: Releasing, clients: Traffic, note_figure: Callable[[str], None]
) -> None:
    """Weights that were set by hand are cleared meanwhile, which takes two minutes at most."""
    other, live = releasing.version_without_traffic(), releasing.live()
    releasing.weigh(other)
    weighed = time.monotonic()
    releasing.wait_until_cleared(live)
    note_figure(f"weights set by hand were gone {time.monotonic() - weighed:.0f} s later")
    began = time.monotonic()
    releasing.deploy(models.narrower)
    ran = releasing.verdict()
    assert (ran.code, ran.document["outcome"]) == (3, "REFUSED"), ran.said
    breach = "churn: request, tenure: the upper bound is 120, and was 1200"
    assert breach in ran.document["reasons"]
    assert releasing.shares() == {live: 1}
    assert {answer.release for answer in clients.since(began)} == {live}


def test_a_model_that_guesses_gets_no_traffic(releasing: Releasing, clients: Traffic) -> None:
    began, live = time.monotonic(), releasing.shares()
    releasing.deploy(models.guessing)
    ran = releasing.verdict()
    assert (ran.code, ran.document["outcome"]) == (3, "REFUSED"), ran.said
    assert "wrong decisions" in " ".join(ran.document["reasons"])
    assert releasing.shares() == live
    assert {answer.release for answer in clients.since(began)} == set(live)


@pytest.mark.parametrize(
    ("make", "reason"),
    [(models.failing, "errors"), (models.slow, "latency"), (models.shifted, "predictions")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_bad_canary_is_rolled_back_for_what_is_bad_about_it(
    releasing: Releasing,
    clients: Traffic,
    note_figure: Callable[[str], None],
    make: models.Make,
    reason: str,
) -> None:
    live = releasing.shares()
    releasing.deploy(make)
    releasing.running()
    began = time.monotonic()
    with clients.at_full_rate():
        ran = releasing.verdict()
    assert (ran.code, ran.document["outcome"]) == (3, "ROLLED_BACK"), ran.said
    assert reason in " ".join(ran.document["reasons"])
    assert releasing.shares() == live
    answers = list(clients.since(began))
    touched = share(answers, ran.document["candidate"]) + share_of_failures(answers)
    assert touched < WEIGHT + DEVIATIONS * deviation(answers)
    note_figure(
        f"a {make.__name__} canary: rolled back for {reason} after {len(answers):,} requests, of"
        f" which {touched:.1%} were touched"
    )


def share_of_failures(answers: list[Answered]) -> float:
    return sum(answer.status != 200 and answer.release is None for answer in answers) / len(answers)


def test_a_bad_model_does_not_hide_behind_a_good_one(
    releasing: Releasing, clients: Traffic, note_figure: Callable[[str], None]
) -> None:
    live = releasing.shares()
    releasing.deploy(models.shifted, LOANS)
    releasing.running()
    began = time.monotonic()
    with clients.at_full_rate(TWO_MODELS):
        ran = releasing.verdict()
    assert (ran.code, ran.document["outcome"]) == (3, "ROLLED_BACK"), ran.said
    reasons = ran.document["reasons"]
    assert any(reason.startswith("predictions of loans: ") for reason in reasons), reasons
    assert not any("churn" in reason for reason in reasons), reasons
    assert releasing.shares() == live
    note_figure(
        f"a bad model behind a good one: rolled back after {len(clients.since(began)):,} requests,"
        " of which a third was its own"
    )


def test_no_request_was_lost(
    releasing: Releasing, clients: Traffic, note_figure: Callable[[str], None]
) -> None:
    assert clients.unexpected() == []
    note_figure(f"{len(clients.answers):,} requests during releases, none lost")
