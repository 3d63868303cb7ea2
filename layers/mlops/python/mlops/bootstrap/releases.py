"""Wiring of releases. Not with the rest: what judges a canary is nothing a prediction waits for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

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
from mlops.release.beginning import Beginning
from mlops.release.closing import World
from mlops.release.desk import Desk
from mlops.release.gate import Gate, GatePolicy
from mlops.release.ports import Alarms, GateReport, Notices
from mlops.release.reconcile import Reconciler
from mlops.release.records import Plan, Settings
from mlops.release.rollback import Rollback
from mlops.release.rollout import Rollout


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
class Releases:
    """What people do with the releases of one stack."""

    world: World
    reconciler: Reconciler
    desk: Desk
    rollback: Rollback


@dataclass(frozen=True)
class Rollouts:
    """What the state machine and the schedules do with them."""

    beginning: Beginning
    rollout: Rollout
    reconciler: Reconciler


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
    """Raises CloudUnavailable where it is a stack of something else."""
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
    """Raises CloudUnavailable where it is a stack of something else."""
    try:
        return stack.outputs[name]
    except KeyError as error:
        reason = f"it has no output {name}; is it deployed from this template?"
        raise CloudUnavailable(f"stack {stack.name}", reason) from error


def open_releases(places: Places) -> Releases:
    """Nobody is asked yet. Raises CloudUnavailable, StoreUnavailable."""
    world, notices = _open_world(places), TopicNotices(sns_client(), places.topic)
    reconciler = _open_reconciler(world, notices, Settings())
    return Releases(
        world=world,
        reconciler=reconciler,
        desk=Desk(world, reconciler, notices),
        rollback=Rollback(world, reconciler, notices),
    )


def open_rollouts(
    places: Places, settings: Settings, policy: GatePolicy, *, cache: Path, baked: Path
) -> Rollouts:
    """Nobody is asked yet.

    cache: where models from the store are kept. baked: those of the image.

    Raises CloudUnavailable, StoreUnavailable.
    """
    world, notices = _open_world(places), TopicNotices(sns_client(), places.topic)
    alarms = open_alarms(places.alarms)
    deployments = StackDeployments(cloudformation_client(), places.stack)
    observations = LogObservations(logs_client(), places.api_logs, places.api)
    gate = Gate(world.api, open_models(baked, places.store, cache), world.objects)
    reconciler = _open_reconciler(world, notices, settings)

    def gate_of(plan: Plan) -> GateReport:
        return gate(plan.candidate, plan.champion, policy)

    return Rollouts(
        beginning=Beginning(world, reconciler, alarms, deployments, settings),
        rollout=Rollout(world, observations, alarms, gate_of),
        reconciler=reconciler,
    )


def open_alarms(names: Sequence[str]) -> Alarms:
    """Raises CloudUnavailable."""
    return NamedAlarms(cloudwatch_client(), names)


def _open_world(places: Places) -> World:
    functions = lambda_client()
    return World(
        api=LambdaFunction(functions, places.api),
        batch=LambdaFunction(functions, places.batch),
        objects=open_objects(places.store, patient=True),
        registry=open_registry(places.store),
        executions=StateMachineExecutions(stepfunctions_client(), places.state_machine),
        now=utc_now,
    )


def _open_reconciler(world: World, notices: Notices, settings: Settings) -> Reconciler:
    return Reconciler(world, notices, timedelta(seconds=settings.dangling_seconds))
