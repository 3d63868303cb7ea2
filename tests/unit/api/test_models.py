"""GET /v1/models: what is served, and what it is made of."""

from tests.churn import CATEGORIES
from tests.unit.api.service import Service

SUMMARY = {
    "model": "churn",
    "title": "Customer churn",
    "task": "binary",
    "model_version": "churn-model-v1.0.0",
    "trained_at": "2026-01-02T03:04:05Z",
}


def test_the_served_models_are_listed(api: Service) -> None:
    answer = api.asgi("GET", "/v1/models")
    assert answer.status == 200
    assert answer.json() == {"models": [SUMMARY | {"digest": api.pin.digest}]}


def test_a_model_is_shown_with_its_origin_and_metrics(api: Service) -> None:
    answer = api.asgi("GET", "/v1/models/churn")
    assert answer.status == 200
    shown = answer.json()
    assert shown.items() >= (SUMMARY | {"digest": api.pin.digest, "code_sha": "c0ffee"}).items()
    assert shown["metrics"] == {"holdout": {"roc_auc": 0.84}}
    assert shown["data_digest"].startswith("sha256:")


def test_the_features_have_their_categories_and_ranges(api: Service) -> None:
    features = api.asgi("GET", "/v1/models/churn").json()["features"]
    fields = features["properties"]
    assert features["required"] == ["customer_id", "tenure", "monthly_charges"]
    assert (fields["tenure"]["minimum"], fields["tenure"]["maximum"]) == (0, 1_200)
    for field, categories in CATEGORIES.items():
        choices, nothing = fields[field]["anyOf"]
        assert choices["enum"] == list(categories)
        assert nothing == {"type": "null"}


def test_the_answer_has_its_schema(api: Service) -> None:
    response = api.asgi("GET", "/v1/models/churn").json()["response"]
    assert set(response["required"]) == api.predict().json().keys()
    assert response["properties"]["risk_category"]["enum"] == ["Low", "Medium", "High"]


def test_an_unknown_model_is_a_problem(api: Service) -> None:
    answer = api.asgi("GET", "/v1/models/rent")
    assert answer.status == 404
    assert answer.json()["type"] == "urn:mlops-pipeline:problem:model-not-found"
    assert answer.json()["detail"] == "GET /v1/models lists all models."
