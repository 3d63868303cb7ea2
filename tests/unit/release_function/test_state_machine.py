"""What the state machine does, read off its definition: keep, wait, call, and take weights."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.unit.release_function.machine import FILE, VALUES, as_json, definition, following, paths

STATES = definition()["States"]
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}


def test_it_has_the_structure_that_step_functions_asks_for(tmp_path: Path) -> None:
    template = {
        "Resources": {
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {
                    "RoleArn": "arn:aws:iam::000000000000:role/release",
                    "Definition": definition(),
                },
            }
        }
    }
    file = tmp_path / "template.json"
    file.write_text(json.dumps(template))
    answer = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stdout) == (0, "")


def test_it_has_no_aliases_which_cloudformations_parser_takes_for_text() -> None:
    with FILE.open() as text:
        events = list(yaml.parse(text))
    assert not [event for event in events if isinstance(event, yaml.AliasEvent)]


def test_it_asks_for_these_values_and_no_others() -> None:
    assert set(re.findall(r"\$\{(\w+)\}", FILE.read_text())) == VALUES.keys()
    assert definition()["TimeoutSeconds"] == 86400
    assert "${" not in as_json()


def test_every_state_can_be_reached() -> None:
    reached, waiting = set[str](), {definition()["StartAt"]}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= following(STATES[name]) - reached
    assert reached == STATES.keys()


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_a_time_limit_retries_and_a_way_out(name: str) -> None:
    task = TASKS[name]
    assert task["TimeoutSeconds"] <= 900
    retried = {error for retry in task["Retry"] for error in retry["ErrorEquals"]}
    assert retried & {"Lambda.TooManyRequestsException", "States.ALL"}
    assert task["Catch"][-1]["ErrorEquals"] == ["States.ALL"]
    # The state stays: the step `undo` is made from it.
    assert all(catch["ResultPath"] == "$.failure" for catch in task["Catch"])


def test_a_crash_of_the_function_is_tried_again_and_an_error_of_its_own_is_not() -> None:
    outages, crashes = STATES["Step"]["Retry"]
    assert {"CloudUnavailable", "StoreUnavailable", "RegistryBusy"} <= {*outages["ErrorEquals"]}
    assert crashes["ErrorEquals"] == ["Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout"]
    named = {*outages["ErrorEquals"], *crashes["ErrorEquals"]}
    assert not named & {"States.ALL", "TrafficChanged", "FunctionGone"}


def test_the_state_is_kept_as_the_function_returned_it() -> None:
    step = STATES["Step"]
    assert (step["Parameters"]["Payload.$"], step["OutputPath"]) == ("$", "$.Payload")
    assert STATES["Wait"] == {"Type": "Wait", "SecondsPath": "$.wait", "Next": "Step"}


def test_an_error_leads_to_undo_once_and_then_to_the_way_back_without_our_code() -> None:
    assert STATES["Step"]["Catch"][0]["Next"] == "WhatFailed"
    choices = {it["StringEquals"]: it["Next"] for it in STATES["WhatFailed"]["Choices"]}
    assert choices == {"undo": "ReadLive", "record": "ReadLive"}
    assert STATES["WhatFailed"]["Default"] == "Undo"
    assert (STATES["Undo"]["Result"], STATES["Undo"]["ResultPath"]) == ("undo", "$.next")


def test_the_way_back_needs_no_function_of_ours() -> None:
    states = {name for path in paths(STATES, "ReadLive") for name in path}
    assert {STATES[name].get("Resource") for name in states} - {None} == {
        "arn:aws:states:::aws-sdk:lambda:getAlias",
        "arn:aws:states:::aws-sdk:lambda:updateAlias",
    }


def test_weights_are_taken_under_the_revision_that_was_read_and_the_note_stays() -> None:
    task = STATES["TakeWeights"]
    assert task["Parameters"] == {
        "FunctionName": "api",
        "Name": "live",
        "RoutingConfig": {"AdditionalVersionWeights": {}},
        "RevisionId.$": "$.live.RevisionId",
    }
    assert task["Catch"][0] == {
        "ErrorEquals": ["Lambda.PreconditionFailedException"],
        "ResultPath": "$.failure",
        "Next": "ReadLive",
    }


def test_whatever_could_not_be_undone_fails_which_calls_the_repair() -> None:
    ends = {path[-1] for path in paths(STATES, "ReadLive")}
    assert ends == {"NotEnded"}
    assert {it["Type"] for it in STATES.values() if "Next" not in it} >= {"Fail", "Succeed"}
