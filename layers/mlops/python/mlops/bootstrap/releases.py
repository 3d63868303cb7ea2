"""Wiring of releases. It has a module of its own, as no prediction waits for its imports."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from mlops.aws.alarms import NamedAlarms, cloudwatch_client
from mlops.aws.executions import StateMachineExecutions, stepfunctions_client
from mlops.aws.functions import LambdaFunction, lambda_client
from mlops.aws.notices import TopicNotices, sns_client
from mlops.aws.observations import LogObservations, logs_client
from mlops.aws.stacks import Stack, StackDeployments, cloudformation_client, describe_stack
from mlops.bootstrap import open_models, open_objects, utc_now
from mlops.bootstrap.registry import open_registry
from mlops.errors import CloudUnavailable, ConfigInvalid
from mlops.models.characters import find_other_than_visible_ascii
from mlops.registry.pausing import jittered_pause
from mlops.registry.versions import StoredVersions
from mlops.release.canary_analysis import CanaryAnalyses
from mlops.release.evidence import Evidence
from mlops.release.gate import Gate, GatePolicy
from mlops.release.operations import Operations
from mlops.release.ports import Alarms, Dependencies, GateReport
from mlops.release.recorder import Recorder
from mlops.release.reference import read_edges
from mlops.release.repair import Repair
from mlops.release.status import Releases
from mlops.release.steps import Plan, Release, Settings, State

_STATE: TypeAdapter[State] = TypeAdapter(Annotated[State, Field(discriminator="next")])


@dataclass(frozen=True)
class Places:
    """Where the parts of a deployed stack are.

    store: a URL. state_machine, topic: ARNs. api, batch: names of functions. api_logs: the name of
    the API function's log group. alarms: names of those that hold releases up.
    """

    stack: str
    store: str
    api: str
    batch: str
    state_machine: str
    topic: str
    api_logs: str
    alarms: tuple[str, ...]


@dataclass(frozen=True)
class Console:
    """What operators do with the releases of one stack."""

    deps: Dependencies
    releases: Releases
    operations: Operations


def read_state(document: Mapping[str, Any]) -> State:
    """Raises pydantic's ValidationError."""
    return _STATE.validate_python(document)


def write_state(state: State) -> dict[str, Any]:
    """As JSON takes it."""
    document: dict[str, Any] = _STATE.dump_python(state, mode="json")
    return document


def find_stack(name: str) -> Stack:
    """Find a stack by its name.

    Raises ConfigInvalid where no stack can have that name; CloudUnavailable, also where there is no
    such stack.
    """
    if found := find_other_than_visible_ascii(name):
        reason = f"the stack's name contains {found}; set it again without it"
        raise ConfigInvalid("MLOPS_STACK", reason)
    return describe_stack(cloudformation_client(), name)


def places_of(stack: Stack) -> Places:
    """Raises CloudUnavailable if the stack was not deployed from this template."""
    return Places(
        stack=stack.name,
        store=f"s3://{output(stack, 'StoreName')}",
        api=output(stack, "ApiFunctionName"),
        batch=output(stack, "BatchFunctionName"),
        state_machine=output(stack, "ReleaseStateMachineArn"),
        topic=output(stack, "AlarmsTopicArn"),
        api_logs=output(stack, "ApiLogGroupName"),
        alarms=tuple(output(stack, "ApiAlarmNames").split(",")),
    )


def output(stack: Stack, name: str) -> str:
    """Raises CloudUnavailable if the stack was not deployed from this template."""
    try:
        return stack.outputs[name]
    except KeyError as error:
        reason = f"it has no output {name}; is it deployed from this template?"
        raise CloudUnavailable(f"stack {stack.name}", reason) from error


def open_console(places: Places) -> Console:
    """Nothing is called yet. Raises CloudUnavailable, StoreUnavailable."""
    deps = _open_dependencies(places)
    return Console(deps, Releases(deps, read_state), Operations(deps))


def open_release_function(
    places: Places,
    settings: Settings,
    policy: GatePolicy,
    refusals: tuple[str, ...],
    *,
    cache: Path,
    baked: Path,
) -> tuple[Release, Repair]:
    """Nothing is called yet.

    cache: where models from the store are kept. baked: those of the image.

    Raises CloudUnavailable, StoreUnavailable.
    """
    deps = _open_dependencies(places)
    objects = open_objects(places.store, patient=True)
    evidence = Evidence(objects)
    versions = StoredVersions(objects)
    gate = Gate(deps.api, open_models(baked, places.store, cache), versions)
    observations = LogObservations(logs_client(), places.api_logs, places.api)

    def check(id: str, plan: Plan) -> GateReport:
        return gate.check(evidence, id, (plan.candidate, plan.champion), policy)

    release = Release(
        deps,
        settings,
        open_alarms(places.alarms),
        StackDeployments(cloudformation_client(), places.stack),
        check,
        CanaryAnalyses(evidence, observations, partial(read_edges, versions), utc_now),
        refusals,
    )
    return release, Repair(deps, Recorder(deps))


def open_alarms(names: Sequence[str]) -> Alarms:
    """Raises CloudUnavailable."""
    return NamedAlarms(cloudwatch_client(), names)


def _open_dependencies(places: Places) -> Dependencies:
    functions = lambda_client()
    return Dependencies(
        api=LambdaFunction(functions, places.api),
        batch=LambdaFunction(functions, places.batch),
        registry=open_registry(places.store),
        executions=StateMachineExecutions(stepfunctions_client(), places.state_machine),
        notices=TopicNotices(sns_client(), places.topic),
        now=utc_now,
        new_id=new_id,
        pause=jittered_pause,
    )


def new_id(kind: str = "rollback") -> str:
    """Name a rollback, or a release: short enough for the note in an alias."""
    return f"{kind}-{utc_now():%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
