"""The churn model's request and answer.

Field names are the Telco data's column names in snake_case; categories are spelled as there.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from mlops.models.columns import Codes
from mlops.models.contract import WHOLE, Contract, Request, Response

YesNo = Literal["Yes", "No"]
NO_PHONE: Literal["No phone service"] = "No phone service"
NO_INTERNET: Literal["No internet service"] = "No internet service"
YesNoPhone = Literal["Yes", "No", "No phone service"]
YesNoInternet = Literal["Yes", "No", "No internet service"]
RiskCategory = Literal["Low", "Medium", "High"]

INTERNET_EXTRAS = (
    "online_security",
    "online_backup",
    "device_protection",
    "tech_support",
    "streaming_tv",
    "streaming_movies",
)

MEDIUM_FROM, HIGH_FROM = 0.4, 0.7
"""Churn probabilities at which the risk category changes; each bound is the higher one's."""


class ChurnRequest(Request):
    model_config = ConfigDict(
        json_schema_extra={
            "description": "One customer. Three fields are required."
            " Each further field makes the prediction better."
        }
    )

    customer_id: str = Field(
        min_length=1,
        max_length=128,
        description="Your id of the customer. The answer repeats it unchanged.",
    )
    tenure: Annotated[int, WHOLE] = Field(
        ge=0, le=1_200, description="Number of months since the customer joined."
    )
    # The upper bounds are far beyond any customer; they keep a slip of the unit (cents, yearly
    # totals) and float32's overflow out of the model.
    monthly_charges: float = Field(ge=0, le=10_000, description="Monthly charge in US dollars.")
    total_charges: float | None = Field(
        default=None, ge=0, le=10_000_000, description="Sum of all charges so far in US dollars."
    )
    senior_citizen: Annotated[Literal[0, 1] | None, WHOLE] = Field(
        default=None, description="1 if the customer is 65 or older, else 0."
    )
    gender: Literal["Female", "Male"] | None = None
    partner: YesNo | None = Field(default=None, description="Whether the customer has a partner.")
    dependents: YesNo | None = Field(
        default=None, description="Whether the customer has dependents."
    )
    phone_service: YesNo | None = None
    multiple_lines: YesNoPhone | None = None
    internet_service: Literal["DSL", "Fiber optic", "No"] | None = None
    online_security: YesNoInternet | None = None
    online_backup: YesNoInternet | None = None
    device_protection: YesNoInternet | None = None
    tech_support: YesNoInternet | None = None
    streaming_tv: YesNoInternet | None = None
    streaming_movies: YesNoInternet | None = None
    contract: Literal["Month-to-month", "One year", "Two year"] | None = None
    paperless_billing: YesNo | None = None
    payment_method: (
        Literal[
            "Bank transfer (automatic)",
            "Credit card (automatic)",
            "Electronic check",
            "Mailed check",
        ]
        | None
    ) = None

    @field_validator("multiple_lines")
    @classmethod
    def _agrees_with_phone_service(cls, value: str | None, info: ValidationInfo) -> str | None:
        phone = info.data.get("phone_service")
        if value is not None and phone is not None:
            _refuse_contradiction(value == NO_PHONE, phone == "No", NO_PHONE, "phone_service")
        return value

    @field_validator(*INTERNET_EXTRAS)
    @classmethod
    def _agrees_with_internet_service(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return value
        internet = info.data.get("internet_service")
        if internet is not None:
            _refuse_contradiction(
                value == NO_INTERNET, internet == "No", NO_INTERNET, "internet_service"
            )
            return value
        # Without it, the extras still have to agree among themselves. Fields are validated in
        # the order of their declaration, so each is compared with those before it.
        for extra in INTERNET_EXTRAS:
            earlier = info.data.get(extra)
            if earlier is not None:
                _refuse_contradiction(
                    value == NO_INTERNET, earlier == NO_INTERNET, NO_INTERNET, extra
                )
        return value


def _refuse_contradiction(says_none: bool, there_is_none: bool, none: str, other: str) -> None:
    if says_none == there_is_none:
        return
    if there_is_none:
        message = f"Contradicts '{other}', which says there is none: should be '{none}'"
    else:
        message = f"Contradicts '{other}', which says there is one: should not be '{none}'"
    # Passed as context, since the message is a template in which braces have a meaning.
    raise PydanticCustomError("contradiction", "{reason}", {"reason": message})


def consistent(columns: Mapping[str, Codes]) -> NDArray[np.bool_]:
    """The same for whole columns; bool of shape (n,)."""
    phone, lines = columns["phone_service"], columns["multiple_lines"]
    agree: NDArray[np.bool_] = (
        phone.absent | lines.absent | (phone.are("No") == lines.are(NO_PHONE))
    )
    internet = columns["internet_service"]
    some_say_none = some_say_one = np.zeros(len(agree), dtype=np.bool_)
    for name in INTERNET_EXTRAS:
        extra = columns[name]
        some_say_none = some_say_none | extra.are(NO_INTERNET)
        some_say_one = some_say_one | ~(extra.absent | extra.are(NO_INTERNET))
    there_is_none = internet.are("No") | (internet.absent & some_say_none)
    there_is_one = ~(internet.absent | internet.are("No")) | (internet.absent & some_say_one)
    agree &= ~(there_is_none & some_say_one) & ~(there_is_one & some_say_none)
    return agree


class ChurnResponse(Response):
    model_config = ConfigDict(
        json_schema_extra={
            "description": "The answer for one customer.",
            "examples": [
                {
                    "customer_id": "C12345",
                    "churn_probability": 0.73,
                    "risk_category": "High",
                    "model_version": "churn-model-v1.3.2",
                    "prediction_id": "pred_8f9a2b1c64d04e7f9a35c1d2e8b7f690",
                }
            ],
        },
    )

    customer_id: str
    churn_probability: float = Field(
        ge=0, le=1, description="Probability that the customer leaves, rounded to six decimals."
    )
    risk_category: RiskCategory = Field(
        description=f"Low below {MEDIUM_FROM}, Medium below {HIGH_FROM}, else High."
    )
    model_version: str
    prediction_id: str = Field(
        description="Unique id of this prediction. Quote it in questions about the answer."
    )


def risk_category(churn_probability: float) -> RiskCategory:
    if churn_probability < MEDIUM_FROM:
        return "Low"
    return "Medium" if churn_probability < HIGH_FROM else "High"


def answer(
    request: ChurnRequest, prediction: float, *, model_version: str, prediction_id: str
) -> ChurnResponse:
    return ChurnResponse(
        customer_id=request.customer_id,
        churn_probability=prediction,
        risk_category=risk_category(prediction),
        model_version=model_version,
        prediction_id=prediction_id,
    )


def answer_columns(predictions: NDArray[np.float64]) -> Mapping[str, NDArray[Any]]:
    categories = np.array(get_args(RiskCategory))
    above = np.searchsorted((MEDIUM_FROM, HIGH_FROM), predictions, side="right")
    return {"churn_probability": predictions, "risk_category": categories[above]}


def _categories(field: str) -> tuple[str, ...]:
    annotation: Any = ChurnRequest.model_fields[field].annotation
    literal, _none = get_args(annotation)
    return tuple(get_args(literal))


NUMERIC = ("tenure", "monthly_charges", "total_charges", "senior_citizen")
CATEGORICAL = tuple(
    field for field in ChurnRequest.model_fields if field not in {"customer_id", *NUMERIC}
)

CHURN = Contract(
    model="churn",
    title="Customer churn",
    request=ChurnRequest,
    response=ChurnResponse,
    numeric=NUMERIC,
    categorical=CATEGORICAL,
    categories={field: _categories(field) for field in CATEGORICAL},
    answer=answer,
    subject_field="customer_id",
    consistent=consistent,
    answer_columns=answer_columns,
    examples={
        "the three required fields": {
            "customer_id": "C12345",
            "tenure": 24,
            "monthly_charges": 79.50,
        },
        "all fields": {
            "customer_id": "C67890",
            "tenure": 2,
            "monthly_charges": 94.40,
            "total_charges": 188.80,
            "senior_citizen": 1,
            "gender": "Female",
            "partner": "No",
            "dependents": "No",
            "phone_service": "Yes",
            "multiple_lines": "Yes",
            "internet_service": "Fiber optic",
            "online_security": "No",
            "online_backup": "No",
            "device_protection": "No",
            "tech_support": "No",
            "streaming_tv": "Yes",
            "streaming_movies": "Yes",
            "contract": "Month-to-month",
            "paperless_billing": "Yes",
            "payment_method": "Electronic check",
        },
    },
)
