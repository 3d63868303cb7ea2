"""What the API answers, checked; and where the API is."""

from itertools import cycle

import boto3
import pytest

from mlops.models.churn.contract import CHURN
from tests.integration.batch_command.fake_api import CUT, Answer, of, problem
from tests.integration.smoke_command.conftest import Smoke, pinned
from tests.integration.smoke_command.prediction_api import (
    CONTRACT,
    DIGEST,
    PREDICT,
    VERSION,
    PredictionApi,
    models,
)
from tests.unit.cli.test_copy import create_stack

OTHER_VERSION, OTHER_DIGEST = "churn-model-v1.1.0", f"sha256:{'1' * 64}"
EXAMPLES = len(CHURN.examples)


def test_each_example_is_sent_once(run: Smoke, api: PredictionApi) -> None:
    ran = run()
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"Answers of {api.url}: {EXAMPLES} by version 1. Failed: 0\n"
    sent = [seen.document for seen in api.seen if seen.method == "POST"]
    assert sent == list(CHURN.examples.values())


def test_for_programs(run: Smoke, api: PredictionApi) -> None:
    api.releases = cycle(["1", "2"])
    assert run("--json").document == {
        "url": api.url,
        "answers": {"1": 1, "2": EXAMPLES - 1},
        "failed": 0,
        "reasons": [],
    }


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (problem(500, "Internal error"), "churn: Internal error. Request id 8f5ad0c1"),
        (problem(429, "Too many"), "churn: Too many"),
        (of({"message": "Forbidden"}, 403), "answered with 403"),
        (Answer(200, b"<html>"), "churn: these fields of the answer are wrong: all; no digest"),
        (of({}, 201, Model_Digest=DIGEST), "churn: the status is 201; these fields of the answer"),
    ],
)
def test_a_wrong_answer_is_a_failure(
    run: Smoke, api: PredictionApi, answer: Answer, reason: str
) -> None:
    api.play(PREDICT, answer)
    found = run("--json")
    assert found.code == 1
    assert (found.document["failed"], len(found.document["reasons"])) == (1, 1)
    assert reason in found.document["reasons"][0]


@pytest.mark.parametrize(
    ("replaced", "reason"),
    [
        ({"churn_probability": "0.5"}, "these fields of the answer are wrong: churn_probability"),
        ({"customer_id": "somebody"}, "it answers for another customer_id"),
        (
            {"model_version": OTHER_VERSION},
            f"{OTHER_VERSION} answered with the digest of {VERSION}",
        ),
    ],
)
def test_a_wrong_field_is_a_failure(
    run: Smoke, api: PredictionApi, replaced: dict[str, object], reason: str
) -> None:
    first = next(iter(CHURN.examples.values()))
    api.play(PREDICT, api.predicted(first, **replaced))
    ran = run()
    assert ran.code == 1
    assert ran.out.splitlines()[1:] == [f"- churn: {reason}"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (problem(404, "Model not found"), "churn: Model not found"),
        (of({}), "churn: "),
        (of({"contract": {"model": "churn"}}), "churn: The contract of churn: "),
    ],
)
def test_a_model_whose_contract_cannot_be_had_is_a_failure(
    run: Smoke, api: PredictionApi, answer: Answer, reason: str
) -> None:
    api.play(CONTRACT, answer)
    ran = run()
    assert ran.code == 1
    assert ran.out.splitlines()[1].startswith(f"- {reason}")


def test_a_connection_that_breaks_is_tried_again_once(run: Smoke, api: PredictionApi) -> None:
    api.play(PREDICT, CUT)
    assert run().code == 0
    api.play(PREDICT, CUT, CUT)
    ran = run()
    assert ran.code == 1
    assert "cannot be reached" in ran.out


def test_a_version_that_is_neither_pinned_nor_live_is_a_failure(
    run: Smoke, api: PredictionApi
) -> None:
    pinned(f"{OTHER_VERSION}@{OTHER_DIGEST}")
    ran = run()
    assert ran.code == 1
    assert f"{DIGEST} answered, which is neither pinned nor live" in ran.out


def test_a_live_version_may_answer_before_the_pinned_one_is_released(
    run: Smoke, api: PredictionApi
) -> None:
    pinned(f"{OTHER_VERSION}@{OTHER_DIGEST}")
    api.play("GET /v1/models", models(DIGEST))
    assert run().code == 0


def test_where_nothing_is_pinned_what_is_live_is_asked(run: Smoke, api: PredictionApi) -> None:
    pinned()
    api.play("GET /v1/models", models(DIGEST))
    assert run("--json").document["answers"] == {"1": EXAMPLES}


@pytest.mark.parametrize("options", [(), ("--rate", "5")])
def test_where_no_model_is_there_is_nothing_to_ask(
    run: Smoke, api: PredictionApi, options: tuple[str, ...]
) -> None:
    pinned()
    ran = run(*options)
    assert ran.code == 0
    assert ran.err == f"No model is pinned or live, so no request is sent to {api.url}.\n"


@pytest.mark.parametrize("document", [{}, [], {"models": [{}]}, {"models": [DIGEST]}])
def test_an_api_of_something_else(run: Smoke, api: PredictionApi, document: object) -> None:
    api.play("GET /v1/models", of(document))
    assert "does not answer like this API; wrong fields: " in run().refusal


def test_an_api_that_is_not_there(run: Smoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_API_URL", "http://127.0.0.1:9")
    assert "127.0.0.1:9 cannot be reached" in run().refusal


def test_the_stack_tells_its_api_and_what_is_live(deployed: Smoke, api: PredictionApi) -> None:
    pinned(f"{OTHER_VERSION}@{OTHER_DIGEST}")
    ran = deployed("--json")
    assert (ran.code, ran.document["url"]) == (0, api.url)
    assert ran.document["answers"] == {"1": EXAMPLES}
    assert not api.requests("GET")


def test_a_stack_that_is_named_is_asked_whatever_the_environment_says(
    deployed: Smoke, api: PredictionApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_API_URL", "http://127.0.0.1:9")
    assert deployed("--stack", "pipeline", "--json").document["url"] == api.url
    # An address that is named, too, is another name of the stack's API.
    ran = deployed("--stack", "pipeline", "--url", "http://127.0.0.1:9")
    assert "127.0.0.1:9 cannot be reached" in ran.refusal
    # Of two settings of the environment neither is the more particular one.
    monkeypatch.setenv("MLOPS_STACK", "pipeline")
    assert "127.0.0.1:9 cannot be reached" in deployed().refusal


def test_a_stack_that_is_not_there(deployed: Smoke) -> None:
    assert deployed("--stack", "gone").refusal.startswith("stack gone: there is no such stack")


def test_a_stack_of_something_else(deployed: Smoke) -> None:
    boto3.client("cloudformation").delete_stack(StackName="pipeline")
    create_stack({"Other": "thing"})
    assert deployed().refusal.startswith("stack pipeline: it has no output StoreName")
