"""What the template promises of releases: started by a deployment, ended whatever happens."""

import json
import re
from typing import Any

import pytest

from functions.release.settings import Settings, read_settings
from mlops.release.evidence import PREFIX
from tests.project.files import ROOT
from tests.rehearsal.releasing import COMPRESSED
from tests.template.resources import Resources, granted, of_type, paths
from tests.template.test_template import LOG_DELIVERY

DEFINITION = ROOT / "functions/release/release.asl.yaml"
MARGIN_SECONDS = 600  # for publishing, the gate, and a slow day


@pytest.fixture
def machine(resources: Resources) -> dict[str, Any]:
    (machine,) = of_type(resources, "AWS::Serverless::StateMachine").values()
    return machine


@pytest.fixture
def variables(resources: Resources) -> dict[str, Any]:
    function = of_type(resources, "AWS::Serverless::Function")["ReleaseFunction"]
    found: dict[str, Any] = function["Environment"]["Variables"]
    return found


def rules(resources: Resources) -> dict[str, dict[str, Any]]:
    return of_type(resources, "AWS::Events::Rule")


def test_each_variable_is_a_setting_and_each_needed_setting_a_variable(
    variables: dict[str, Any],
) -> None:
    fields = Settings.model_fields.values()
    known = {str(field.validation_alias) for field in fields}
    needed = {str(field.validation_alias) for field in fields if field.is_required()}
    ours = {name for name in variables if name.startswith("MLOPS_")}
    assert needed <= ours <= known


def test_a_default_is_the_same_in_the_template_and_in_the_settings(
    template: dict[str, Any], variables: dict[str, Any]
) -> None:
    for field in Settings.model_fields.values():
        parameter = variables.get(str(field.validation_alias))
        if not field.is_required() and isinstance(parameter, dict):
            default = template["Parameters"][parameter["Ref"]]["Default"]
            wanted = {"true": True, "false": False}.get(default, default)
            assert wanted == field.default, parameter


def test_the_definition_gets_what_it_asks_for(machine: dict[str, Any]) -> None:
    assert machine["DefinitionUri"] == str(DEFINITION.relative_to(ROOT))
    asked = set(re.findall(r"\$\{(\w+)\}", DEFINITION.read_text()))
    assert asked == set(machine["DefinitionSubstitutions"])


def test_a_release_has_time_for_all_its_analyses(template: dict[str, Any]) -> None:
    default = {name: it.get("Default") for name, it in template["Parameters"].items()}
    watched = default["CanaryAnalyses"] * default["CanaryAnalysisSeconds"]
    assert default["CanaryTimeoutSeconds"] >= watched + MARGIN_SECONDS
    assert default["CanaryPollSeconds"] * 2 <= default["CanaryAnalysisSeconds"]


@pytest.mark.parametrize("changed", [{}, COMPRESSED], ids=["defaults", "rehearsal"])
def test_what_is_deployed_is_not_refused_for_its_settings(
    template: dict[str, Any], variables: dict[str, Any], changed: dict[str, str]
) -> None:
    values = dict[str, str]()
    for name, it in variables.items():
        if isinstance(it, dict) and it.get("Ref") in template["Parameters"]:
            default = template["Parameters"][it["Ref"]]["Default"]
            values[name] = changed.get(it["Ref"], str(default))
        else:
            values[name] = "any"
    assert read_settings(values).refusals == ()


def test_a_deployment_starts_a_release(resources: Resources) -> None:
    rule = rules(resources)["DeployedRule"]
    assert rule["EventPattern"]["detail"] == {
        "stack-id": [{"Ref": "AWS::StackId"}],
        "status-details": {
            "status": ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"]
        },
    }
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Ref": "ReleaseStateMachine"}
    assert json.loads(target["Input"]) == {"by": "deploy"}


def test_the_alarms_of_the_api_alone_hold_releases_up(
    template: dict[str, Any], resources: Resources, variables: dict[str, Any]
) -> None:
    outputs = {name: it["Value"] for name, it in template["Outputs"].items()}
    holding = joined("ApiErrorsAlarm", "ApiGatewayErrorsAlarm")
    assert variables["MLOPS_ALARMS"] == outputs["ApiAlarmNames"] == holding
    alarms = {*of_type(resources, "AWS::CloudWatch::Alarm")}
    assert outputs["AlarmNames"] == joined(*sorted(alarms))


def joined(*resources: str) -> dict[str, Any]:
    return {"Fn::Join": [",", [{"Ref": name} for name in resources]]}


@pytest.mark.parametrize("name", ["ReleaseEndedBadlyRule", "ReconcileRule"])
def test_a_repair_is_asked_for(resources: Resources, name: str) -> None:
    (target,) = rules(resources)[name]["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["ReleaseFunction", "Arn"]}
    if name == "ReconcileRule":
        assert json.loads(target["Input"]) == {"operation": "repair"}
    else:
        assert "Input" not in target, "the event names the release"
    sources = [it["SourceArn"] for it in of_type(resources, "AWS::Lambda::Permission").values()]
    assert {"Fn::GetAtt": [name, "Arn"]} in sources


def test_it_is_called_for_every_way_an_execution_can_end_by_itself(resources: Resources) -> None:
    pattern = rules(resources)["ReleaseEndedBadlyRule"]["EventPattern"]
    assert pattern["detail"]["status"] == ["FAILED", "TIMED_OUT", "ABORTED"]
    assert pattern["detail"]["stateMachineArn"] == [{"Ref": "ReleaseStateMachine"}]
    assert rules(resources)["ReconcileRule"]["ScheduleExpression"] == "rate(1 minute)"


def test_the_state_machine_calls_its_function_and_takes_a_canarys_traffic(
    resources: Resources,
) -> None:
    assert granted(resources, "ReleaseStateMachineRole").keys() == {
        *("lambda:GetAlias", "lambda:UpdateAlias", "lambda:InvokeFunction"),
        *LOG_DELIVERY,
    }


def test_the_release_function_writes_about_releases_and_never_a_model(
    resources: Resources,
) -> None:
    may = granted(resources, "ReleaseRole")
    assert paths(may["s3:PutObject"]) == {f"{PREFIX}*", "registry/*"}
    everywhere = {action for action, it in may.items() if it["Resource"] == "*"}
    assert everywhere == {"cloudwatch:DescribeAlarms"}


def test_only_people_stop_a_release(resources: Resources) -> None:
    """The release function only asks whether a release still runs."""
    executions = {it for it in granted(resources, "ReleaseRole") if it.startswith("states:")}
    assert executions == {"states:DescribeExecution"}


def test_the_serving_functions_know_nothing_of_the_commit(resources: Resources) -> None:
    """Else each commit would be a release, whatever it changes."""
    functions = of_type(resources, "AWS::Serverless::Function")
    for name in ("ApiFunction", "BatchFunction"):
        assert "CodeSha" not in json.dumps(functions[name])
