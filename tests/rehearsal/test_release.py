"""A stack's life: releases promoted, refused and taken back, with clients asking all along.

One stack, in the order of the file: each test goes on from where the one before has left it.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from mlops.inference.version import Pin
from tests.rehearsal import models
from tests.rehearsal.cloud import Cloud, Keys
from tests.rehearsal.deployment import MLOPS, Deployment
from tests.rehearsal.releasing import COMPRESSED, Releasing
from tests.rehearsal.traffic import Answered, Traffic, traffic

FIRST = "churn-model-v1.0.0"
WEIGHT = 0.1
DEVIATIONS = 4
ROLLBACK_SECONDS = 5
IN_A_ROW = 10


@pytest.fixture(scope="module")
def releasing(
    cloud: Cloud,
    project: Path,
    trained_store: Path,
    churn_pin: Pin,
    tmp_path_factory: pytest.TempPathFactory,
) -> Releasing:
    folder = tmp_path_factory.mktemp("releases")
    deployment = Deployment.prepared(cloud, project, folder / "project", "releases")
    deployment.configure(ChurnPin=str(churn_pin), **COMPRESSED)
    deployment.deploy()
    # As `make deploy` does: so far the model is in the images alone.
    deployment.command(MLOPS, "copy", "--store", str(trained_store))
    return Releasing(deployment, trained_store.parent / "candidate", folder)


@pytest.fixture(scope="module")
def clients(releasing: Releasing, client: Keys) -> Iterator[Traffic]:
    with traffic(releasing.deployment.api(client)) as found:
        yield found


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


def test_what_is_deployed_first_is_live_at_once(releasing: Releasing) -> None:
    ran = releasing.verdict()
    assert ran.code == 0, ran.said
    assert releasing.model_of(releasing.live()) == FIRST
    (first,) = [it for it in releasing.mlops("release", "list", "--json").document if it["pins"]]
    assert (first["kind"], first["outcome"], first["candidate"]) == ("first", "PROMOTED", "1")


def test_a_good_canary_gets_a_tenth_and_is_promoted(
    releasing: Releasing, clients: Traffic, figures: list[str]
) -> None:
    batch = releasing.shares("batch")
    version = releasing.deploy(models.as_good, "1.1.0")
    releasing.running()
    began = time.monotonic()
    canary = [number for number, weight in releasing.shares().items() if weight == WEIGHT]
    ran = releasing.verdict()

    assert ran.code == 0, ran.said
    assert ran.document["outcome"] == "PROMOTED"
    number = ran.document["candidate"]
    assert (canary, releasing.shares()) == ([number], {number: 1})
    assert releasing.model_of(number) == version
    assert releasing.shares("batch") != batch, "it follows"
    shared = until_all_of(clients.since(began), number)
    assert len(shared) > 500
    assert abs(share(shared, number) - WEIGHT) < DEVIATIONS * deviation(shared)
    figures.append(f"a good canary: {share(shared, number):.1%} of {len(shared):,} requests")


def test_a_rollback_after_the_promotion_takes_seconds(
    releasing: Releasing, clients: Traffic, figures: list[str]
) -> None:
    number = releasing.live()
    began = time.monotonic()
    ran = releasing.mlops("rollback", "--json")
    assert ran.code == 0, ran.said
    time.sleep(1)  # for the last answers to arrive
    assert releasing.shares() == {ran.document["version"]: 1}
    assert releasing.model_of(ran.document["version"]) == FIRST
    wrong = [answer.at - began for answer in clients.since(began) if answer.release == number]
    assert max(wrong) < ROLLBACK_SECONDS
    figures.append(f"a rollback: {max(wrong):.1f} s from the command to the last wrong answer")
    again = releasing.mlops("rollback", "--json")
    assert (again.code, "to go back further" in again.said) == (3, True), again.said


def test_a_model_that_guesses_gets_no_traffic(releasing: Releasing, clients: Traffic) -> None:
    began, live = time.monotonic(), releasing.shares()
    releasing.deploy(models.guessing, "1.2.0")
    ran = releasing.verdict()
    assert (ran.code, ran.document["outcome"]) == (3, "REFUSED"), ran.said
    assert "accuracy" in " ".join(ran.document["reasons"])
    assert releasing.shares() == live
    assert {answer.release for answer in clients.since(began)} == set(live)


@pytest.mark.parametrize(
    ("make", "number", "reason"),
    [
        (models.failing, "1.3.0", "errors"),
        (models.slow, "1.4.0", "latency"),
        (models.shifted, "1.5.0", "predictions"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_bad_canary_is_taken_back_for_what_is_bad_about_it(
    releasing: Releasing,
    clients: Traffic,
    figures: list[str],
    make: models.Make,
    number: str,
    reason: str,
) -> None:
    live = releasing.shares()
    releasing.deploy(make, number)
    releasing.running()
    began = time.monotonic()
    ran = releasing.verdict()
    assert (ran.code, ran.document["outcome"]) == (3, "ROLLED_BACK"), ran.said
    assert reason in " ".join(ran.document["reasons"])
    assert releasing.shares() == live
    answers = list(clients.since(began))
    touched = share(answers, ran.document["candidate"]) + share_of_failures(answers)
    assert touched < WEIGHT + DEVIATIONS * deviation(answers)
    figures.append(
        f"a {make.__name__} canary: taken back for {reason} after {len(answers):,} requests, of"
        f" which {touched:.1%} were touched"
    )


def share_of_failures(answers: list[Answered]) -> float:
    return sum(answer.status != 200 and answer.release is None for answer in answers) / len(answers)


def test_a_deploy_amid_a_canary_waits_for_it_and_an_abort_ends_that(
    releasing: Releasing, clients: Traffic
) -> None:
    live = releasing.shares()
    releasing.deploy(models.as_good, "1.6.0")
    first = releasing.running()["id"]
    assert releasing.mlops("release", "start").code == 3, "one at a time"
    releasing.deploy(models.as_good, "1.7.0")
    aborted = releasing.mlops("release", "abort", "--by", "rehearsal", "--json")
    assert (aborted.code, aborted.document["id"]) == (0, first), aborted.said
    assert aborted.document["outcome"] == "ROLLED_BACK"
    assert list(live)[0] == next(iter(releasing.shares())), "the stable version stays"
    # What came in the middle is released by itself; this one, by hand.
    second = releasing.running()
    assert second["id"] != first
    assert releasing.mlops("release", "promote", "--by", "rehearsal").code == 0
    ran = releasing.verdict()
    assert (ran.code, ran.document["outcome"]) == (0, "PROMOTED"), ran.said
    assert ran.document["reasons"] == ["promoted by rehearsal"]
    assert releasing.model_of(releasing.live()) == "churn-model-v1.7.0"


def test_a_rollback_amid_a_canary_stops_it(releasing: Releasing, clients: Traffic) -> None:
    live = releasing.live()
    releasing.deploy(models.as_good, "1.8.0")
    canary = releasing.running()["plan"]["candidate"]["number"]
    began = time.monotonic()
    assert releasing.mlops("rollback", "--by", "rehearsal").code == 0
    time.sleep(1)
    assert releasing.shares() == {live: 1}
    wrong = [answer.at - began for answer in clients.since(began) if answer.release == canary]
    assert max(wrong, default=0) < ROLLBACK_SECONDS
    assert releasing.status()["last"]["outcome"] == "ROLLED_BACK"


def test_an_execution_that_is_stopped_by_others_leaves_no_weights(
    releasing: Releasing, clients: Traffic
) -> None:
    live = releasing.live()
    assert releasing.mlops("release", "start").code == 0
    running = releasing.running()
    outputs = releasing.deployment.outputs()
    machine = outputs["ReleaseStateMachineArn"].replace(":stateMachine:", ":execution:")
    cloud = releasing.deployment.cloud
    cloud.client("stepfunctions").stop_execution(executionArn=f"{machine}:{running['id']}")
    cloud.wait_until(lambda: releasing.shares() == {live: 1}, "the reconciler has been", 60)


def test_nothing_new_is_no_release(releasing: Releasing, clients: Traffic) -> None:
    before = releasing.shares()
    assert "No changes to deploy" in releasing.deployment.deploy()
    assert releasing.shares() == before


def test_no_request_was_lost(releasing: Releasing, clients: Traffic, figures: list[str]) -> None:
    """But for those that a canary, which failed on purpose, answered with errors: veterans'."""
    failed = [answer for answer in clients.answers if answer.status != 200]
    assert all(answer.status == 503 and answer.veteran for answer in failed)
    figures.append(
        f"{len(clients.answers):,} requests, none lost; {len(failed)} were answered with an error,"
        " all by the canary that fails on purpose"
    )


def test_a_stack_is_deleted_amid_a_canary(releasing: Releasing, clients: Traffic) -> None:
    releasing.deploy(models.as_good, "1.9.0")
    releasing.running()
    function = releasing.deployment.outputs()["ApiFunctionName"]
    releasing.deployment.delete()
    left = releasing.deployment.cloud.client("lambda").list_functions()["Functions"]
    assert function not in {it["FunctionName"] for it in left}
