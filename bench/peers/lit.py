"""LitServe's server: its own process for HTTP, one worker for the model."""

import sys
from typing import Any

import litserve

from bench.peers.customer import Customer
from bench.peers.pipeline import Pipeline


class Churn(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self._pipeline = Pipeline()

    def decode_request(self, request: dict[str, Any]) -> Customer:
        return Customer.model_validate(request)

    def predict(self, customer: Customer) -> dict[str, object]:
        return self._pipeline.predict(customer)

    def encode_response(self, output: dict[str, object]) -> dict[str, object]:
        return output


if __name__ == "__main__":
    server = litserve.LitServer(Churn(), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False
    )
