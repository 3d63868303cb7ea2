"""A Lambda function, its versions and its alias `live`."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import ClientError

from mlops.aws.calls import calling, code_of, opening, session
from mlops.errors import (
    CloudUnavailable,
    FunctionGone,
    InvocationFailed,
    TrafficChanged,
    TrafficRefused,
)
from mlops.inference.version import parse_pins
from mlops.registry.pausing import jittered_pause, tries
from mlops.release.note import Note, read_note
from mlops.release.ports import LATEST, FunctionVersion, Traffic

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_lambda.type_defs import (
        AliasConfigurationResponseTypeDef,
        AliasConfigurationTypeDef,
        FunctionConfigurationResponseTypeDef,
    )

# An answer to `invoke` may take a cold start of ten seconds and the API's time-out of fifteen.
_CONFIG = Config(
    connect_timeout=2,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 3},
)
_ALIAS = "live"
_PINS = "MLOPS_PINS"
_SHAPE = (
    "Architectures",
    "EphemeralStorage",
    "ImageConfigResponse",
    "MemorySize",
    "Role",
    "Timeout",
)
_TRIES = 60
"""How often a version that is made ready is asked; with pauses some 45 seconds. A large image may
take half a minute."""

_LONGEST_WORDS = 300


def lambda_client() -> "LambdaClient":
    """A client set up by the AWS CLI's environment variables and files.

    Raises CloudUnavailable where these are wrong.
    """
    with opening("lambda"):
        client = session().client("lambda", config=_CONFIG)
    return client


class LambdaFunction:
    """Implements `Function`. name: of the function, or its ARN without a version.

    Raises PinInvalid, too, where a version's environment has pins that cannot be read.
    """

    def __init__(
        self, client: "LambdaClient", name: str, pause: Callable[[int], None] = jittered_pause
    ) -> None:
        self._client = client
        self._name = name
        self._pause = pause

    def publish(self) -> FunctionVersion:
        number, reason = None, ""
        for _ in tries(_TRIES, self._pause):
            try:
                with self._asking(number):
                    found = self._published(number)
            except _UnderWay as error:
                reason = str(error)
                continue
            number = found["Version"]
            state, reason = self._state(found)
            if state != "Pending":  # Inactive: a version of old, which wakes when it is invoked
                return _version(self._name, found)
        raise CloudUnavailable(self._name, f"{reason}, after {_TRIES} tries")

    def describe(self, number: str) -> FunctionVersion:
        with self._asking(number):
            found = self._configuration(number)
        return _version(self._name, found)

    def wait_until_active(self, number: str, event: Mapping[str, Any]) -> FunctionVersion:
        reason = ""
        for _ in tries(_TRIES, self._pause):
            with self._asking(number):
                found = self._configuration(number)
            state, reason = self._state(found)
            if state == "Active":
                return _version(self._name, found)
            if state == "Inactive":
                # Lambda rejects this invocation, and then prepares the image again.
                with suppress(InvocationFailed):
                    self.invoke(number, event)
        raise InvocationFailed(self._named(number), f"{reason}, after {_TRIES} tries")

    def traffic(self) -> Traffic:
        with self._asking(_ALIAS):
            found = self._client.get_alias(FunctionName=self._name, Name=_ALIAS)
        return _traffic(found)

    def move(
        self, version: str, weights: Mapping[str, float], note: Note | None, revision: str
    ) -> Traffic:
        _check_split(version, weights)
        description = "" if note is None else note.to_text()
        try:
            with self._asking(_ALIAS):
                found = self._client.update_alias(
                    FunctionName=self._name,
                    Name=_ALIAS,
                    FunctionVersion=version,
                    Description=description,
                    RoutingConfig={"AdditionalVersionWeights": weights},
                    RevisionId=revision,
                )
        except _Moved as moved:
            # An attempt whose answer got lost has made the revision stale for the next one.
            if moved.attempts > 1:
                traffic = self.traffic()
                wanted = version, dict(weights), read_note(description)
                if (traffic.version, dict(traffic.weights), traffic.note) == wanted:
                    return traffic
            raise TrafficChanged(self._named(_ALIAS)) from moved.__cause__
        return _traffic(found)

    def invoke(self, number: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
        name = self._named(number)
        with self._asking(number):
            try:
                answer = self._client.invoke(
                    FunctionName=self._name, Qualifier=number, Payload=json.dumps(event).encode()
                )
            except ClientError as error:
                # The function's fault, not Lambda's: say, an image that cannot be started, or that
                # is not ready yet.
                if error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 502):
                    raise InvocationFailed(name, str(error)) from error
                raise
            payload = answer["Payload"].read()
        try:
            found = json.loads(payload)
        except ValueError as error:
            raise InvocationFailed(name, "its answer is not JSON") from error
        if not isinstance(found, dict):
            raise InvocationFailed(name, "its answer is no JSON object")
        if failure := answer.get("FunctionError"):
            words = f"{found.get('errorType')}: {found.get('errorMessage')}"
            raise InvocationFailed(name, f"{failure}, {words[:_LONGEST_WORDS]}")
        if answer["StatusCode"] != 200:
            raise InvocationFailed(name, f"Lambda answers {answer['StatusCode']}")
        return found

    def _published(self, number: str | None) -> "FunctionConfigurationResponseTypeDef":
        if number is None:
            return self._client.publish_version(FunctionName=self._name)
        return self._configuration(number)

    def _configuration(self, number: str) -> "FunctionConfigurationResponseTypeDef":
        return self._client.get_function_configuration(FunctionName=self._name, Qualifier=number)

    def _state(self, found: "FunctionConfigurationResponseTypeDef") -> tuple[str, str]:
        """Of a version; and in words. Raises InvocationFailed where it never will answer."""
        number, state = found["Version"], found.get("State", "Active")
        reason = f"version {number} is {state}: {found.get('StateReason', 'no reason given')}"
        if state == "Failed":
            raise InvocationFailed(self._named(number), reason)
        return state, reason

    def _named(self, qualifier: str | None) -> str:
        return self._name if qualifier is None else f"{self._name}:{qualifier}"

    @contextmanager
    def _asking(self, qualifier: str | None) -> Iterator[None]:
        """Tell apart what Lambda refuses."""
        name = self._named(qualifier)
        with calling(f"function {name}"):
            try:
                yield
            except ClientError as error:
                words = error.response["Error"].get("Message", "")
                match code_of(error):
                    case "ResourceNotFoundException":
                        raise FunctionGone(f"function {name} ({words})") from error
                    case "PreconditionFailedException":
                        raise _Moved(error) from error
                    case "InvalidParameterValueException" if qualifier == _ALIAS:
                        raise TrafficRefused(words) from error
                    case "ResourceConflictException" if qualifier is None:
                        raise _UnderWay(words) from error
                raise


class _Moved(Exception):
    """The revision is stale. attempts: of the request, its retries included."""

    def __init__(self, error: ClientError) -> None:
        self.attempts = 1 + error.response["ResponseMetadata"].get("RetryAttempts", 0)


class _UnderWay(Exception):
    """Lambda still works on an update of the function."""


def _check_split(version: str, weights: Mapping[str, float]) -> None:
    """Refuse what Lambda would, and what would be no split: simulations take anything."""
    if LATEST in (version, *weights):
        raise TrafficRefused(f"{LATEST} changes with each deployment; only versions take traffic")
    if version in weights:
        raise TrafficRefused(f"Version {version} gets what is left, and cannot have a weight")
    if len(weights) > 1:
        raise TrafficRefused(f"An alias has one other version, not {len(weights)}")
    for number, weight in weights.items():
        if not 0 < weight < 1:
            raise TrafficRefused(f"The weight of version {number} is {weight}, not between 0 and 1")


def _traffic(
    alias: "AliasConfigurationResponseTypeDef | AliasConfigurationTypeDef",
) -> Traffic:
    weights = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
    note = read_note(alias.get("Description", ""))
    return Traffic(alias["FunctionVersion"], dict(weights), note, alias["RevisionId"])


def _version(name: str, found: "FunctionConfigurationResponseTypeDef") -> FunctionVersion:
    environment = found.get("Environment", {})
    if unreadable := environment.get("Error"):
        reason = f"Lambda cannot read its environment: {unreadable.get('Message')}"
        raise CloudUnavailable(f"function {name}:{found['Version']}", reason)
    variables = dict(environment.get("Variables", {}))
    pins = parse_pins(variables.pop(_PINS, ""))
    shape: dict[str, object] = {key: found.get(key) for key in _SHAPE}
    settings = json.dumps(shape | {"Environment": variables}, sort_keys=True)
    return FunctionVersion(
        number=found["Version"],
        code=found["CodeSha256"],
        pins=pins,
        settings=hashlib.sha256(settings.encode()).hexdigest(),
    )
