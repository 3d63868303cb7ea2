"""The pipeline of scikit-learn, asked for one customer at a time through pandas."""

import os
from typing import Any

import joblib
import pandas as pd

from bench.peers.customer import CATEGORIES, NUMBERS, Customer


class Pipeline:
    def __init__(self) -> None:
        self._pipeline: Any = joblib.load(os.environ["BENCH_PIPELINE"])

    def predict(self, customer: Customer) -> dict[str, object]:
        frame = pd.DataFrame([customer.model_dump()])
        numbers = frame[NUMBERS].astype("float32")  # as it was trained
        features = pd.concat([numbers, frame[CATEGORIES].fillna("")], axis=1)
        probability = round(float(self._pipeline.predict_proba(features)[0, 1]), 6)
        return {"customer_id": customer.customer_id, "churn_probability": probability}
