"""Links to objects of a folder, which a server on this machine serves."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from urllib.parse import quote

from mlops.batch.ports import Link
from mlops.registry.objects import check_key

ROUTE = "/local/"
"""What the path of such a link begins with; the key follows."""


class ServedLinks:
    """Implements `Links`. They tell a time like those of a bucket, but do not expire.

    An upload's says its size, as a bucket's signature would.

    served_at: URL of the server. now: aware, UTC.
    """

    def __init__(self, served_at: str, *, seconds: int, now: Callable[[], datetime]) -> None:
        self._root = served_at.rstrip("/") + ROUTE
        self._seconds = seconds
        self._now = now

    def upload(self, key: str, size: int) -> Link:
        headers = {"Content-Length": str(size), "If-None-Match": "*"}
        return self._link(key, f"?bytes={size}", headers)

    def download(self, key: str) -> Link:
        return self._link(key, "", {})

    def _link(self, key: str, query: str, headers: Mapping[str, str]) -> Link:
        check_key(key)
        expires_at = self._now().replace(microsecond=0) + timedelta(seconds=self._seconds)
        return Link(self._root + quote(key) + query, expires_at, headers)
