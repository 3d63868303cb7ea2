"""The classic stack: FastAPI, pandas, a scikit-learn pipeline, one line in the log."""

import logging

from fastapi import FastAPI
from mangum import Mangum

from bench.peers.customer import Customer
from bench.peers.pipeline import Pipeline

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
logging.getLogger("mangum").setLevel(logging.WARNING)  # it has a line of its own for each request
log = logging.getLogger("churn")
pipeline = Pipeline()
app = FastAPI()


@app.post("/v1/predict/churn")
def predict(customer: Customer) -> dict[str, object]:
    answer = pipeline.predict(customer)
    log.info("predicted %s", answer["churn_probability"])
    return answer


lambda_handler = Mangum(app, lifespan="off")
