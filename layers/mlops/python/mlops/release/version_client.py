"""One version of the API, asked as the gateway would ask it, without its alias and its traffic."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops.errors import InvocationFailed, MalformedJson
from mlops.models.strict_json import parse
from mlops.release.ports import Function


@dataclass(frozen=True)
class Answer:
    """headers: names in lower case. document: the JSON of the body."""

    status: int
    headers: Mapping[str, str]
    document: Any


class ApiVersion:
    """Every method raises InvocationFailed, also where what comes back is no answer of an API."""

    def __init__(self, function: Function, number: str) -> None:
        self._function = function
        self._number = number

    def predict(self, model: str, request: Mapping[str, Any]) -> Answer:
        return self._ask("POST", f"/v1/predict/{model}", json.dumps(request))

    def _ask(self, method: str, path: str, body: str | None = None) -> Answer:
        found = self._function.invoke(self._number, _event(method, path, body))
        try:
            content = found["body"]
            text = base64.b64decode(content) if found["isBase64Encoded"] else content.encode()
            return Answer(
                status=int(found["statusCode"]),
                headers={name.lower(): str(value) for name, value in found["headers"].items()},
                document=parse(text),
            )
        except (AttributeError, KeyError, TypeError, ValueError, MalformedJson) as error:
            raise InvocationFailed(self._number, "what it returned is no answer") from error


def _event(method: str, path: str, body: str | None = None) -> dict[str, Any]:
    """Of API Gateway's HTTP API, payload format 2.0."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"accept": "application/json", "host": "release.invalid"},
        "requestContext": {
            "domainName": "release.invalid",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "mlops-release",
            },
            "routeKey": "$default",
            "stage": "$default",
        },
        "isBase64Encoded": False,
    }
    if body is not None:
        event["headers"]["content-type"] = "application/json"
        event["body"] = body
    return event


HEALTH = _event("GET", "/healthz")
"""What asks for nothing. Batch answers it, too: that it is no event of SQS."""
