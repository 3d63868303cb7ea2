"""The churn request as one would write it down at first."""

from pydantic import BaseModel

NUMBERS = ["tenure", "monthly_charges", "total_charges", "senior_citizen"]


class Customer(BaseModel):
    customer_id: str
    tenure: float
    monthly_charges: float
    total_charges: float | None = None
    senior_citizen: float | None = None
    gender: str | None = None
    partner: str | None = None
    dependents: str | None = None
    phone_service: str | None = None
    multiple_lines: str | None = None
    internet_service: str | None = None
    online_security: str | None = None
    online_backup: str | None = None
    device_protection: str | None = None
    tech_support: str | None = None
    streaming_tv: str | None = None
    streaming_movies: str | None = None
    contract: str | None = None
    paperless_billing: str | None = None
    payment_method: str | None = None


CATEGORIES = [name for name in Customer.model_fields if name not in {"customer_id", *NUMBERS}]
