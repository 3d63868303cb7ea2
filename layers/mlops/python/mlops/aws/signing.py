"""Signs requests to an API behind IAM: SigV4, with the credentials that the AWS CLI would use."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError

from mlops.aws.calls import session
from mlops.errors import ConfigInvalid

_SERVICE = "execute-api"
_HOST = re.compile(rf"[a-z0-9-]+\.{_SERVICE}\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")


class RequestSigner:
    """host: of the API. Credentials and region are set up as for the AWS CLI.

    A host of API Gateway's own tells its region; for any other, AWS_REGION does.
    Raises ConfigInvalid where there are no credentials, or there is no region.
    """

    def __init__(self, host: str) -> None:
        with _finding_credentials():
            aws = session()
            credentials = aws.get_credentials()
        if credentials is None:
            raise ConfigInvalid(
                "AWS credentials", "there are none; sign in to AWS, or set MLOPS_API_TOKEN"
            )
        match = _HOST.fullmatch(host)
        region = match[1] if match else aws.region_name
        if not region:
            raise ConfigInvalid("AWS_REGION", f"{host} does not tell its region, so it is needed")
        self._credentials = credentials
        self._region = region

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> dict[str, str]:
        """Return the headers with those of the signature. Raises ConfigInvalid."""
        request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
        with _finding_credentials():
            # Frozen anew each time: a long wait may outlive credentials that can be refreshed.
            frozen = self._credentials.get_frozen_credentials()
            SigV4Auth(frozen, _SERVICE, self._region).add_auth(request)
        return dict(request.headers.items())


@contextmanager
def _finding_credentials() -> Iterator[None]:
    """Raises ConfigInvalid where there are none to be had."""
    try:
        yield
    # A role that is not given is a ClientError, what a credential_process says a ValueError.
    except (BotoCoreError, ClientError, ValueError) as error:
        raise ConfigInvalid("AWS credentials", str(error)) from error
