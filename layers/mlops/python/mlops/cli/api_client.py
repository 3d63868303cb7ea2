"""The HTTP that the command line speaks to the API, and to the links that the API gives."""

import ipaddress
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from pydantic import ValidationError
from urllib3.exceptions import HTTPError, MaxRetryError
from urllib3.util import Retry, Timeout

from mlops.cli.answers import Answered, wrong_fields
from mlops.errors import ConfigInvalid, MlopsError
from mlops.files import replacing_file
from mlops.models.characters import find_control_character, find_other_than_visible_ascii

_TIMEOUT = Timeout(connect=5, read=60)
# Bounded, with jitter; a 503 tells when to come back. Every request here may be repeated: a
# submission has its key.
_RETRY = Retry(
    total=3,
    backoff_factor=0.3,
    backoff_jitter=0.3,
    backoff_max=5,
    retry_after_max=5,
    redirect=0,
    status_forcelist={429, 502, 503, 504},
    allowed_methods=None,
    raise_on_redirect=False,
    raise_on_status=False,
)
_SHOWN_CHARACTERS = 1000
_CREDENTIALS = ("Authorization", "X-Amz-Security-Token")

Sign = Callable[[str, str, Mapping[str, str], bytes | None], dict[str, str]]
"""Of method, URL, headers and body, the headers to send."""


class ApiRefused(MlopsError):
    """status: of the answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class ApiUnreachable(MlopsError):
    pass


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_url(url: str) -> str:
    """Return a URL that credentials may be sent to. Raises ConfigInvalid."""
    # urlsplit would silently leave out a line feed or a tab.
    if found := find_other_than_visible_ascii(url):
        raise ConfigInvalid("MLOPS_API_URL", f"it contains {found}; set it again without it")
    try:
        parts = urlsplit(url)
        _ = parts.port  # which urlsplit does not check
    except ValueError as error:
        raise ConfigInvalid("MLOPS_API_URL", f"{url} is not the URL of an API") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigInvalid("MLOPS_API_URL", f"{url} is not the URL of an API")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ConfigInvalid("MLOPS_API_URL", f"{url} must begin with https://")
    return url.rstrip("/")


def with_token(token: str) -> Sign:
    """Raises ConfigInvalid, which does not show the token, if no header can hold it."""
    if found := find_other_than_visible_ascii(token):
        raise ConfigInvalid("MLOPS_API_TOKEN", f"it contains {found}; copy the token again")
    return lambda method, url, headers, body: {**headers, "Authorization": f"Bearer {token}"}


def _check_headers(headers: Mapping[str, str]) -> None:
    """Raises ConfigInvalid, which does not show the value, for one that no header can hold.

    What a command line or a settings file gives is checked where it is read, and named by its
    name. This is for the rest, such as credentials of AWS.
    """
    for name, value in headers.items():
        found = find_control_character(value)
        if found is None and not value.isascii():
            found = find_other_than_visible_ascii(value.replace(" ", ""))
        if found is not None:
            hint = "; are the credentials copied correctly?" if name in _CREDENTIALS else ""
            raise ConfigInvalid(f"Header {name}", f"it contains {found}{hint}")


class Http:
    """Send requests through the proxy that the environment names, but never on this machine.

    AWS_CA_BUNDLE names the certificates to trust, as it does for requests to AWS itself.
    """

    def __init__(self, retry: Retry = _RETRY) -> None:
        self._retry = retry
        self._pools: dict[tuple[str, str | None], urllib3.PoolManager] = {}

    def request(self, method: str, url: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """Raises ApiUnreachable, ConfigInvalid."""
        _check_headers(options.get("headers") or {})
        parts = urlsplit(url)
        try:
            return self._pool(parts.scheme, parts.hostname or "").request(
                method, url, timeout=_TIMEOUT, retries=self._retry, redirect=False, **options
            )
        except (HTTPError, OSError, ValueError) as error:
            reason = f"{parts.netloc} cannot be reached: {_told(error)}"
            if is_loopback(parts.hostname or ""):
                reason += ". Start the API with `make run`, or name another one in MLOPS_API_URL"
            raise ApiUnreachable(reason) from error

    def _pool(self, scheme: str, host: str) -> urllib3.PoolManager:
        proxy = None
        if not is_loopback(host) and not proxy_bypass(host):
            proxy = getproxies().get(scheme)
            if proxy and (found := find_other_than_visible_ascii(proxy)):
                variable = f"{scheme.upper()}_PROXY"
                raise ConfigInvalid(variable, f"it contains {found}; set it again without it")
        if (scheme, proxy) not in self._pools:
            trusted = _trusted() if scheme == "https" else None
            self._pools[scheme, proxy] = (
                _through(proxy, trusted) if proxy else urllib3.PoolManager(ca_certs=trusted)
            )
        return self._pools[scheme, proxy]


def _trusted() -> str | None:
    """Return the file of certificates to trust, or None for those of this machine.

    Raises ConfigInvalid.
    """
    named = os.environ.get("AWS_CA_BUNDLE") or None
    if named is not None and (found := find_control_character(named)):
        raise ConfigInvalid("AWS_CA_BUNDLE", f"it contains {found}; set it again without it")
    if named is not None and not Path(named).is_file():
        raise ConfigInvalid("AWS_CA_BUNDLE", f"there is no file {named}")
    return named


def _through(proxy: str, trusted: str | None) -> urllib3.ProxyManager:
    user = urllib3.util.parse_url(proxy).auth
    headers = urllib3.make_headers(proxy_basic_auth=unquote(user)) if user else None
    return urllib3.ProxyManager(proxy, proxy_headers=headers, ca_certs=trusted)


class ApiClient:
    """The API at a URL, by its paths. sign: None where nobody asks who calls."""

    def __init__(self, url: str, sign: Sign | None = None, http: Http | None = None) -> None:
        self._url = url
        self._sign = sign
        self._http = http or Http()

    def call(
        self,
        method: str,
        path: str,
        shape: type[Answered],
        document: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the answer's JSON, which has this shape. Raises ApiRefused, ApiUnreachable."""
        answer = self.ask(method, path, document, headers)
        host = urlsplit(self._url).netloc
        try:
            found = json.loads(answer.data)
            shape.model_validate(found)
        except ValidationError as error:
            reason = f"{host} does not answer like this API; wrong fields: {wrong_fields(error)}"
            raise ApiRefused(answer.status, reason) from error
        except ValueError as error:
            raise ApiRefused(
                answer.status, f"{host} does not answer with JSON; is it the URL of this API?"
            ) from error
        return found

    def ask(
        self,
        method: str,
        path: str,
        document: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """Return the whole answer, one of success. Raises ApiRefused, ApiUnreachable."""
        url = self._url + path
        body = None if document is None else json.dumps(document).encode()
        sent = {"Accept": "application/json", **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/json"
        if self._sign is not None:
            sent = self._sign(method, url, sent, body)
        answer = self._http.request(method, url, body=body, headers=sent)
        if not 200 <= answer.status < 300:
            raise _refusal(answer, f"{method} {path}")
        return answer

    def upload(self, link: str, file: IO[bytes], headers: Mapping[str, str]) -> None:
        """PUT a file to a link, which needs no credentials.

        headers: those that the link needs. The file's length is one of them; without it, it would
        be sent in chunks, which S3 refuses.
        Raises ApiRefused, ApiUnreachable.
        """
        sent = {"Content-Type": "application/octet-stream", **headers}
        answer = self._http.request("PUT", link, body=file, headers=sent)
        # 412: an upload before this one arrived, though its answer did not.
        if not 200 <= answer.status < 300 and answer.status != 412:
            raise _refusal(answer, "The upload")

    def download(self, link: str, target: Path) -> None:
        """Write what a link leads to into a file: all of it, or nothing.

        Raises ApiRefused, ApiUnreachable, OSError.
        """
        try:
            answer = self._http.request(
                "GET", link, preload_content=False, headers={"Accept-Encoding": "identity"}
            )
            if answer.status != 200:
                answer.read()
                raise _refusal(answer, f"The download of {target.name}")
            with replacing_file(target) as file:
                for block in answer.stream(1024 * 1024, decode_content=False):
                    file.write(block)
        except HTTPError as error:  # cut off in the middle
            reason = f"The download of {target.name} was cut off: {_told(error)}"
            raise ApiUnreachable(reason) from error


def client(url: str, http: Http | None = None) -> ApiClient:
    """Return a client of the API at a URL. Raises ConfigInvalid.

    Requests carry MLOPS_API_TOKEN if it is set. Otherwise those that leave this machine are signed
    with the AWS credentials.
    """
    checked_url = check_url(url)
    # A token that was read from a file may end with a line feed.
    token = os.environ.get("MLOPS_API_TOKEN", "").strip()
    if token:
        return ApiClient(checked_url, with_token(token), http)
    host = urlsplit(checked_url).hostname or ""
    if is_loopback(host):
        return ApiClient(checked_url, http=http)
    from mlops.bootstrap import request_signer  # boto3 takes half a second

    return ApiClient(checked_url, request_signer(host), http)


def _refusal(answer: urllib3.BaseHTTPResponse, what: str) -> ApiRefused:
    """One line of a problem+json, of an answer of API Gateway's own, or of anything else."""
    try:
        found = json.loads(answer.data)
    except ValueError:
        found = None
    document = found if isinstance(found, dict) else {}
    parts = [str(document[name]) for name in ("title", "detail", "message") if document.get(name)]
    faults = document.get("errors")
    for fault in faults if isinstance(faults, list) else []:
        ours = isinstance(fault, dict) and {"field", "detail"} <= fault.keys()
        parts.append(f"{fault['field']}: {fault['detail']}" if ours else json.dumps(fault))
    if "title" not in document:
        parts.insert(0, f"{what} was answered with {answer.status} {answer.reason or ''}".strip())
        if answer.status in (401, 403):
            parts.append("Check that the AWS credentials, or MLOPS_API_TOKEN, are for this API")
    elif answer.status >= 500 and "request_id" in document:
        parts.append(f"Request id {document['request_id']}")
    line = " ".join(". ".join(part.rstrip(".") for part in parts).split())
    return ApiRefused(answer.status, line[:_SHOWN_CHARACTERS])


def _told(error: Exception) -> str:
    """Return the cause, without what urllib3 adds about pools and retries, and without numbers."""
    cause: BaseException = error
    if isinstance(error, MaxRetryError) and error.reason is not None:
        cause = error.reason
    if len(cause.args) > 1 and isinstance(cause.args[1], BaseException):
        cause = cause.args[1]
    text = " ".join(str(cause).rpartition(": ")[2].split())
    text = re.sub(r"^\[Errno -?\d+\] ", "", text)
    return text[:_SHOWN_CHARACTERS] or type(cause).__name__
