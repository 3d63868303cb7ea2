"""BentoML's service, asked with the pipeline's customer."""

import bentoml

from bench.peers.customer import Customer
from bench.peers.pipeline import Pipeline


@bentoml.service(workers=1)
class Churn:
    def __init__(self) -> None:
        self._pipeline = Pipeline()

    @bentoml.api
    def predict(self, customer: Customer) -> dict[str, object]:
        return self._pipeline.predict(customer)
