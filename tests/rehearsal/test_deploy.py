"""What a first deployment gives, and what later ones leave alone."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.rehearsal.cloud import Cloud, Keys
from tests.rehearsal.deployment import Api, Deployment

CUSTOMER: dict[str, Any] = {"customer_id": "C12345", "tenure": 24, "monthly_charges": 79.5}
PREDICT = "/v1/predict/churn"
FIRST, SECOND = "churn-model-v1.0.0", "churn-model-v1.1.0"
REQUESTS = 300
WEIGHT = 0.1
FAR = 21  # requests from the 30 expected: four standard deviations of the binomial


def predict(api: Api) -> httpx2.Response:
    return api.request("POST", PREDICT, CUSTOMER)


def predict_often(api: Api) -> list[httpx2.Response]:
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(lambda _: predict(api), range(REQUESTS)))


def alias(deployment: Deployment) -> dict[str, Any]:
    name = deployment.outputs()["ApiFunctionName"]
    found = deployment.cloud.client("lambda").get_alias(FunctionName=name, Name="live")
    return {name: value for name, value in found.items() if name != "ResponseMetadata"}


@pytest.fixture(scope="module")
def canary(deployment: Deployment, trained_store: Path) -> Iterator[str]:
    """A second version with another model, which the images do not have, gets a tenth."""
    deployment.hold_releases()
    releases = deployment.executions().keys()
    deployment.register(trained_store.parent / "candidate", SECOND)
    deployment.deploy()
    functions = deployment.cloud.client("lambda")
    live = {"FunctionName": deployment.outputs()["ApiFunctionName"], "Name": "live"}
    version = functions.publish_version(FunctionName=live["FunctionName"])["Version"]
    weights = {"AdditionalVersionWeights": {version: WEIGHT}}
    functions.update_alias(**live, FunctionVersion="1", RoutingConfig=weights)
    yield version
    functions.update_alias(**live, RoutingConfig={"AdditionalVersionWeights": {}})
    assert deployment.executions().keys() == releases


def test_the_api_predicts_for_who_may_call_it(deployment: Deployment, client: Keys) -> None:
    answer = predict(deployment.api(client))
    assert answer.status_code == 200, answer.text
    assert answer.headers["Release"] == "1"
    prediction = answer.json()
    assert prediction["customer_id"] == CUSTOMER["customer_id"]
    assert prediction["model_version"] == "churn-model-v1.0.0"
    assert 0 < prediction["churn_probability"] < 1


def test_nobody_else_is_answered(deployment: Deployment, cloud: Cloud, client: Keys) -> None:
    stranger = cloud.user("stranger")
    for keys in (None, stranger, stranger._replace(key=client.key)):
        assert predict(deployment.api(keys)).status_code == 403


def test_a_load_balancer_need_not_sign(deployment: Deployment) -> None:
    answer = deployment.api().request("GET", "/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_a_request_is_logged_under_the_version_that_answered(
    deployment: Deployment, client: Keys
) -> None:
    request = predict(deployment.api(client)).headers["X-Request-Id"]
    lines = [line for line in deployment.log("ApiFunctionName") if request in line.message]
    form = rf"\d{{4}}/\d\d/\d\d/{re.escape(deployment.outputs()['ApiFunctionName'])}\[1\]"
    assert all(re.match(form, line.stream) for line in lines)
    assert f"START RequestId: {request} Version: 1" in {line.message for line in lines}
    (logged,) = (json.loads(line.message) for line in lines if line.message.startswith("{"))
    assert (logged["message"], logged["status"]) == ("request", 200)
    assert CUSTOMER["customer_id"] not in "".join(line.message for line in lines)


def test_the_api_can_write_jobs_but_no_models(deployment: Deployment, client: Keys) -> None:
    predict(deployment.api(client))
    outputs = deployment.outputs()
    store = deployment.cloud.client("s3", deployment.cloud.role(outputs["ApiFunctionName"]))
    store.put_object(Bucket=outputs["StoreName"], Key="batch/jobs/mine", Body=b"")
    with pytest.raises(store.exceptions.ClientError, match="AccessDenied"):
        store.put_object(Bucket=outputs["StoreName"], Key=f"models/{FIRST}/manifest.json", Body=b"")


def test_a_deployment_of_the_same_changes_nothing(deployment: Deployment) -> None:
    assert "No changes to deploy" in deployment.deploy()


def test_an_alias_divides_requests_by_its_weights(
    deployment: Deployment, client: Keys, canary: str
) -> None:
    answers = predict_often(deployment.api(client))
    assert Counter(answer.status_code for answer in answers) == {200: REQUESTS}
    served = Counter(
        (answer.headers["Release"], answer.json()["model_version"]) for answer in answers
    )
    assert set(served) == {("1", FIRST), (canary, SECOND)}
    assert abs(served[canary, SECOND] - REQUESTS * WEIGHT) <= FAR


@pytest.mark.usefixtures("canary")
def test_a_deployment_leaves_the_alias_alone_and_loses_no_request(
    deployment: Deployment, client: Keys
) -> None:
    before = alias(deployment)
    deployment.configure(MemorySize="2048")
    with ThreadPoolExecutor(1) as threads:
        deployed = threads.submit(deployment.deploy)
        answers = predict_often(deployment.api(client))
        deployed.result()
    assert Counter(answer.status_code for answer in answers) == {200: REQUESTS}
    assert alias(deployment) == before


def test_a_deleted_stack_leaves_its_store_and_nothing_that_runs(
    deployment: Deployment, tmp_path: Path
) -> None:
    second = Deployment.prepared(deployment.cloud, deployment.folder, tmp_path / "2", "second")
    second.deploy()
    outputs = second.outputs()
    second.delete()
    functions = deployment.cloud.client("lambda").list_functions()["Functions"]
    left = {function["FunctionName"] for function in functions}
    assert left.isdisjoint({outputs["ApiFunctionName"], outputs["BatchFunctionName"]})
    assert deployment.outputs()["ApiFunctionName"] in left
    deployment.cloud.client("s3").head_bucket(Bucket=outputs["StoreName"])
