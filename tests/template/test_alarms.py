"""Outages reach a person: each part of the template that can fail has an alarm, and each alarm says
what to do."""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest

from functions.api.settings import Settings
from mlops.monitoring.thresholds import ERROR_SHARE, ERROR_WINDOW, FEWEST_ERRORS
from tests.project.files import ROOT
from tests.template.resources import Resource, Resources, as_list, of_type
from tests.template.watched import FUNCTION, MACHINE, QUEUE, RULE, name_of, of, unwatched
from tests.template.watched import metrics as metrics_of
from tests.unit.api.service import PREDICT, FakeSource, service
from tests.unit.inference.building import version_files

ALARM = "AWS::CloudWatch::Alarm"
SHARES = ("ApiErrorsAlarm", "ApiOtherErrorsAlarm", "ApiGatewayErrorsAlarm", "ApiThrottledAlarm")
RULE_ALARM = "EventsUndeliveredAlarm"


def alarms(resources: Resources) -> dict[str, Resource]:
    return of_type(resources, ALARM)


# --- each part has an alarm -----------------------------------------------------------------------


def test_whatever_does_nothing_but_fail_has_an_alarm(resources: Resources) -> None:
    assert unwatched(resources) == []


NEW: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "function": (
        FUNCTION,
        {},
        ["New has no alarm on AWS/Lambda Errors", "New has no alarm on AWS/Lambda Throttles"],
    ),
    "queue": (
        QUEUE,
        {},
        [
            "New has no alarm on AWS/SQS ApproximateAgeOfOldestMessage",
            "New has no dead letters",
        ],
    ),
    "rule": (
        RULE,
        {"Targets": [{"Id": "it", "Arn": {"Fn::GetAtt": ["BatchFunction", "Arn"]}}]},
        [
            "New has no alarm on AWS/Events FailedInvocations",
            "New has no alarm on AWS/Events InvocationsFailedToBeSentToDlq",
            "New has a target without dead letters: it",
            "New calls BatchFunction, which has no dead letters",
        ],
    ),
    "state machine": (
        MACHINE,
        {},
        [
            "New has no alarm on AWS/States ExecutionsFailed",
            "New has no alarm on AWS/States ExecutionsTimedOut",
            "New has no alarm on AWS/States ExecutionsAborted",
            "New has no alarm on AWS/States ExecutionThrottled",
        ],
    ),
    "event source": (
        "AWS::Lambda::EventSourceMapping",
        {"EventSourceArn": "arn:aws:sqs:eu-west-1:123456789012:elsewhere"},
        ["New is fed by no queue of the template"],
    ),
    "API": ("AWS::ApiGatewayV2::Api", {}, ["New has no alarm on AWS/ApiGateway 5xx"]),
    "stage": (
        "AWS::ApiGatewayV2::Stage",
        {"AccessLogSettings": {"DestinationArn": {"Fn::GetAtt": ["Other", "Arn"]}}},
        ['Other has no alarm on log { $.status = "429" }'],
    ),
    "topic": (
        "AWS::SNS::Topic",
        {},
        ["New has no alarm on AWS/SNS NumberOfNotificationsFailed"],
    ),
    "schedule of a function": (
        FUNCTION,
        {"Events": {"Nightly": {"Type": "Schedule"}}},
        [
            "New has no alarm on AWS/Lambda Errors",
            "New has no alarm on AWS/Lambda Throttles",
            "New: Events makes resources that have no alarm",
        ],
    ),
    "unknown type": (
        "AWS::Scheduler::Schedule",
        {},
        ["New: say in tests.template.watched which alarm a AWS::Scheduler::Schedule needs"],
    ),
}


@pytest.mark.parametrize("kind", NEW)
def test_a_part_that_is_added_without_an_alarm_is_named(resources: Resources, kind: str) -> None:
    type_, properties, problems = NEW[kind]
    added = {**resources, "New": {"Type": type_, "Properties": properties}}
    assert unwatched(added) == problems


def test_each_alarm_is_needed(resources: Resources) -> None:
    """Without it, something has no alarm; but for two that look at the API's own answers."""
    for name in alarms(resources):
        left = {other: it for other, it in resources.items() if other != name}
        assert bool(unwatched(left)) is (name != "ApiOtherErrorsAlarm"), name


def test_an_alarm_that_tells_nobody_is_none(resources: Resources) -> None:
    changed = copy.deepcopy(dict(resources))
    changed["ReleaseErrorsAlarm"]["Properties"]["AlarmActions"] = []
    assert unwatched(changed) == ["ReleaseFunction has no alarm on AWS/Lambda Errors"]


# --- alarms do what they say ----------------------------------------------------------------------


def test_each_alarm_is_quiet_without_data_and_tells_the_topic(resources: Resources) -> None:
    for name, alarm in alarms(resources).items():
        assert alarm["AlarmActions"] == [{"Ref": "Alarms"}], name
        assert alarm["TreatMissingData"] == "notBreaching", name
        assert alarm["ComparisonOperator"] == "GreaterThanThreshold", name


def test_each_alarm_is_about_resources_of_the_template(resources: Resources) -> None:
    for name, alarm in alarms(resources).items():
        for metric in metrics_of(alarm):
            for dimension in metric.get("Dimensions", []):
                value = dimension["Value"]
                assert isinstance(value, str) or name_of(value) in resources, name


DIMENSIONS = {
    "AWS/Lambda": "FunctionName",
    "AWS/SQS": "QueueName",
    "AWS/Events": "RuleName",
    "AWS/States": "StateMachineArn",
    "AWS/ApiGateway": "ApiId",
    "AWS/SNS": "TopicName",
}
VALUES = {
    "FunctionName": "Ref",
    "QueueName": "QueueName",
    "RuleName": "Ref",
    "StateMachineArn": "Ref",
    "ApiId": "Ref",
    "TopicName": "TopicName",
}
"""What of a resource AWS's metrics call it by: its Ref, or an attribute."""


def test_metrics_of_aws_are_named_as_aws_names_them(resources: Resources) -> None:
    for name, alarm in alarms(resources).items():
        for metric in metrics_of(alarm):
            if isinstance(metric["Namespace"], str):
                (dimension,) = metric["Dimensions"]
                assert dimension["Name"] == DIMENSIONS[metric["Namespace"]], name
                (attribute,) = dimension["Value"].items()
                wanted = VALUES[dimension["Name"]]
                assert wanted in (attribute[0], as_list(attribute[1])[-1]), name


def test_the_windows_of_one_alarm_are_as_long_as_each_other(resources: Resources) -> None:
    for name, alarm in alarms(resources).items():
        periods = {
            it["MetricStat"]["Period"] for it in alarm.get("Metrics", []) if "MetricStat" in it
        }
        assert len(periods or {alarm.get("Period")}) == 1, name


def no_data(alarm: Resource) -> dict[str, float | None]:
    return {it["Id"]: None for it in alarm["Metrics"] if "MetricStat" in it}


def evaluate(alarm: Resource, values: dict[str, float | None]) -> bool:
    """Whether an alarm upon an expression is raised. values: by metric id; None: no data at all.

    It reads CloudWatch's metric math: FILL, IF and AND, sums, products and comparisons.
    """
    known: dict[str, Any] = dict(values)
    entries = alarm["Metrics"]
    assert known.keys() == {it["Id"] for it in entries if "MetricStat" in it}
    (returned,) = (it for it in entries if it.get("ReturnData", True))
    functions: dict[str, Callable[..., Any]] = {
        "FILL": lambda value, filler: filler if value is None else value,
        "IF": lambda condition, yes, no: yes if condition else no,
    }
    for entry in entries:
        if "Expression" in entry:
            python = re.sub(r"\bAND\b", "and", entry["Expression"])
            scope = {"__builtins__": {}, **functions}
            known[entry["Id"]] = eval(python, scope, known)  # noqa: S307 -- text of the template
    return bool(known[returned["Id"]] > alarm["Threshold"])


@pytest.mark.parametrize(
    ("answered", "answers", "crashed", "raised"),
    [
        (None, None, None, False),  # nobody asked
        (0, 10_000, 0, False),
        (4, 4, None, False),  # all fail, but they are few
        (5, 5, None, True),  # nothing but 503
        (None, None, 5, True),  # it cannot start: there is not one line
        (2, 2, 3, True),  # both together
        (1, 30, None, False),
        (5, 250, None, False),  # 2 % is not above 2 %
        (5, 249, None, True),
        (100, 10_000, None, False),  # 1 %
        (201, 10_000, None, True),
        (0, 100, 5, True),
        (0, 1_000, 5, False),
    ],
)
def test_predictions_that_fail_raise_an_alarm_by_share_and_number(
    resources: Resources,
    answered: float | None,
    answers: float | None,
    crashed: float | None,
    raised: bool,
) -> None:
    alarm = alarms(resources)["ApiErrorsAlarm"]
    values = {"answered": answered, "answers": answers, "crashed": crashed}
    assert evaluate(alarm, values) is raised


def read_metrics(alarm: Resource, lines: list[dict[str, Any]]) -> dict[str, float | None]:
    """Compute an alarm's metrics from log lines, as CloudWatch does for the template's stack."""
    values: dict[str, float | None] = {}
    for entry in alarm["Metrics"]:
        if "MetricStat" in entry:
            metric, stat = entry["MetricStat"]["Metric"], entry["MetricStat"]["Stat"]
            wanted = {it["Name"]: it["Value"] for it in metric["Dimensions"]}
            found = [
                line[metric["MetricName"]]
                for line in lines
                for directive in line.get("_aws", {}).get("CloudWatchMetrics", [])
                if metric["MetricName"] in {it["Name"] for it in directive["Metrics"]}
                and wanted == {name: line[name] for name in directive["Dimensions"][0]}
            ]
            assert stat in ("Sum", "SampleCount")
            total = sum(found) if stat == "Sum" else len(found)
            values[entry["Id"]] = total if found else None
    return values


@pytest.mark.parametrize(("failures", "raised"), [(4, False), (5, True)])
def test_an_api_that_answers_nothing_but_503_raises_an_alarm(
    resources: Resources, failures: int, raised: bool
) -> None:
    source = FakeSource(version_files())
    source.down = True
    api = service(source, settings=Settings(metrics_namespace="stack"))
    for _ in range(failures):
        assert api.predict().status == 503
    for _ in range(300):  # A load balancer finds the process alive all the time.
        assert api.asgi("GET", "/healthz").status == 200
    lines = [line | {"service": "api"} for line in api.log_lines("request")]
    found = alarms(resources)
    assert evaluate(found["ApiErrorsAlarm"], read_metrics(found["ApiErrorsAlarm"], lines)) is raised
    other = found["ApiOtherErrorsAlarm"]
    assert not evaluate(other, read_metrics(other, lines))


def test_batch_requests_that_all_fail_raise_an_alarm_however_many_predictions_there_are(
    resources: Resources,
) -> None:
    api = service(settings=Settings(metrics_namespace="stack"))  # It has neither store nor queue.
    for _ in range(5):
        assert api.asgi("GET", "/v1/predict/batch/job_1").status == 503
    for _ in range(300):
        assert api.predict().status == 200
    lines = [line | {"service": "api"} for line in api.log_lines("request")]
    found = alarms(resources)
    other = found["ApiOtherErrorsAlarm"]
    assert evaluate(other, read_metrics(other, lines))
    assert not evaluate(found["ApiErrorsAlarm"], read_metrics(found["ApiErrorsAlarm"], lines))


@pytest.mark.parametrize("name", SHARES)
def test_shares_have_the_thresholds_that_other_alerts_have(resources: Resources, name: str) -> None:
    alarm = alarms(resources)[name]
    expression = alarm["Metrics"][-1]["Expression"]
    assert expression == (
        f"IF(failed >= {FEWEST_ERRORS} AND failed > {ERROR_SHARE} * requests, 1, 0)"
    )
    assert alarm["EvaluationPeriods"] == 1
    for entry in alarm["Metrics"]:
        if "MetricStat" in entry:
            assert entry["MetricStat"]["Period"] == ERROR_WINDOW.total_seconds()


@pytest.mark.parametrize("name", SHARES)
def test_sums_are_divided_by_counts(resources: Resources, name: str) -> None:
    """A metric of 0 and 1 has the errors as its sum, and the requests as its number of samples."""
    stats = {
        entry["Id"]: entry["MetricStat"]["Stat"]
        for entry in alarms(resources)[name]["Metrics"]
        if "MetricStat" in entry
    }
    assert stats.pop("answers", "SampleCount") == "SampleCount"
    assert set(stats.values()) == {"Sum"}


@pytest.mark.parametrize(
    ("name", "path", "kind"),
    [("ApiErrorsAlarm", PREDICT, "prediction"), ("ApiOtherErrorsAlarm", "/v1/models", "other")],
)
def test_the_metrics_of_an_alarm_are_those_that_the_api_writes(
    resources: Resources, name: str, path: str, kind: str
) -> None:
    api = service(settings=Settings(metrics_namespace="stack"))
    api.asgi("POST" if path == PREDICT else "GET", path, b"{}" if path == PREDICT else b"")
    (line,) = api.log_lines("request")
    (written,) = line["_aws"]["CloudWatchMetrics"]
    # The unit tests name the service "test"; the function's own logger says "api".
    facts = line | {"service": "api"}
    dimensions = [{"Name": it, "Value": facts[it]} for it in written["Dimensions"][0]]
    assert {"Name": "kind", "Value": kind} in dimensions
    ours = [
        metric
        for metric in metrics_of(alarms(resources)[name])
        if metric["Namespace"] == {"Ref": "AWS::StackName"}
    ]
    assert len(ours) == 2
    for metric in ours:
        assert metric["Dimensions"] == dimensions
        assert metric["MetricName"] in {it["Name"] for it in written["Metrics"]}
    variables = of(resources, FUNCTION)["ApiFunction"]["Environment"]["Variables"]
    assert variables["MLOPS_METRICS_NAMESPACE"] == {"Ref": "AWS::StackName"}


@pytest.mark.parametrize("name", ["ApiErrorsAlarm", "ApiGatewayErrorsAlarm"])
def test_an_outage_of_the_api_holds_releases_up(template: dict[str, Any], name: str) -> None:
    holding = template["Outputs"]["ApiAlarmNames"]["Value"]
    assert {"Ref": name} in holding["Fn::Join"][1]


def test_one_failed_execution_raises_an_alarm(resources: Resources) -> None:
    alarm = alarms(resources)["ReleaseExecutionsAlarm"]
    quiet = no_data(alarm)
    assert not evaluate(alarm, quiet)
    for how in quiet:
        assert evaluate(alarm, {**quiet, how: 1.0}), how


def test_one_event_that_is_lost_raises_an_alarm(resources: Resources) -> None:
    alarm = alarms(resources)[RULE_ALARM]
    quiet = no_data(alarm)
    assert not evaluate(alarm, quiet)
    for how in quiet:
        assert evaluate(alarm, {**quiet, how: 1.0}), how


def test_throttles_raise_an_alarm_when_they_last(resources: Resources) -> None:
    alarm = alarms(resources)["FunctionsThrottledAlarm"]
    quiet = no_data(alarm)
    for function in quiet:
        assert evaluate(alarm, {**quiet, function: 1.0}), function
    assert alarm["EvaluationPeriods"] == 3


def test_a_task_that_is_tried_as_often_as_it_may_be_is_not_old(
    template: dict[str, Any], resources: Resources
) -> None:
    """Otherwise two alarms would be raised for each message that fails at every try."""
    queue = of_type(resources, QUEUE)["JobsQueue"]
    tries = template["Parameters"]["BatchMaxReceives"]["Default"]
    assert alarms(resources)["JobsQueueOldAlarm"]["Threshold"] > queue["VisibilityTimeout"] * tries


def test_the_access_log_says_what_the_filter_of_throttled_requests_reads(
    resources: Resources,
) -> None:
    (stage,) = of_type(resources, "AWS::ApiGatewayV2::Stage").values()
    assert '"status":"$context.status"' in stage["AccessLogSettings"]["Format"]


# --- a person hears and knows what to do ----------------------------------------------------------


def test_each_alarm_says_what_happened_and_what_to_do(resources: Resources) -> None:
    for name, alarm in alarms(resources).items():
        text = alarm["AlarmDescription"]
        assert len(text) <= 1024, name
        assert len(re.findall(r"[.;:] ", text)) >= 2, name


def test_each_alarm_has_its_row_in_the_documents(resources: Resources) -> None:
    page = (ROOT / "docs/alarms.md").read_text()
    rows = re.findall(r"^\| `(\w+Alarm)` \|([^|]+)\|([^|]+)\|$", page, re.MULTILINE)
    assert sorted(name for name, _, _ in rows) == sorted(alarms(resources))
    assert all(meaning.strip() and action.strip() for _, meaning, action in rows)


def test_alarms_are_mailed_where_an_address_is_given(
    template: dict[str, Any], resources: Resources
) -> None:
    subscription = resources["AlarmsByMail"]
    assert subscription["Condition"] == "MailAlarms"
    assert subscription["Properties"] == {
        "TopicArn": {"Ref": "Alarms"},
        "Protocol": "email",
        "Endpoint": {"Ref": "AlarmEmail"},
    }
    told = template["Outputs"]["AlarmsReach"]["Value"]["Fn::If"]
    assert told[:2] == ["MailAlarms", {"Ref": "AlarmEmail"}]
    assert told[2].startswith("nobody"), "a deployment shows it"
    pattern = template["Parameters"]["AlarmEmail"]["AllowedPattern"]
    assert all(re.search(pattern, address) for address in ("", "ops@example.com"))
    assert not any(re.search(pattern, address) for address in ("ops", "a@b c@d", "@", "ops@"))


# --- what failed is kept --------------------------------------------------------------------------


def test_rules_may_keep_what_failed_and_nobody_else_may(resources: Resources) -> None:
    policies = of_type(resources, "AWS::SQS::QueuePolicy").values()
    (allowing,) = (
        statement
        for policy in policies
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    )
    assert allowing["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowing["Action"] == "sqs:SendMessage"
    sources = allowing["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert {name_of(it) for it in sources} == set(of_type(resources, RULE))
    kept = {
        name_of(target["DeadLetterConfig"]["Arn"])
        for rule in of_type(resources, RULE).values()
        for target in rule["Targets"]
    }
    assert {name_of(allowing["Resource"])} == kept


def test_a_function_with_dead_letters_may_send_them(resources: Resources) -> None:
    for name, function in of_type(resources, FUNCTION).items():
        if "DeadLetterQueue" in function:
            role = resources[name_of(function["Role"])]["Properties"]
            granted = [
                statement
                for policy in role["Policies"]
                for statement in policy["PolicyDocument"]["Statement"]
                if "sqs:SendMessage" in as_list(statement["Action"])
            ]
            target = function["DeadLetterQueue"]["TargetArn"]
            assert target in [it["Resource"] for it in granted], name


def test_state_machines_log_without_execution_data(resources: Resources) -> None:
    for name, machine in of_type(resources, MACHINE).items():
        logging = machine["Logging"]
        assert logging["Level"] == "ALL", name
        assert logging["IncludeExecutionData"] is False, "it names people"
        (destination,) = logging["Destinations"]
        group = name_of(destination["CloudWatchLogsLogGroup"]["LogGroupArn"])
        text = resources[group]["Properties"]["LogGroupName"]["Fn::Sub"]
        assert text.startswith("/aws/vendedlogs/states/${AWS::StackName}-"), name


# --- nobody else's resources may act for us -------------------------------------------------------

ACCOUNT = {"Ref": "AWS::AccountId"}


def to_services(statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what lets a service of AWS do something."""
    return [
        statement
        for statement in statements
        if statement["Effect"] == "Allow" and "Service" in statement["Principal"]
    ]


def test_services_act_for_this_account_only(resources: Resources) -> None:
    found = []
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        for key in ("AssumeRolePolicyDocument", "PolicyDocument", "KeyPolicy"):
            for statement in to_services(properties.get(key, {}).get("Statement", [])):
                assert statement["Condition"]["StringEquals"]["aws:SourceAccount"] == ACCOUNT, name
                found.append(name)
    assert set(of_type(resources, "AWS::IAM::Role")) <= set(found)
    assert {"AlarmsKey", "AlarmsPolicy", "EventDeadLettersPolicy"} <= set(found)


def test_a_permission_of_a_function_is_for_one_source(resources: Resources) -> None:
    for name, permission in of_type(resources, "AWS::Lambda::Permission").items():
        assert permission["SourceArn"], name


def test_the_key_of_the_log_is_a_generated_secret(resources: Resources) -> None:
    secret = resources["LogKey"]["Properties"]
    assert "SecretString" not in secret
    generated = secret["GenerateSecretString"]
    assert generated["PasswordLength"] >= 64
    # Another generation changes both, so that a new key is made and read.
    member = "generation${LogKeyGeneration}"
    assert generated["GenerateStringKey"] == {"Fn::Sub": member}
    variables = of(resources, FUNCTION)["ApiFunction"]["Environment"]["Variables"]
    reference = f"{{{{resolve:secretsmanager:${{LogKey}}:SecretString:{member}}}}}"
    assert variables["MLOPS_LOG_KEY"] == {"Fn::Sub": reference}
