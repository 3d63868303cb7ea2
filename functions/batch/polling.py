"""What SQS and Lambda are for the handler on AWS, for a queue in a folder."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from functions.batch.handling import Answer, Context
from mlops.local.queue import FolderQueue, Message

TIMEOUT_SECONDS = 120
"""For one task. Nobody stops it here, but it goes by it."""

VISIBILITY_SECONDS = 150
"""So long a task waits whose worker was killed. On AWS it is six time-outs; here people wait."""

RETRY_SECONDS = 2


@dataclass(frozen=True)
class LocalContext:
    """As much of Lambda's context as the handler uses. deadline: of the monotonic clock."""

    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    deadline: float = field(default_factory=lambda: time.monotonic() + TIMEOUT_SECONDS)

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - time.monotonic()) * 1000))


def event_of(message: Message) -> dict[str, Any]:
    """As much of SQS's event as the handler uses."""
    record = {
        "messageId": message.message_id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": {"ApproximateReceiveCount": str(message.receives)},
        "eventSource": "aws:sqs",
    }
    return {"Records": [record]}


def poll(
    queue: FolderQueue,
    handler: Callable[[object, Context], Answer],
    *,
    is_wanted: Callable[[], bool],
    rest: Callable[[], object],
) -> None:
    """Deliver one message after the other; look whether to go on between any two.

    rest: called where there is none.
    """
    while is_wanted():
        messages = queue.receive(1, VISIBILITY_SECONDS)
        for message in messages:
            if handler(event_of(message), LocalContext())["batchItemFailures"]:
                queue.release(message.receipt, RETRY_SECONDS)
            else:
                queue.delete(message.receipt)
        if not messages:
            rest()
