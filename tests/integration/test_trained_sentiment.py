"""The sentiment model that the project ships: its files, its figures, and its answers."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from functions.api.app import create_app
from functions.api.callers import identify_local
from functions.api.settings import Settings
from mlops.bootstrap.logs import open_logger
from mlops.bootstrap.registry import open_registry
from mlops.inference.manifest import CARD, METRICS, MODEL
from mlops.inference.version import Pin
from tests.project.files import ROOT
from tests.unit.models.test_text import HOSTILE

# The first test waits for the model of the whole session to be trained.
pytestmark = pytest.mark.timeout(600)

PATH = "/v1/predict/sentiment"
PROMISED = {
    "text_id": "T1",
    "text": "The battery died after two days, but the support was wonderful.",
}


@pytest.fixture(scope="module")
def pin(sentiment_store: Path) -> Pin:
    (entry,) = open_registry(str(sentiment_store)).entries()
    return entry.pin


@pytest.fixture(scope="module")
def files(sentiment_store: Path, pin: Pin) -> dict[str, bytes]:
    folder = sentiment_store / "models" / str(pin.version)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def log() -> io.BytesIO:
    return io.BytesIO()


@pytest.fixture
def client(sentiment_store: Path, pin: Pin, log: io.BytesIO) -> TestClient:
    settings = Settings(pins=str(pin), models_dir=sentiment_store / "models")
    logger = open_logger("sentiment", log)
    return TestClient(create_app(settings, identify=identify_local, logger=logger))


def test_the_promised_request_has_the_promised_answer(client: TestClient) -> None:
    answer = client.post(PATH, json=PROMISED)
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    assert [*document] == [
        *("text_id", "positive_probability", "sentiment", "model_version", "prediction_id")
    ]
    assert (document["text_id"], document["sentiment"]) == ("T1", "Positive")
    assert document["model_version"] == "sentiment-model-v1.0.0"
    shown = re.findall(r'"positive_probability": ([0-9.]+)', (ROOT / "docs/api.md").read_text())
    assert document["positive_probability"] == pytest.approx(float(shown[0]), abs=2e-6)


@pytest.mark.parametrize(
    ("text", "sentiment"),
    [
        ("This is the best film I have ever seen!", "Positive"),
        ("It broke after a day. I want my money back, terrible.", "Negative"),
        ("not good at all", "Negative"),
    ],
)
def test_plain_sentences_are_understood(client: TestClient, text: str, sentiment: str) -> None:
    answer = client.post(PATH, json={"text_id": "T1", "text": text})
    assert answer.json()["sentiment"] == sentiment, answer.json()


def test_hostile_texts_are_answered_and_no_text_is_logged(
    client: TestClient, log: io.BytesIO
) -> None:
    for text in (*HOSTILE.values(), "a secret word"):
        answer = client.post(PATH, json={"text_id": "T1", "text": text})
        assert answer.status_code == 200, answer.text
        assert 0 <= answer.json()["positive_probability"] <= 1
    assert b"secret" not in log.getvalue()


@pytest.mark.parametrize("text", ["", " \u3000", "x" * 5_001, None, 7])
def test_what_is_no_text_is_a_422_that_names_the_field(client: TestClient, text: object) -> None:
    answer = client.post(PATH, json={"text_id": "T1", "text": text})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["text"]


def test_its_files_say_how_good_it_is(files: dict[str, bytes]) -> None:
    metrics = json.loads(files[METRICS])
    assert len(files[MODEL]) <= 1.2e6
    assert metrics["onnx_parity"]["max_difference"] <= 1e-5
    assert metrics["cross_validation"]["full"]["mean"]["roc_auc"] >= 0.86
    card = files[CARD].decode()
    assert "CC BY 4.0" in card and "calibrated" in card
