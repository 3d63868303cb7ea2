"""How a job is cancelled, and what ends it."""

from dataclasses import replace

import pytest

from mlops.batch.job import Format, Keys
from mlops.batch.jobs import Submission
from mlops.batch.progress import JobState
from mlops.errors import (
    JobEnded,
    MlopsError,
    ModelNotFound,
    ModelUnusable,
    PinMismatch,
    VersionNotFound,
)
from mlops.inference.loading import ServedModel
from mlops.inference.predictor import Predictor
from mlops.inference.version import Pin
from mlops.models.inputs import Tensors
from mlops.models.tasks import Numbers
from tests.unit.batch.bench import OWNER, VERSION, Bench, csv_of, load

ROWS = ({"customer_id": "ключ", "tenure": 1, "monthly_charges": 1.5},)
INLINE = Submission(OWNER, "churn", Format.JSONL, Format.JSONL, rows=ROWS)


def test_a_job_that_has_not_started_is_cancelled() -> None:
    bench = Bench()
    bench.jobs.submit("job-1", INLINE)
    assert bench.jobs.cancel("job-1", OWNER).state is JobState.CANCELLED
    assert bench.jobs.cancel("job-1", OWNER).state is JobState.CANCELLED
    bench.drain()
    assert bench.status().state is JobState.CANCELLED
    assert bench.written() == {}
    with pytest.raises(JobEnded):
        bench.jobs.retry("job-1", OWNER)


def test_chunks_that_have_not_started_are_not_done() -> None:
    bench = Bench()
    bench.submit(csv_of(20_001))
    bench.step()
    bench.step()
    bench.jobs.cancel("job-1", OWNER)
    bench.drain()
    status = bench.status()
    assert (status.state, status.rows_done) == (JobState.CANCELLED, 10_000)


def test_a_job_that_is_done_cannot_be_cancelled_or_retried() -> None:
    bench = Bench()
    bench.jobs.submit("job-1", INLINE)
    bench.drain()
    for ask in (bench.jobs.cancel, bench.jobs.retry):
        with pytest.raises(JobEnded, match="succeeded"):
            ask("job-1", OWNER)


@pytest.mark.parametrize("operation", ["create", "get"])
def test_a_cancellation_at_the_last_moment_wins_or_is_refused(operation: str) -> None:
    """A cancellation at the last moment wins or is refused; nothing in between."""
    bench = Bench()
    bench.jobs.submit("job-1", INLINE)
    refused = False

    def cancel(found: str, key: str) -> None:
        nonlocal refused
        if (found, key) == (operation, Keys("job-1").outcome):
            bench.before = lambda operation, key: None
            try:
                bench.jobs.cancel("job-1", OWNER)
            except JobEnded:
                refused = True

    bench.before = cancel
    bench.drain()
    expected = JobState.SUCCEEDED if refused else JobState.CANCELLED
    assert bench.status().state is expected
    assert refused is (operation == "get")
    assert bool(bench.written()) is refused


def test_a_failed_job_can_be_cancelled() -> None:
    """Others of its chunks may still run."""
    bench = Bench()
    bench.submit(csv_of(3))
    bench.replace_input(csv_of(4))
    bench.drain()
    assert bench.jobs.cancel("job-1", OWNER).state is JobState.CANCELLED


def unknown(pin: Pin) -> ServedModel:
    raise VersionNotFound(str(pin.version))


@pytest.mark.parametrize(
    "error",
    [
        VersionNotFound("churn-model-v1.0.0"),
        PinMismatch("churn-model-v1.0.0", "sha256:1", "sha256:2"),
        ModelUnusable("churn-model-v1.0.0", "it was trained on other columns"),
        # Accepted by a release that had the model, and worked on by one that has it not.
        ModelNotFound("churn"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_named_pin_without_a_model_fails_the_job_and_is_no_dead_letter(
    error: MlopsError,
) -> None:
    def load(pin: Pin) -> ServedModel:
        raise error

    bench = Bench(model=load)
    bench.submit(csv_of(3), pin=VERSION.pin)
    bench.drain()  # nothing is raised, so nothing comes to the dead letters
    assert bench.status().reason == str(error)


class Broken(Predictor):
    def __init__(self) -> None:
        pass

    def predict(self, tensors: Tensors) -> Numbers:
        raise ModelUnusable("churn-model-v1.0.0", "it predicts what is not between 0 and 1")


@pytest.mark.parametrize("named", [True, False])
def test_a_model_that_predicts_no_probability_fails_the_whole_job(named: bool) -> None:
    """Of a broken model nothing is worth a line; whose fault it is depends on who named it."""
    bench = Bench(model=lambda pin: replace(load(pin), predictor=Broken()))
    bench.submit(csv_of(3), pin=VERSION.pin if named else None)
    if named:
        bench.drain()
    else:
        with pytest.raises(ModelUnusable):
            bench.step(last=True)
    assert bench.status().state is JobState.FAILED
    assert "what is not between 0 and 1" in (bench.status().reason or "")
    assert bench.written() == {}


def test_a_missing_model_of_the_release_becomes_a_dead_letter() -> None:
    """It is tried again, comes to the dead letters, and rings."""
    bench = Bench(model=unknown)
    bench.submit(csv_of(3))
    with pytest.raises(VersionNotFound):
        bench.step(last=True)
    assert bench.status().reason == "There is no version churn-model-v1.0.0 in the store"
