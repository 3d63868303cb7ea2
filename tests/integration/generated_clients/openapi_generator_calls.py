"""Call every operation with the client that openapi-generator makes.

Runs in the environment of the generators. Arguments: the API's URL, and a token.
"""

import json
import sys

import openapi_client as api
import urllib3

url, token = sys.argv[1:]
CUSTOMER = {"customer_id": "C1", "tenure": 24, "monthly_charges": 79.5}

with api.ApiClient(api.Configuration(host=url, access_token=token)) as client:
    health, models = api.HealthApi(client), api.ModelsApi(client)
    predict, batch = api.PredictApi(client), api.BatchApi(client)

    def submit(submission: object, key: str) -> "api.JobDocument":
        return batch.submit_batch(api.BatchRequest(submission), idempotency_key=key)

    rows = submit(api.BatchOfRows(model="churn", rows=[CUSTOMER]), "rows")
    file = b"customer_id,tenure,monthly_charges\nC1,24,79.5\n"
    upload = api.UploadRequest(format=api.Format.CSV, bytes=len(file))
    link = batch.create_upload(upload)
    uploaded = urllib3.request(link.method, link.url, body=file, headers=link.headers).status
    of_file = submit(api.BatchOfInput(model="churn", input=link.input), "file")
    cancelled = batch.cancel_batch(of_file.job_id)
    try:
        batch.retry_batch(of_file.job_id)
    except api.ApiException as error:
        refused = json.loads(error.body)["type"]
    json.dump(
        {
            "healthz": health.healthz().status,
            "readyz": health.readyz().models,
            "list_models": [model.model for model in models.list_models().models],
            "show_model": models.show_model("churn").model_version,
            "predict_churn": predict.predict_churn(api.ChurnRequest(**CUSTOMER)).customer_id,
            "submit_batch": [rows.status, of_file.status],
            "create_upload": uploaded,
            "show_batch": batch.show_batch(rows.job_id).job_id == rows.job_id,
            "cancel_batch": cancelled.status,
            "retry_batch": refused,
        },
        sys.stdout,
    )
