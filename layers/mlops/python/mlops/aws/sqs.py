"""A queue in SQS, its sending end. The receiving one is Lambda's own poller."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mlops.aws.calls import session
from mlops.errors import StoreThrottled, StoreUnavailable
from mlops.registry.pausing import jittered_pause, tries

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

# As for S3: bounded, and "standard" counts throttling among what it retries.
_CONFIG = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 4},
)
_MOST_ENTRIES = 10
_MOST_BYTES = 1024 * 1024
"""Of all bodies in one request; of a single one, too."""

_TRIES = 5
_THROTTLED = frozenset(
    {"RequestThrottled", "Throttling", "ThrottlingException", "OverLimit", "KmsThrottled"}
)


def sqs_client() -> "SQSClient":
    """A client set up by the AWS CLI's environment variables and files.

    Raises StoreUnavailable where these are wrong.
    """
    try:
        return session().client("sqs", config=_CONFIG)
    except (BotoCoreError, ValueError) as error:  # the latter of an endpoint that is no URL
        raise StoreUnavailable("sqs", str(error)) from error


class SqsQueue:
    """Implements `Queue`.

    The message group makes it a fair queue: where one owner has many tasks waiting, SQS hands out
    those of the others first. A standard queue keeps no order in a group.
    """

    def __init__(
        self, client: "SQSClient", url: str, pause: Callable[[int], None] = jittered_pause
    ) -> None:
        self._client = client
        self._url = url
        self._pause = pause

    def send(self, bodies: Sequence[str], owner: str) -> None:
        for group in _groups(bodies):
            self._send(group, group_of(owner))

    def _send(self, bodies: Sequence[str], message_group: str) -> None:
        """Send again what a request was not answered for: that may be some of its entries only."""
        left: list[SendMessageBatchRequestEntryTypeDef] = [
            {"Id": str(number), "MessageBody": body, "MessageGroupId": message_group}
            for number, body in enumerate(bodies)
        ]
        codes: set[str] = set()
        for _ in tries(_TRIES, self._pause):
            try:
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=left)
            except (ClientError, BotoCoreError) as error:
                self._refuse(error)
            failed = {entry["Id"]: entry for entry in answer.get("Failed", [])}
            if not failed:
                return
            for entry in failed.values():
                if entry["SenderFault"]:
                    raise StoreUnavailable(self._url, f"SQS refuses a message: {entry['Code']}")
            left = [entry for entry in left if entry["Id"] in failed]
            codes = {entry["Code"] for entry in failed.values()}
        reason = f"{len(left)} messages not sent after {_TRIES} tries: {', '.join(sorted(codes))}"
        if codes <= _THROTTLED:
            raise StoreThrottled(self._url, reason)
        raise StoreUnavailable(self._url, reason)

    def _refuse(self, error: ClientError | BotoCoreError) -> NoReturn:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        if code in _THROTTLED:
            reason = "SQS still throttles after the last retry"
            raise StoreThrottled(self._url, reason) from error
        raise StoreUnavailable(self._url, str(error)) from error


def group_of(owner: str) -> str:
    """Return the message group of an owner, by which SQS is fair to all of them.

    The name of a group is shorter than that of an owner may be, and does not tell the owner.
    """
    return hashlib.sha256(owner.encode()).hexdigest()[:32]


def _groups(bodies: Sequence[str]) -> Iterator[Sequence[str]]:
    """Split bodies into what one request may hold, in their order."""
    group: list[str] = []
    size = 0
    for body in bodies:
        length = len(body.encode())
        if group and (len(group) == _MOST_ENTRIES or size + length > _MOST_BYTES):
            yield group
            group, size = [], 0
        group.append(body)
        size += length
    if group:
        yield group
