"""What tests know of churn's contract, by name."""

from mlops.models.churn.contract import CHURN

CATEGORIES = {
    field.name: tuple(map(str, field.choices)) for field in CHURN.fields if field.type == "category"
}
NO_PHONE = "No phone service"
NO_INTERNET = "No internet service"
INTERNET_EXTRAS = tuple(name for name, choices in CATEGORIES.items() if NO_INTERNET in choices)


def tensors_of(*requests: dict[str, object]) -> dict[str, object]:
    """Return the inputs of the graph for these requests."""
    return dict(CHURN.encoder.tensors([CHURN.request.model_validate(it) for it in requests]))
