"""What `mlops smoke --rate` sends: as many different rows as a version was held against."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mlops.cli.traffic import by_model, too_little
from mlops.inference.version import Pin
from tests.integration.smoke_command.conftest import ROWS, Smoke, pinned, register
from tests.integration.smoke_command.prediction_api import DIGEST, PREDICT, PredictionApi, models
from tests.unit.cli.test_copy import OUTPUTS

FOR_A_MOMENT = ("--rate", "100", "--seconds")
PARAMETERS = {
    "CanaryWeight": "0.1",
    "CanaryAnalyses": "5",
    "CanaryAnalysisSeconds": "360",
    "CanaryMinRequests": "300",
}


def sent(api: PredictionApi) -> list[Mapping[str, Any]]:
    return [seen.document for seen in api.seen if f"{seen.method} {seen.path}" == PREDICT]


def test_every_row_is_sent_before_any_is_sent_again(
    run: Smoke, api: PredictionApi, stored: Pin
) -> None:
    assert run(*FOR_A_MOMENT, "1.5").code == 0
    customers = [request["customer_id"] for request in sent(api)]
    # The senders, eight of them, are not quite in step.
    assert len(set(customers[: len(ROWS) + 8])) == len(ROWS)
    assert sent(api)[0] in ROWS


def test_one_round_without_a_rate_is_the_examples(
    run: Smoke, api: PredictionApi, stored: Pin
) -> None:
    assert run().code == 0
    assert not [request for request in sent(api) if request in ROWS]


def test_rows_that_the_contract_refuses_are_left_out(run: Smoke, api: PredictionApi) -> None:
    pin = register(".mlops", {**ROWS[0], "tenure": -1}, ROWS[1])
    pinned(str(pin))
    api.digest = pin.digest
    assert run(*FOR_A_MOMENT, "0.1").code == 0
    assert [*map(json.dumps, sent(api)[:2])] == [json.dumps(ROWS[1])] * 2


def test_where_all_are_refused_nothing_is_sent(run: Smoke, api: PredictionApi) -> None:
    pinned(str(register(".mlops", {**ROWS[0], "tenure": -1})))
    assert "the contract refuses all rows of its holdout" in run(*FOR_A_MOMENT, "5").refusal
    assert not sent(api)


@pytest.mark.parametrize("kept", [False, True])
def test_without_a_holdout_nothing_is_sent(run: Smoke, api: PredictionApi, kept: bool) -> None:
    """A verdict on a few examples would be worth nothing, and nobody would know."""
    if kept:
        pinned(str(register("elsewhere", holdout=False)))
    refusal = run(*FOR_A_MOMENT, "5", "--store", "elsewhere").refusal
    assert refusal == (
        "MLOPS_STORE: elsewhere has no holdout of churn-model-v1.0.0 for --rate to send"
    )
    assert not sent(api)


def test_what_is_live_is_asked_for_its_rows_first(run: Smoke, api: PredictionApi) -> None:
    """It may not take what is new in those of the pinned version."""
    live = register(".mlops", *ROWS)
    newer = register(
        ".mlops", {**ROWS[0], "customer_id": "newer"}, version=live.version.next_minor()
    )
    pinned(str(newer))
    api.play("GET /v1/models", models(live.digest))
    api.digest = live.digest
    assert run(*FOR_A_MOMENT, "0.1").code == 0
    assert sent(api)
    assert all(request in ROWS for request in sent(api))


def test_what_is_live_lends_its_rows_where_what_is_pinned_has_none(
    run: Smoke, api: PredictionApi
) -> None:
    pin = register(".mlops", *ROWS)
    pinned(f"churn-model-v1.1.0@{DIGEST}")
    api.play("GET /v1/models", models(pin.digest))
    api.digest = pin.digest
    assert run(*FOR_A_MOMENT, "0.1").code == 0
    assert sent(api)


@pytest.mark.parametrize("url", [None, "named"])
def test_a_stack_s_rows_are_in_its_own_store(
    deployed: Smoke, api: PredictionApi, url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not where versions are registered, which MLOPS_STORE names in CI."""
    pin = register(f"s3://{OUTPUTS['StoreName']}", *ROWS)
    pinned(str(pin))
    api.digest = pin.digest
    monkeypatch.setenv("MLOPS_API_URL", "http://127.0.0.1:9")  # not where a named stack's go
    named = ("--url", api.url) if url else ()
    ran = deployed(*FOR_A_MOMENT, "0.1", "--stack", "pipeline", *named)
    assert (ran.code, ran.err) == (0, "")
    assert sent(api)[0] in ROWS
    assert not Path(".mlops").exists()


def test_too_little_is_said_before_it_is_sent(
    deployed: Smoke, api: PredictionApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = register(f"s3://{OUTPUTS['StoreName']}", *ROWS)
    pinned(str(pin))
    api.digest = pin.digest
    monkeypatch.setattr("mlops.cli.smoke.too_little", lambda rate, *_: f"{rate:g} is too little")
    ran = deployed(*FOR_A_MOMENT, "0.1")
    assert (ran.code, ran.err) == (0, "100 is too little\n")


def test_what_is_too_little_follows_from_the_stack_s_settings() -> None:
    assert too_little(1, PARAMETERS, 1) == (
        "1 requests a second are too few for a verdict, if there are no others: the canary answers"
        " about 180 in its 30 minutes, and has to answer 300. 2 a second are enough."
    )
    assert too_little(1.9, PARAMETERS, 1), "300 are expected, and as often as not there are fewer"
    assert too_little(2, PARAMETERS, 1) is None
    assert too_little(0.4, {**PARAMETERS, "CanaryWeight": "0.5"}, 1) is None
    assert too_little(0.01, {"CanaryWeight": "0.1"}, 1) is None, "a stack of another template"


def test_a_version_that_is_pinned_and_live_is_one() -> None:
    pin, other = (Pin.parse(f"churn-model-v1.{minor}.0@{DIGEST}") for minor in (0, 1))
    loans = Pin.parse(f"loans-model-v1.0.0@{DIGEST}")
    assert by_model([other, loans, pin, other]) == {"churn": [other, pin], "loans": [loans]}
