"""What must be so in whichever way a release goes, read off its definition."""

import json
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml

from tests.unit.release_function.machine import (
    FILE,
    VALUES,
    as_json,
    definition,
    following,
    paths,
    updates,
)

STATES = definition()["States"]
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}
ENDS = {name for name, state in STATES.items() if state["Type"] in ("Succeed", "Fail")}
SAFE = {"Record", "NotRestored"}
"""Where every way through a canary comes by: recorded, or left to the reconciler as failed."""


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
    assert retried & {"Lambda.TooManyRequestsException", "States.TaskFailed", "States.ALL"}
    assert task["Catch"][-1]["ErrorEquals"] == ["States.ALL"]
    # What was known stays: the plan is needed to give traffic back.
    assert all(catch["ResultPath"] == "$.failure" for catch in task["Catch"])
    assert task["ResultPath"] != "$"


@pytest.mark.parametrize("name", ["Begin", "Gate", "Watch"])
def test_a_crash_of_the_function_is_tried_again_and_then_ends_it(name: str) -> None:
    """What an operation raises on purpose has a name of its own, and is not tried again."""
    (crashed,) = (it for it in STATES[name]["Retry"] if "Lambda.Unknown" in it["ErrorEquals"])
    assert crashed["ErrorEquals"] == ["Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout"]
    assert crashed["MaxAttempts"] == 2


@pytest.mark.parametrize("name", ["Restore", "RestoreBatch"])
@pytest.mark.parametrize("error", ["PreconditionFailed", "ResourceConflict"])
def test_an_alias_that_others_move_is_read_again(name: str, error: str) -> None:
    (caught,) = (
        it for it in STATES[name]["Catch"] if f"Lambda.{error}Exception" in it["ErrorEquals"]
    )
    assert caught["Next"] == "CountTry"


@pytest.mark.parametrize("name", updates(STATES))
def test_every_update_says_revision_and_weights_and_is_read_back(name: str) -> None:
    update = STATES[name]
    parameters = update["Parameters"]
    assert parameters["RevisionId.$"].startswith("$.")
    weights = parameters.get("RoutingConfig", parameters.get("RoutingConfig.$"))
    canary = "$.begun.plan.canary_routing"
    assert weights == (canary if name == "Canary" else {"AdditionalVersionWeights": {}})
    read = STATES[update["Next"]]
    assert read["Resource"].endswith("getAlias")
    assert read["Parameters"]["FunctionName"] == parameters["FunctionName"]
    (same,) = STATES[read["Next"]]["Choices"]
    revision, version, found = same["And"]
    assert revision == {
        "Variable": f"{read['ResultPath']}.RevisionId",
        "StringEqualsPath": f"{update['ResultPath']}.RevisionId",
    }
    assert version == {
        "Variable": f"{read['ResultPath']}.FunctionVersion",
        "StringEqualsPath": parameters["FunctionVersion.$"],
    }
    assert "AdditionalVersionWeights" in json.dumps(found)
    assert ("Not" in found) == (name != "Canary")


def test_every_way_from_the_canary_ends_in_a_record_after_a_restore_or_a_promotion() -> None:
    ways = list(paths(STATES, "Canary"))
    assert len(ways) > 50
    for way in ways:
        assert SAFE & set(way), way
        before = way[: way.index("Record")] if "Record" in way else way
        went_back = "RollBack" in before
        promoted = "Promoted" in before and "IsPromoted" in before
        assert went_back or promoted, way
        # What went back asked the alias whose it is.
        assert not went_back or "ReadLive" in before, way


def test_no_way_promotes_without_the_verdict() -> None:
    for way in paths(STATES, definition()["StartAt"]):
        if "Promote" in way:
            assert way[way.index("Promote") - 1] == "WhatNow"
            assert "Watch" in way[: way.index("Promote")]


def test_no_way_gives_traffic_without_the_gate() -> None:
    for way in paths(STATES, definition()["StartAt"]):
        for name in updates(STATES).keys() & set(way):
            assert "HasPassed" in way[: way.index(name)], way


def test_giving_traffic_back_is_not_tried_for_ever() -> None:
    """Without the state that counts there is no circle in it."""
    graph = {name: following(state) - {"CountTry"} for name, state in STATES.items()}
    back = {name for way in paths(STATES, "RollBack") for name in way}
    TopologicalSorter({name: graph[name] for name in back}).prepare()
    assert following(STATES["CountTry"]) == {"IsItEnough"}
    assert STATES["IsItEnough"]["Default"] == "NotRestored"


def test_nobody_is_told_before_it_is_recorded() -> None:
    for way in paths(STATES, definition()["StartAt"]):
        if "Notify" in way:
            assert "Record" in way[: way.index("Notify")]


def test_the_way_back_needs_no_function_of_ours() -> None:
    between = set[str]()
    for way in paths(STATES, "RollBack"):
        between |= set(way[: way.index("Record")] if "Record" in way else way)
    resources = {STATES[name].get("Resource") for name in between} - {None}
    assert resources == {
        "arn:aws:states:::aws-sdk:lambda:getAlias",
        "arn:aws:states:::aws-sdk:lambda:updateAlias",
    }


def test_how_it_can_end() -> None:
    assert {"Ended", "Refused", "NotRestored", "NotRecorded"} == ENDS
