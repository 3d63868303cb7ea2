"""What batch needs of the world besides the object store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class Queue(Protocol):
    """Where tasks wait for a worker. Any of them may arrive twice, late, or out of order."""

    def send(self, bodies: Sequence[str]) -> None:
        """Raises StoreThrottled or StoreUnavailable; some may have been sent then."""


@dataclass(frozen=True)
class Link:
    """A URL that needs no credentials until it expires (aware, UTC)."""

    url: str
    expires_at: datetime


class Links(Protocol):
    """Makes links to objects of the store. Raises StoreUnavailable."""

    def upload(self, key: str) -> Link:
        """To be used once with PUT."""

    def download(self, key: str) -> Link:
        """To be used with GET."""
