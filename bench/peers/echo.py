"""The floor: FastAPI with the same request, and no model."""

from fastapi import FastAPI
from mangum import Mangum

from bench.peers.customer import Customer

app = FastAPI()


@app.post("/v1/predict/churn")
async def predict(customer: Customer) -> Customer:
    return customer


lambda_handler = Mangum(app, lifespan="off")
