"""Models that cannot be loaded, or should not be used."""

import pytest

from mlops.errors import MlopsError
from mlops.inference.golden import golden_to_bytes
from tests.unit.api.service import Answer, FailingLoader, FakeSource, Service, service
from tests.unit.inference.building import failing_model, golden_rows, version_files

GOLDEN_ELSEWHERE = golden_to_bytes(golden_rows(slope=0.06))


def assert_unavailable(answer: Answer) -> None:
    assert answer.status == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "5"
    assert answer.json()["type"] == "urn:mlops-pipeline:problem:model-unavailable"
    assert "service's log" in answer.json()["detail"]


def test_ready_when_the_golden_rows_reproduce(api: Service) -> None:
    answer = api.asgi("GET", "/readyz")
    assert answer.status == 200
    assert answer.json() == {"status": "ready", "models": ["churn-model-v1.0.0"]}


def test_not_ready_when_the_golden_rows_do_not_reproduce() -> None:
    api = service(FakeSource(version_files(golden_json=GOLDEN_ELSEWHERE)))
    assert_unavailable(api.asgi("GET", "/readyz"))
    assert "golden row is off" in api.log_lines("failure")[0]["reason"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/readyz"), ("GET", "/v1/models"), ("GET", "/v1/models/churn")]
)
def test_an_outage_is_a_503_and_ends_when_it_ends(method: str, path: str) -> None:
    source = FakeSource(version_files())
    source.down = True
    api = service(source)
    assert_unavailable(api.asgi(method, path))
    assert_unavailable(api.predict())
    assert_unavailable(api.through_lambda(method, path))
    assert api.asgi("GET", "/healthz").json() == {"status": "ok"}

    source.down = False
    assert api.predict().status == 200
    assert api.asgi(method, path).status == 200


def test_an_outage_after_the_start_is_not_noticed() -> None:
    source = FakeSource(version_files())
    api = service(source)
    source.down = True
    assert api.predict().status == 200


def test_what_could_not_be_loaded_is_logged_at_the_start() -> None:
    source = FakeSource(version_files())
    source.down = True
    (line,) = service(source).log_lines()
    assert (line["level"], line["message"], line["model"]) == ("error", "model not loaded", "churn")
    assert line["reason"] == "manifest.json: refused"


def test_a_model_that_cannot_predict_is_a_503() -> None:
    api = service(FakeSource(version_files(model_onnx=failing_model())))
    assert_unavailable(api.predict())
    assert_unavailable(api.asgi("GET", "/readyz"))


def test_an_error_of_ours_without_a_status_is_a_500() -> None:
    source = FakeSource(version_files())
    api = service(source, loader=FailingLoader(source, MlopsError("unheard of")))
    assert api.predict().status == 500


def test_without_pins_the_process_lives_but_is_not_ready() -> None:
    api = service(pinned=False)
    assert api.asgi("GET", "/healthz").status == 200
    assert_unavailable(api.asgi("GET", "/readyz"))
    assert api.asgi("GET", "/v1/models").json() == {"models": []}
    assert api.predict().json()["type"] == "urn:mlops-pipeline:problem:model-not-found"
