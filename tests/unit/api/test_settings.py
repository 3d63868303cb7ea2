from pathlib import Path

import pytest
from pydantic import ValidationError

from functions.api.app import create_app
from functions.api.settings import Settings, read_settings
from mlops.errors import PinInvalid

PIN = f"churn-model-v1.0.0@sha256:{'0' * 64}"


def test_every_setting_has_a_variable() -> None:
    settings = read_settings(
        {
            "MLOPS_PINS": PIN,
            "MLOPS_MODELS_DIR": "/models",
            "MLOPS_STORE": "s3://bucket",
            "MLOPS_CACHE_DIR": "/cache",
            "MLOPS_DOCS": "off",
            "MLOPS_LOG_SALT": "salt",
            "AWS_LAMBDA_FUNCTION_VERSION": "17",
        }
    )
    assert settings == Settings(
        pins=PIN,
        models_dir=Path("/models"),
        store="s3://bucket",
        cache_dir=Path("/cache"),
        docs=False,
        log_salt="salt",
        release="17",
    )
    assert list(map(str, settings.parsed_pins())) == [PIN]


def test_only_those_variables_are_read() -> None:
    names = dict.fromkeys(Settings.model_fields, "on")
    assert read_settings(names) == Settings()


def test_a_setting_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ValidationError, match="MLOPS_DOCS"):
        read_settings({"MLOPS_DOCS": "perhaps"})


def test_a_pin_that_cannot_be_read_stops_the_start() -> None:
    with pytest.raises(PinInvalid):
        create_app(Settings(pins="churn-model-v1.0.0"))
