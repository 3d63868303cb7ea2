"""Lambda's HTTP API in front of a strict fake."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ReadTimeoutError

from mlops.aws.functions import LambdaFunction
from mlops.errors import FunctionGone, TrafficChanged
from mlops.release.note import read_note
from mlops.release.ports import FunctionVersion, Traffic
from tests.unit.aws.playing import NOBODYS, answer, attempts, play
from tests.unit.release.fakes import FakeFunction

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient


def client(tries: int = 1) -> "LambdaClient":
    return boto3.client("lambda", config=attempts(tries), **NOBODYS)


def refused(*_: object) -> None:
    raise AssertionError("there was nothing to wait for")


class PlayedLambda:
    """Answers as Lambda does, as strictly.

    ahead: answers to come first, as they are; an exception happens instead of an answer.
    lost: how many answers to moves get lost.
    """

    def __init__(self, *ahead: AWSResponse | Exception) -> None:
        self.fake = FakeFunction()
        self.ahead = list(ahead)
        self.lost = 0
        self.requests: list[str] = []
        self.broken = False

    def function(self, *, tries: int = 1, pause: Callable[[int], None] = refused) -> LambdaFunction:
        made = client(tries)
        play(made, self.answer)
        return LambdaFunction(made, "api", pause)

    def answer(self, request: AWSPreparedRequest) -> AWSResponse:
        url = urlsplit(request.url)
        _, _, _, name, what, *rest = unquote(url.path).split("/")
        self.requests.append(f"{request.method} {what}")
        if self.ahead:
            first = self.ahead.pop(0)
            if isinstance(first, Exception):
                raise first
            return first
        assert name == "api"
        (qualifier,) = parse_qs(url.query).get("Qualifier", [""])
        sent: Any = request.body  # typed as if it might be a file
        body = json.loads(sent) if sent else {}
        try:
            match request.method, what, *rest:
                case "POST", "versions":
                    return answer(201, configuration(self.fake.publish()))
                case "GET", "configuration":
                    return answer(200, configuration(self.fake.describe(qualifier)))
                case "GET", "aliases", "live":
                    return answer(200, alias(self.fake.traffic()))
                case "PUT", "aliases", "live":
                    return self._move(body)
                case "POST", "invocations":
                    return self._invoke(qualifier, body)
        except FunctionGone as error:
            return answer(404, {"Message": str(error)}, "ResourceNotFoundException")
        except TrafficChanged as error:
            return answer(412, {"Message": str(error)}, "PreconditionFailedException")
        raise AssertionError(request.url)

    def _move(self, body: dict[str, Any]) -> AWSResponse:
        weights = body["RoutingConfig"]["AdditionalVersionWeights"]
        note = read_note(body["Description"])
        moved = self.fake.move(body["FunctionVersion"], weights, note, body["RevisionId"])
        if self.lost:
            self.lost -= 1
            raise ReadTimeoutError(endpoint_url="https://lambda")
        return answer(200, alias(moved))

    def _invoke(self, qualifier: str, body: Mapping[str, Any]) -> AWSResponse:
        content = self.fake.invoke(qualifier, body)
        if not self.broken:
            return answer(200, content)
        failed = answer(200, {"errorType": "Runtime.ExitError", "errorMessage": "exit 1"})
        failed.headers["x-amz-function-error"] = "Unhandled"
        return failed


def configuration(version: FunctionVersion, **changed: Any) -> dict[str, Any]:
    return {
        "FunctionName": "api",
        "Version": version.number,
        "CodeSha256": version.code,
        "State": "Active",
        "Environment": {"Variables": {"MLOPS_PINS": ",".join(map(str, version.pins))}},
        "MemorySize": 1769,
        **changed,
    }


def alias(traffic: Traffic) -> dict[str, Any]:
    found: dict[str, Any] = {
        "Name": "live",
        "FunctionVersion": traffic.version,
        "RevisionId": traffic.revision,
        "Description": "" if traffic.note is None else traffic.note.to_text(),
    }
    if traffic.weights:
        found["RoutingConfig"] = {"AdditionalVersionWeights": dict(traffic.weights)}
    return found
