"""Call every operation with the client that openapi-python-client makes.

Runs in the environment of the generators. Arguments: the API's URL, and a token.
"""

import json
import sys

import httpx
from mlops_pipeline_client import AuthenticatedClient
from mlops_pipeline_client.api.batch import (
    cancel_batch,
    create_upload,
    retry_batch,
    show_batch,
    submit_batch,
)
from mlops_pipeline_client.api.health import healthz, readyz
from mlops_pipeline_client.api.models import list_models, show_model
from mlops_pipeline_client.api.predict import predict_churn
from mlops_pipeline_client.models import (
    BatchOfInput,
    BatchOfRows,
    BatchOfRowsRowsItem,
    ChurnRequest,
    Format,
    JobDocument,
    UploadRequest,
)

url, token = sys.argv[1:]
CUSTOMER = {"customer_id": "C1", "tenure": 24, "monthly_charges": 79.5}

with AuthenticatedClient(base_url=url, token=token) as client:

    def submit(submission: BatchOfInput | BatchOfRows, key: str) -> JobDocument:
        return submit_batch.sync(client=client, body=submission, idempotency_key=key)

    row = BatchOfRowsRowsItem.from_dict(CUSTOMER)
    rows = submit(BatchOfRows(model="churn", rows=[row]), "rows")
    file = b"customer_id,tenure,monthly_charges\nC1,24,79.5\n"
    upload = UploadRequest(format_=Format.CSV, bytes_=len(file))
    link = create_upload.sync(client=client, body=upload)
    sent = httpx.put(link.url, content=file, headers=link.headers.to_dict())
    of_file = submit(BatchOfInput(model="churn", input_=link.input_), "file")
    cancelled = cancel_batch.sync(of_file.job_id, client=client)
    customer = ChurnRequest.from_dict(CUSTOMER)
    json.dump(
        {
            "healthz": healthz.sync(client=client).status,
            "readyz": readyz.sync(client=client).models,
            "list_models": [model.model for model in list_models.sync(client=client).models],
            "show_model": show_model.sync("churn", client=client).model_version,
            "predict_churn": predict_churn.sync(client=client, body=customer).customer_id,
            "submit_batch": [rows.status, of_file.status],
            "create_upload": sent.status_code,
            "show_batch": show_batch.sync(rows.job_id, client=client).job_id == rows.job_id,
            "cancel_batch": cancelled.status,
            "retry_batch": retry_batch.sync(of_file.job_id, client=client).type_,
        },
        sys.stdout,
    )
