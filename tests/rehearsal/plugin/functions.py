"""Lambda: weights of aliases, a version's own containers, a queue's concurrency, dead letters."""

import logging
import os
import random
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from tests.rehearsal.plugin.patches import Answer, Record, instead_of, needs

LAMBDA: Final = "ministack.services.lambda_svc"
LOGS: Final = "ministack.services.cloudwatch_logs"
STACKS: Final = "ministack.services.cloudformation.stacks"
FUNCTION: Final = "AWS::Lambda::Function"
DRAWS: Final = random.Random(os.environ.get("REHEARSAL_SEED"))  # noqa: S311 -- no secret

LOG_SECONDS: Final = 0.5
NOT_REACHED: Final = "Lambda RIE failed"
"""What MiniStack answers where a container is not there, or accepts no connection."""
UNREACHABLE: Final = "unreachable"
SHORT_LOG: Final = {"type": "json-file", "config": {"max-size": "64k", "max-file": "2"}}

LOGGER: Final = logging.getLogger("rehearsal")

needs(LAMBDA, "_functions")
needs(LOGS, "_log_groups")


def drawn(function: Record, qualifier: str | None) -> str | None:
    """The version that answers this time, where `qualifier` is an alias."""
    alias = function["aliases"].get(qualifier)
    if alias is None:
        return qualifier
    weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    for version, weight in weights.items():  # AWS allows one
        if DRAWS.random() < weight:
            return str(version)
    return str(alias["FunctionVersion"])


def function_named(name: str) -> Any:
    return sys.modules[LAMBDA]._functions.get(name)


@instead_of(
    LAMBDA,
    "_effective_func_record_for_qualifier",
    "(func: dict | None, qualifier: str | None) -> tuple[dict | None, dict | None]",
)
def version_for_event(
    original: Callable[..., tuple[Record | None, Record | None]],
    func: Record | None,
    qualifier: str | None,
) -> tuple[Record | None, Record | None]:
    """All events come this way: from an API, a queue, a rule, a topic, a state machine."""
    return original(func, qualifier if func is None else drawn(func, qualifier))


@instead_of(
    LAMBDA,
    "_invoke",
    "(name: str, event: dict, headers: dict, path_qualifier: str | None = None,"
    " query_params: dict | None = None)",
)
def invoke(
    original: Callable[..., Coroutine[Any, Any, Answer]],
    name: str,
    event: Record,
    headers: Record,
    path_qualifier: str | None = None,
    query_params: dict[str, list[str]] | None = None,
) -> Coroutine[Any, Any, Answer]:
    """Lambda's own Invoke reads the alias itself."""
    qualifier = path_qualifier or next(iter((query_params or {}).get("Qualifier", [])), None)
    if function := function_named(name):
        qualifier = drawn(function, qualifier)
    return original(name, event, headers, qualifier, query_params)


def describe(
    original: Callable[[str, str | None], Answer], name: str, qualifier: str | None = None
) -> Answer:
    """Nothing is drawn for somebody who only looks: an alias has its main version."""
    alias = (function_named(name) or {"aliases": {}})["aliases"].get(qualifier)
    return original(name, alias["FunctionVersion"] if alias else qualifier)


for _name in ("_get_function", "_get_function_config"):
    instead_of(LAMBDA, _name, "(name: str, qualifier: str | None = None)")(describe)


@instead_of(LAMBDA, "_warm_pool_key", "(func_name: str, config: dict) -> str")
def pool_key(original: Callable[[str, Record], str], func_name: str, config: Record) -> str:
    """By the image alone, two versions that differ in their environment would share containers."""
    return f"{original(func_name, config)}:{config['Version']}:{config['RevisionId']}"


@instead_of(LAMBDA, "_pool_kill_function", "(account: str, func_name: str) -> None")
def kill_pool(original: Callable[[str, str], None], account: str, func_name: str) -> None:
    """A change of $LATEST has a key of its own, and ends no request to a published version."""
    if function_named(func_name) is None:
        original(account, func_name)


@instead_of(
    LAMBDA,
    "_sqs_esm_concurrency",
    "(esm: dict, func_rec: dict, config: dict, queue: dict | None = None) -> int",
)
def concurrency(original: Callable[..., int | str], *mapping: Record | None) -> int:
    """A template's parameter arrives as text, and a poller that compares it with a number stops."""
    return int(original(*mapping))


@instead_of(
    STACKS,
    "_provision_resource",
    "(resource_type: str, logical_id: str, props: dict, stack_name: str) -> tuple",
)
def create_with_dead_letters(
    original: Callable[..., tuple[str, Record]],
    resource_type: str,
    logical_id: str,
    props: Record,
    stack_name: str,
) -> tuple[str, Record]:
    """Keep the function's dead-letter queue, which MiniStack reads in its API only."""
    made = original(resource_type, logical_id, props, stack_name)
    if resource_type == FUNCTION and "DeadLetterConfig" in props:
        function_named(made[0])["config"]["DeadLetterConfig"] = props["DeadLetterConfig"]
    return made


@instead_of(LAMBDA, "_parse_docker_flags", "(flags: str) -> dict")
def container_options(original: Callable[[str], Record], flags: str) -> Record:
    """Keep each container's log short: the engine reads all of it after every invocation."""
    return original(flags) | {"log_config": SHORT_LOG}


def is_whole(log: str, request_id: str) -> bool:
    """Whether the emulator's last line is there, and the one of JSON that our functions write."""
    lines = log.splitlines()
    reported = any(line.startswith(f"REPORT RequestId: {request_id}") for line in lines)
    return reported and any(line.startswith("{") for line in lines)


@instead_of(
    LAMBDA, "_invoke_rie", "(container, event: dict, timeout: int, request_id: str) -> dict"
)
def invoke_container(
    original: Callable[..., Record], container: Any, event: Record, timeout: int, request_id: str
) -> Record:
    """Wait for the engine's log, which may lag behind the answer.

    What MiniStack reads too early, it never reads, and a request without its line would count as a
    crash. A container that runs but cannot be reached is marked, and leaves the pool.
    """
    began, result = time.time(), original(container, event, timeout, request_id)
    if NOT_REACHED in str(result["body"]) and container.status == "running":
        LOGGER.warning("Container %s cannot be reached: %s", container.name, container.ports)
        return result | {"timeout": True, UNREACHABLE: True}
    late = time.monotonic() + LOG_SECONDS
    while not is_whole(result["log"], request_id) and time.monotonic() < late:
        time.sleep(0.005)
        log: bytes = container.logs(stdout=True, stderr=True, since=began)
        result["log"] = log.decode(errors="replace").strip()
    return result


@instead_of(
    LAMBDA, "_execute_function_docker", "(func: dict, event: dict, request_id: str) -> dict"
)
def execute(
    original: Callable[[Record, Record, str], Record], func: Record, event: Record, request_id: str
) -> Record:
    """Replace an execution environment that cannot be reached, as Lambda does.

    MiniStack would keep it, and every later request to this version would fail.
    """
    result = original(func, event, request_id)
    if result.pop(UNREACHABLE, False):
        result = original(func, event, request_id)
        result.pop(UNREACHABLE, None)
    return result


@instead_of(
    LAMBDA,
    "_emit_lambda_logs",
    "(func: dict, request_id: str, log_text: str, error: bool, duration_ms: int, *,"
    " log_source: str | None = None) -> None",
)
def emit_logs(original: Callable[..., None], func: Record, *facts: Any, **source: Any) -> None:
    """In a log group of its own choice, a function's streams have the function's name, too."""
    original(func, *facts, **source)
    config = func.get("config") or func
    group = (config.get("LoggingConfig") or {}).get("LogGroup")
    streams = sys.modules[LOGS]._log_groups[group]["streams"] if group else {}
    for name in list(streams):
        # Other invocations end at the same time.
        if "/[" in name and (stream := streams.pop(name, None)) is not None:
            streams[name.replace("/[", f"/{config['FunctionName']}[")] = stream
