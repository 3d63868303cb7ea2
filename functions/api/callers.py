"""Name the caller of a request: the owner of the batch jobs that it submits.

A name carries its kind, so an IAM principal and the subject of a token never share one.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from starlette.types import Scope

from functions.api.errors import CallerUnknown

MAX_NAME = 256
"""Characters; `mlops.batch.job.OWNER` takes no more."""

Identify = Callable[[Scope], str]
"""Returns the caller's name. Raises CallerUnknown."""


def identify_local(scope: Scope) -> str:
    """Return the one caller of a server on the user's own machine."""
    del scope
    return "local"


def identify_by_gateway(scope: Scope) -> str:
    """Return the caller that API Gateway has authenticated.

    The name is `iam:` and the ARN that signed the request, or `jwt:` and the token's subject.
    Raises CallerUnknown, also where the gateway has authenticated nobody.
    """
    authorizer = _mapping(
        _mapping(_mapping(scope.get("aws.event")), "requestContext"), "authorizer"
    )
    if arn := _mapping(authorizer, "iam").get("userArn"):
        return _name("iam", arn)
    if subject := _mapping(_mapping(authorizer, "jwt"), "claims").get("sub"):
        return _name("jwt", subject)
    raise CallerUnknown(
        "API Gateway named no caller. Call the API at its own URL, with a signature or a token"
        " that has a subject (`sub`)."
    )


def _name(kind: str, identity: object) -> str:
    """Return a different name for each identity, in visible ASCII and of a limited length."""
    if not isinstance(identity, str):
        raise CallerUnknown("The caller's identity is not a text.")
    name = f"{kind}:{identity}"
    if len(name) <= MAX_NAME and all("!" <= character <= "~" for character in identity):
        return name
    digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{kind}-sha256:{digest}"


def _mapping(owner: object, name: str | None = None) -> Mapping[str, Any]:
    """Return a member of `owner`, or `owner` itself, where it is an object; else an empty one."""
    found = owner if name is None else owner.get(name) if isinstance(owner, dict) else None
    return found if isinstance(found, dict) else {}
