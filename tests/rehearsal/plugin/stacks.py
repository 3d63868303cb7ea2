"""CloudFormation: the event of a stack, state machines in YAML, alarms upon expressions."""

import importlib
import json
import sys
from collections.abc import Callable
from typing import Final

from tests.rehearsal.plugin.patches import Record, instead_of, needs

EVENTS: Final = "ministack.services.eventbridge"
PROVISIONERS: Final = "ministack.services.cloudformation.provisioners"
# Each has imported the name, so each has its own.
RECORDERS: Final = tuple(
    f"ministack.services.cloudformation.{name}" for name in ("stacks", "changesets", "handlers")
)
STACK: Final = "AWS::CloudFormation::Stack"

needs(EVENTS, "_put_events", "(data, allow_aws_source=False)")


@instead_of(PROVISIONERS, "_sfn_definition", "(props)")
def definition(original: Callable[[Record], str], props: Record) -> str:
    """CloudFormation reads a definition in YAML, too."""
    return json.dumps(importlib.import_module("yaml").safe_load(original(props)))


@instead_of(PROVISIONERS, "_cw_metric_alarm_record", "(name, props)")
def alarm(original: Callable[[str, Record], Record], name: str, props: Record) -> Record:
    """One upon an expression of metrics exists, and stays as SetAlarmState leaves it.

    MiniStack refuses it. It gets a metric that nobody ever writes.
    """
    if props.get("Metrics"):
        stand_in = {"Namespace": "Rehearsal", "MetricName": name, "TreatMissingData": "ignore"}
        props = {key: value for key, value in props.items() if key != "Metrics"} | stand_in
    return original(name, props)


def record_event(
    original: Callable[..., None],
    stack_id: str,
    stack_name: str,
    logical_id: str,
    resource_type: str,
    status: str,
    reason: str = "",
    *rest: str,
    **named: str,
) -> None:
    """Its shape: AWS CloudFormation User Guide, "Managing events using Amazon EventBridge"."""
    original(stack_id, stack_name, logical_id, resource_type, status, reason, *rest, **named)
    if (resource_type, logical_id) != (STACK, stack_name):
        return
    detail = {
        "stack-id": stack_id,
        "status-details": {"status": status, "status-reason": reason},
        "client-request-token": "",
    }
    event = {
        "Source": "aws.cloudformation",
        "DetailType": "CloudFormation Stack Status Change",
        "Resources": [stack_id],
        "Detail": json.dumps(detail),
    }
    sys.modules[EVENTS]._put_events({"Entries": [event]}, allow_aws_source=True)


for _module in RECORDERS:
    instead_of(
        _module,
        "_add_event",
        "(stack_id, stack_name, logical_id, resource_type, status, reason='', physical_id='',"
        " detailed_status='')",
    )(record_event)
