from pathlib import Path

import pytest
from pydantic import ValidationError

from functions.batch.settings import Settings, read_settings
from mlops.errors import PinInvalid

PIN = f"churn-model-v1.0.0@sha256:{'0' * 64}"
NEEDED = {"MLOPS_STORE": "s3://bucket", "MLOPS_QUEUE": "https://sqs.eu-west-1.amazonaws.com/1/q"}


def test_every_setting_has_a_variable() -> None:
    settings = read_settings(
        {
            **NEEDED,
            "MLOPS_PINS": PIN,
            "MLOPS_MODELS_DIR": "/models",
            "MLOPS_CACHE_DIR": "/cache",
            "MLOPS_BATCH_MAX_ROWS": "10",
            "MLOPS_BATCH_MAX_BYTES": "20",
            "MLOPS_MAX_RECEIVES": "5",
        }
    )
    assert settings == Settings(
        store=NEEDED["MLOPS_STORE"],
        queue=NEEDED["MLOPS_QUEUE"],
        pins=PIN,
        models_dir=Path("/models"),
        cache_dir=Path("/cache"),
        max_rows=10,
        max_bytes=20,
        max_receives=5,
    )
    assert list(map(str, settings.parsed_pins())) == [PIN]


def test_what_a_job_may_have_at_most() -> None:
    settings = read_settings(NEEDED)
    assert (settings.max_rows, settings.max_bytes) == (1_000_000, 1_073_741_824)
    assert settings.max_receives == 3


def test_only_those_variables_are_read() -> None:
    names = dict.fromkeys(Settings.model_fields, "on")
    with pytest.raises(ValidationError, match="MLOPS_STORE"):
        read_settings(names)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLOPS_STORE", ""),
        ("MLOPS_QUEUE", ""),
        ("MLOPS_BATCH_MAX_ROWS", "0"),
        ("MLOPS_BATCH_MAX_BYTES", "1 GB"),
        ("MLOPS_MAX_RECEIVES", "-1"),
    ],
)
def test_a_setting_that_cannot_be_read_is_named(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match=name):
        read_settings({**NEEDED, name: value})


def test_a_pin_that_cannot_be_read() -> None:
    with pytest.raises(PinInvalid):
        read_settings({**NEEDED, "MLOPS_PINS": "churn-model-v1.0.0"}).parsed_pins()
