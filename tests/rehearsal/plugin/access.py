"""Who may do what, over which transport; and the login to a registry of images that runs here."""

import json
import os
from collections.abc import Callable
from typing import Final

from tests.rehearsal.plugin.patches import Answer, Record, instead_of

ACTIONS: Final = "ministack.core.iam_actions"
APP: Final = "ministack.app"
ECR: Final = "ministack.services.ecr"
OF_ALIASES: Final = {"GET": "GetAlias", "PUT": "UpdateAlias", "DELETE": "DeleteAlias"}


@instead_of(
    ACTIONS,
    "extract_iam_action",
    "(service: str, method: str, path: str, headers: dict, body: bytes, query_params: dict)"
    " -> str | None",
)
def permission(original: Callable[..., str | None], service: str, *request: object) -> str | None:
    """Who may send a message may send ten at once: SQS has no permissions for its batches."""
    action = original(service, *request)
    return action.removesuffix("Batch") if action and service == "sqs" else action


@instead_of(ACTIONS, "_lambda_action", "(method: str, path: str) -> str | None")
def alias_permission(
    original: Callable[[str, str], str | None], method: str, path: str
) -> str | None:
    """MiniStack takes what is done with one alias for listing them all."""
    *_, parent, _alias = ("", *path.rstrip("/").split("/"))
    return OF_ALIASES[method] if parent == "aliases" else original(method, path)


@instead_of(APP, "pin_request_origin", "(source_ip: str, secure_transport: bool) -> None")
def origin(original: Callable[[str, bool], None], source_ip: str, _secure: bool) -> None:
    """Nothing leaves this machine. The template's policies refuse what comes without TLS."""
    original(source_ip, True)


@instead_of(ECR, "_get_authorization_token", "(data)")
def login(original: Callable[[Record], Answer], data: Record) -> Answer:
    status, headers, body = original(data)
    answer = json.loads(body)
    for authorization in answer["authorizationData"]:
        authorization["proxyEndpoint"] = f"http://{os.environ['REHEARSAL_REGISTRY']}"
    return status, headers, json.dumps(answer).encode()
