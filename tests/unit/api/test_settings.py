from pathlib import Path

import pytest
from pydantic import ValidationError

from functions.api.app import create_app
from functions.api.settings import Settings, read_lambda_settings, read_settings
from mlops.errors import ConfigInvalid, PinInvalid

KEY = "0123456789abcdef" * 2
UNRESOLVED = "{{resolve:secretsmanager:LogKey:SecretString:generation1}}"
PIN = f"churn-model-v1.0.0@sha256:{'0' * 64}"


def test_every_setting_has_a_variable() -> None:
    settings = read_settings(
        {
            "MLOPS_PINS": PIN,
            "MLOPS_MODELS_DIR": "/models",
            "MLOPS_STORE": "s3://bucket",
            "MLOPS_QUEUE": "https://sqs.eu-west-1.amazonaws.com/123456789012/batch",
            "MLOPS_SERVED_AT": "http://127.0.0.1:8000",
            "MLOPS_CACHE_DIR": "/cache",
            "MLOPS_DOCS": "off",
            "MLOPS_LOG_KEY": "key",
            "MLOPS_BASE_PATH": "/prod",
            "MLOPS_CORS_ORIGINS": "https://shop.example.com",
            "AWS_LAMBDA_FUNCTION_VERSION": "17",
        }
    )
    assert settings == Settings(
        pins=PIN,
        models_dir=Path("/models"),
        store="s3://bucket",
        queue="https://sqs.eu-west-1.amazonaws.com/123456789012/batch",
        served_at="http://127.0.0.1:8000",
        cache_dir=Path("/cache"),
        docs=False,
        log_key="key",
        base_path="/prod",
        cors_origins="https://shop.example.com",
        release="17",
    )
    assert list(map(str, settings.parsed_pins())) == [PIN]


def test_only_those_variables_are_read() -> None:
    names = dict.fromkeys(Settings.model_fields, "on")
    assert read_settings(names) == Settings()


@pytest.mark.parametrize("variable", ["MLOPS_DOCS", "MLOPS_SERVED_AT"])
def test_a_setting_that_cannot_be_read_is_named(variable: str) -> None:
    with pytest.raises(ValidationError, match=variable):
        read_settings({variable: "perhaps"})


@pytest.mark.parametrize(
    ("text", "path"),
    [("", ""), ("/", ""), ("prod", "/prod"), ("/prod/", "/prod"), ("/a//b", "/a/b")],
)
def test_a_base_path_is_read_with_or_without_its_slashes(text: str, path: str) -> None:
    assert Settings(base_path=text).base_path == path


@pytest.mark.parametrize("text", ["/a b", "/a?b", "/{proxy+}", "/ä", "https://host/prod"])
def test_a_base_path_that_is_no_path_is_named(text: str) -> None:
    with pytest.raises(ValidationError, match="MLOPS_BASE_PATH"):
        read_settings({"MLOPS_BASE_PATH": text})


@pytest.mark.parametrize(
    "text",
    ["/v1", "v1/", "/v1/predict", "/v1/models/a", "/docs", "/healthz", "/readyz", "/openapi.json"],
)
def test_a_base_path_that_begins_paths_of_the_api_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="begins paths of the API itself"):
        read_settings({"MLOPS_BASE_PATH": text})


def test_an_origin_may_be_an_ipv6_address() -> None:
    assert Settings(cors_origins="http://[::1]:3000").allowed_origins == ["http://[::1]:3000"]


def test_origins_are_separated_by_commas() -> None:
    origins = Settings(cors_origins=" https://a.example,http://localhost:3000 , *,").allowed_origins
    assert origins == ["https://a.example", "http://localhost:3000", "*"]
    assert Settings().allowed_origins == []


@pytest.mark.parametrize("text", ["shop.example.com", "https://a.example/", "null", "https://a b"])
def test_an_origin_that_no_browser_sends_is_named(text: str) -> None:
    with pytest.raises(ValidationError, match="MLOPS_CORS_ORIGINS"):
        read_settings({"MLOPS_CORS_ORIGINS": f"https://a.example,{text}"})


@pytest.mark.parametrize("variable", ["MLOPS_STORE", "MLOPS_QUEUE"])
def test_a_place_that_is_no_url_is_named(variable: str) -> None:
    with pytest.raises(ValidationError, match=variable):
        read_settings({variable: "https://[queue"})


@pytest.mark.parametrize(
    ("store", "served_at", "serves"),
    [
        (".mlops", "http://127.0.0.1:8000", True),
        ("s3://bucket", "http://127.0.0.1:8000", False),
        (".mlops", None, False),
        (None, "http://127.0.0.1:8000", False),
    ],
)
def test_only_a_folder_needs_its_objects_served(
    store: str | None, served_at: str | None, serves: bool
) -> None:
    assert Settings(store=store, served_at=served_at).serves_objects is serves


def test_a_pin_that_cannot_be_read_stops_the_start() -> None:
    with pytest.raises(PinInvalid):
        create_app(Settings(pins="churn-model-v1.0.0"))


def test_the_key_of_the_log_is_not_shown_with_the_settings() -> None:
    assert KEY not in repr(read_settings({"MLOPS_LOG_KEY": KEY}))


def test_a_lambda_function_takes_its_key_from_its_environment() -> None:
    assert read_lambda_settings({"MLOPS_LOG_KEY": KEY}).log_key == KEY


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({}, "is empty"),
        ({"MLOPS_LOG_KEY": ""}, "is empty"),
        ({"MLOPS_LOG_KEY": " " * 40}, "is empty"),
        ({"MLOPS_LOG_KEY": KEY[1:]}, "is too short"),
        ({"MLOPS_LOG_KEY": f" {UNRESOLVED}"}, "has not resolved the secret"),
        ({"MLOPS_LOG_KEY": f"key-{UNRESOLVED}"}, "has not resolved the secret"),
        ({"MLOPS_LOG_KEY": UNRESOLVED}, "has not resolved the secret"),
    ],
)
def test_a_lambda_function_without_a_secret_key_does_not_start(
    environment: dict[str, str], reason: str
) -> None:
    with pytest.raises(ConfigInvalid, match=f"MLOPS_LOG_KEY: .*{reason}.*template.yaml"):
        read_lambda_settings(environment)


def test_sam_local_which_resolves_no_secret_gets_a_key_of_the_process() -> None:
    environment = {"MLOPS_LOG_KEY": UNRESOLVED, "AWS_SAM_LOCAL": "true"}
    assert read_lambda_settings(environment).log_key == ""
