from pathlib import Path

import pytest
from pydantic import ValidationError

from functions.release.settings import Settings, read_settings
from mlops.release import steps
from mlops.release.canary_analysis import Schedule

NEEDED = {
    "MLOPS_STORE": "s3://bucket",
    "MLOPS_API_FUNCTION": "api",
    "MLOPS_BATCH_FUNCTION": "batch",
    "MLOPS_API_LOG_GROUP": "/aws/lambda/api",
    "MLOPS_STATE_MACHINE": "arn:aws:states:eu-west-1:000000000000:stateMachine:release",
    "MLOPS_ALARMS": "errors",
    "MLOPS_TOPIC": "arn:aws:sns:eu-west-1:000000000000:alarms",
    "MLOPS_STACK": "stack",
}


def test_every_setting_has_a_variable() -> None:
    settings = read_settings(
        {
            **NEEDED,
            "MLOPS_CODE_SHA": "d00d",
            "MLOPS_CACHE_DIR": "/cache",
            "MLOPS_CANARY_ANALYSES": "3",
            "MLOPS_CANARY_ANALYSIS_SECONDS": "20",
            "MLOPS_CANARY_POLL_SECONDS": "2",
            "MLOPS_CANARY_MIN_REQUESTS": "30",
            "MLOPS_CANARY_WEIGHT": "0.2",
            "MLOPS_CANARY_LOG_DELAY_SECONDS": "1",
            "MLOPS_CANARY_TIMEOUT_SECONDS": "90",
        }
    )
    assert settings.cache_dir == Path("/cache")
    assert settings.timeout_seconds == 90
    assert settings.to_settings() == steps.Settings(
        weight=0.2,
        poll_seconds=2,
        schedule=Schedule(analyses=3, analysis_seconds=20, min_requests=30, log_delay_seconds=1),
        code_sha="d00d",
    )


def test_what_is_not_said_is_as_releases_have_it() -> None:
    assert read_settings(NEEDED).to_settings() == steps.Settings()


def test_only_those_variables_are_read() -> None:
    with pytest.raises(ValidationError, match="MLOPS_STORE"):
        read_settings(dict.fromkeys(Settings.model_fields, "on"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "") for name in NEEDED),
        ("MLOPS_CANARY_ANALYSES", "0"),
        ("MLOPS_CANARY_ANALYSIS_SECONDS", "soon"),
        ("MLOPS_CANARY_POLL_SECONDS", "0"),
        ("MLOPS_CANARY_MIN_REQUESTS", "-1"),
        ("MLOPS_CANARY_TIMEOUT_SECONDS", "0"),
        ("MLOPS_CANARY_WEIGHT", "1"),
        ("MLOPS_CANARY_WEIGHT", "0"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match=name):
        read_settings({**NEEDED, name: value})


def refusals(analyses: int, interval: int, poll: int, timeout: int) -> tuple[str, ...]:
    """Of a release with no delay of the log; all but the analyses in seconds."""
    values = {
        "MLOPS_CANARY_ANALYSES": analyses,
        "MLOPS_CANARY_ANALYSIS_SECONDS": interval,
        "MLOPS_CANARY_POLL_SECONDS": poll,
        "MLOPS_CANARY_TIMEOUT_SECONDS": timeout,
        "MLOPS_CANARY_LOG_DELAY_SECONDS": 0,
    }
    return read_settings(NEEDED | {name: str(value) for name, value in values.items()}).refusals


def test_a_release_that_has_room_and_time_is_not_refused() -> None:
    assert read_settings(NEEDED).refusals == ()
    assert refusals(5, 400, 1, 2001) == ()


def test_a_history_that_has_no_room_for_all_polls_is_refused() -> None:
    (reason,) = refusals(5, 401, 1, 86400)
    assert reason == (
        "MLOPS_CANARY_ANALYSES x MLOPS_CANARY_ANALYSIS_SECONDS are 2005 s, and with "
        "MLOPS_CANARY_POLL_SECONDS 1 that is more than the 2000 polls that an execution's history "
        "has room for"
    )


def test_a_timeout_before_the_last_analysis_is_refused() -> None:
    (reason,) = refusals(5, 360, 30, 1800)
    assert reason == (
        "MLOPS_CANARY_TIMEOUT_SECONDS is 1800, and MLOPS_CANARY_ANALYSES, "
        "MLOPS_CANARY_ANALYSIS_SECONDS and MLOPS_CANARY_LOG_DELAY_SECONDS put the last analysis at "
        "1800 s"
    )


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert len(refusals(20, 3600, 1, 60)) == 2
