"""What batch needs of the world besides the object store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


class Queue(Protocol):
    """Where tasks wait for a worker. Any of them may arrive twice, late, or out of order."""

    def send(self, bodies: Sequence[str], owner: str) -> None:
        """Put messages on the queue. Those of one owner do not hold up those of another.

        Raises StoreThrottled or StoreUnavailable; some may have been sent then.
        """


@dataclass(frozen=True)
class Link:
    """A URL that needs no credentials until it expires (aware, UTC).

    headers: to be sent with the request; without them it is refused.
    """

    url: str
    expires_at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)


class Links(Protocol):
    """Makes links to objects of the store. Raises StoreUnavailable."""

    def upload(self, key: str, size: int) -> Link:
        """Link to PUT an object of exactly `size` bytes, which must not exist yet."""

    def download(self, key: str) -> Link:
        """Link to GET an object."""
