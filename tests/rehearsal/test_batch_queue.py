"""Jobs on a real queue, worked on by the container as Lambda's poller calls it."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

from mlops.bootstrap import pinned_models
from mlops.inference.version import Pin
from mlops.models.churn.contract import CHURN
from mlops.training.csv_data import load
from tests.container.engine import docker
from tests.project.files import ROOT
from tests.rehearsal.conftest import Stack

TELCO = ROOT / "data/telco_churn.csv.gz"
UPLOADS = "batch/uploads/rehearsal"
Row = Mapping[str, Any]


@pytest.fixture(scope="module")
def customers() -> tuple[Row, ...]:
    """As the API takes them; what is not known is left out."""
    return tuple(
        {name: value for name, value in request.items() if value is not None}
        for request in load(TELCO, CHURN).requests
    )


def rows_of(customers: tuple[Row, ...], number: int) -> list[Row]:
    """The file has 7,043; whoever comes a second time has an id of their own."""
    return [
        {**row, "customer_id": f"{row['customer_id']}-{count}"}
        for count, row in enumerate(islice(cycle(customers), number))
    ]


def as_csv(rows: list[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, CHURN.request.model_fields)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def single_predictions(
    rows: list[Row], pin: Pin, store: Path, folder: Path
) -> Iterator[dict[str, Any]]:
    """What the API answers to each row alone."""
    models = pinned_models([pin], baked=None, store=str(store), cache=folder)
    served = models.get("churn")
    for row in rows:
        request = CHURN.request.model_validate(row)
        (numbers,) = served.predictor.predict(CHURN.encoder.tensors([request])).tolist()
        answer = CHURN.answer_to(
            request, numbers, model_version=served.version, prediction_id="not compared"
        )
        yield answer.model_dump(mode="json")


def test_10_000_rows_are_predicted_as_each_would_be_alone(
    stack: Stack, customers: tuple[Row, ...], churn_pin: Pin, trained_store: Path, tmp_path: Path
) -> None:
    rows = rows_of(customers, 10_000)
    url = stack.put(f"{UPLOADS}/telco.csv", as_csv(rows))
    stack.submit("telco", input=url)

    assert stack.summary("telco")["rows"] == {"done": 10_000, "failed": 0, "total": 10_000}
    results = list(csv.DictReader(io.StringIO(stack.get("batch/jobs/telco/results.csv").decode())))
    assert len(results) == len(rows)
    assert len({result["prediction_id"] for result in results}) == len(rows)
    singles = single_predictions(rows, churn_pin, trained_store, tmp_path)
    for result, single in zip(results, singles, strict=True):
        probability = single.pop("churn_probability")
        assert float(result["churn_probability"]) == pytest.approx(probability, abs=1e-6)
        same = single.keys() & result.keys() - {"prediction_id"}
        assert same >= {"customer_id", "model_version", "risk_category"}
        assert {name: result[name] for name in same} == {name: single[name] for name in same}


def test_it_was_the_image_that_predicted_confined_as_on_lambda(
    stack: Stack, customers: tuple[Row, ...], batch_image: str
) -> None:
    stack.submit("confined", rows=rows_of(customers, 1))
    stack.summary("confined")
    containers = json.loads(docker("inspect", *stack.cloud.containers()))
    assert batch_image in {container["Image"] for container in containers}
    assert all(container["HostConfig"]["ReadonlyRootfs"] for container in containers)


def test_a_larger_input_is_split_over_the_queue_and_merged_in_order(
    stack: Stack, customers: tuple[Row, ...]
) -> None:
    rows = rows_of(customers, 25_000)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    stack.submit("large", input=stack.put(f"{UPLOADS}/large.jsonl", lines.encode()))

    assert stack.summary("large")["rows"] == {"done": 25_000, "failed": 0, "total": 25_000}
    results = stack.get("batch/jobs/large/results.jsonl").splitlines()
    assert [json.loads(line)["customer_id"] for line in results] == [
        row["customer_id"] for row in rows
    ]


def test_a_poison_message_becomes_a_dead_letter_and_its_siblings_are_done(
    stack: Stack, customers: tuple[Row, ...]
) -> None:
    job = {"model": "churn", "submitted_by": "rehearsal"}
    good = json.dumps({**job, "job_id": "good", "rows": rows_of(customers, 3)})
    poison = json.dumps({**job, "job_id": "poison", "rows": "none"})
    stack.send(poison, good)

    assert stack.summary("good")["rows"]["done"] == 3
    letters: list[str] = []

    def is_dead() -> bool:
        answer = stack.cloud.client("sqs").receive_message(
            QueueUrl=stack.dead_letters, MaxNumberOfMessages=10
        )
        letters.extend(message.get("Body", "") for message in answer.get("Messages", []))
        return poison in letters

    stack.cloud.wait_until(is_dead, "the poison message is dead", seconds=120)
    assert good not in letters
    assert "rows" in json.loads(stack.get("batch/jobs/poison/rejected.json"))["reason"]
