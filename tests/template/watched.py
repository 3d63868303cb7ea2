"""Which failures of the template's resources have an alarm that reaches the topic."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.template.resources import Resource, Resources, as_list

TOPIC = {"Ref": "Alarms"}

QUEUE = "AWS::SQS::Queue"
RULE = "AWS::Events::Rule"
FUNCTION = "AWS::Serverless::Function"
MACHINE = "AWS::Serverless::StateMachine"
SOURCE = "AWS::Lambda::EventSourceMapping"
STAGE = "AWS::ApiGatewayV2::Stage"
API = "AWS::ApiGatewayV2::Api"
TOPICS = "AWS::SNS::Topic"

WITHOUT_ALARM = {
    # Their failures are those of the API, and are counted there.
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::Route",
    # Without them a function fails or cannot be invoked, and functions have alarms.
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::Lambda::Alias",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::SecretsManager::Secret",
    "AWS::SQS::QueuePolicy",
    # They are how a person hears of the others.
    "AWS::CloudWatch::Alarm",
    "AWS::Logs::MetricFilter",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
}
"""Types of resources that need no alarm of their own."""


class Need(NamedTuple):
    """A metric of a resource that some alarm must count."""

    resource: str
    namespace: str
    metric: str


def unwatched(resources: Resources) -> list[str]:
    """Name all that can do nothing but fail without an alarm; each with what is missing."""
    watched = set(_watched(resources))
    missing = [
        f"{need.resource} has no alarm on {need.namespace} {need.metric}"
        for need in _needed(resources)
        if need not in watched
    ]
    return [*missing, *_without_dead_letters(resources), *_unknown(resources)]


def metrics(alarm: Resource) -> Iterator[dict[str, Any]]:
    """Return each metric of an alarm's properties: namespace, name, dimensions."""
    if "Metrics" not in alarm:
        yield alarm
    for entry in alarm.get("Metrics", []):
        if "MetricStat" in entry:
            yield entry["MetricStat"]["Metric"]


def name_of(reference: object) -> str:
    """Return the logical id that a Ref or GetAtt is about; any other value as text."""
    if isinstance(reference, dict):
        if "Ref" in reference:
            return str(reference["Ref"])
        if "Fn::GetAtt" in reference:
            return str(as_list(reference["Fn::GetAtt"])[0].split(".")[0])
    return str(reference)


def of(resources: Resources, kind: str) -> dict[str, Resource]:
    return {name: it["Properties"] for name, it in resources.items() if it["Type"] == kind}


def _watched(resources: Resources) -> Iterator[Need]:
    for alarm in of(resources, "AWS::CloudWatch::Alarm").values():
        if TOPIC not in alarm.get("AlarmActions", []):
            continue
        for metric in metrics(alarm):
            for dimension in metric.get("Dimensions", []):
                name = name_of(dimension["Value"])
                yield Need(name, name_of(metric["Namespace"]), metric["MetricName"])
    # What is counted in a log is about the resource that writes it.
    for log_filter in of(resources, "AWS::Logs::MetricFilter").values():
        (made,) = log_filter["MetricTransformations"]
        for alarm in of(resources, "AWS::CloudWatch::Alarm").values():
            if TOPIC in alarm.get("AlarmActions", []) and any(
                metric["MetricName"] == made["MetricName"]
                and metric["Namespace"] == made["MetricNamespace"]
                for metric in metrics(alarm)
            ):
                yield Need(name_of(log_filter["LogGroupName"]), "log", log_filter["FilterPattern"])


def _needed(resources: Resources) -> Iterator[Need]:
    for name, function in of(resources, FUNCTION).items():
        yield Need(name, "AWS/Lambda", "Errors")
        yield Need(name, "AWS/Lambda", "Throttles")
        if "DeadLetterQueue" in function:
            yield Need(name, "AWS/Lambda", "DeadLetterErrors")
    dead_letters = set(_dead_letters(resources))
    for name in of(resources, QUEUE):
        count = "ApproximateNumberOfMessagesVisible"
        age = "ApproximateAgeOfOldestMessage"
        yield Need(name, "AWS/SQS", count if name in dead_letters else age)
    for name in of(resources, RULE):
        yield Need(name, "AWS/Events", "FailedInvocations")
        yield Need(name, "AWS/Events", "InvocationsFailedToBeSentToDlq")
    for name in of(resources, MACHINE):
        for how in ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"):
            yield Need(name, "AWS/States", how)
        yield Need(name, "AWS/States", "ExecutionThrottled")
    for name in of(resources, API):
        yield Need(name, "AWS/ApiGateway", "5xx")
    for stage in of(resources, STAGE).values():
        log = name_of(stage["AccessLogSettings"]["DestinationArn"])
        yield Need(log, "log", '{ $.status = "429" }')
    for name in of(resources, TOPICS):
        yield Need(name, "AWS/SNS", "NumberOfNotificationsFailed")


def _dead_letters(resources: Resources) -> Iterator[str]:
    """Return the queues that get what failed elsewhere."""
    for queue in of(resources, QUEUE).values():
        if "RedrivePolicy" in queue:
            yield name_of(queue["RedrivePolicy"]["deadLetterTargetArn"])
    for function in of(resources, FUNCTION).values():
        if "DeadLetterQueue" in function:
            yield name_of(function["DeadLetterQueue"]["TargetArn"])
    for rule in of(resources, RULE).values():
        for target in rule["Targets"]:
            if "DeadLetterConfig" in target:
                yield name_of(target["DeadLetterConfig"]["Arn"])


def _without_dead_letters(resources: Resources) -> Iterator[str]:
    """Name what drops an event for good when it fails."""
    queues, functions = of(resources, QUEUE), of(resources, FUNCTION)
    dead_letters = set(_dead_letters(resources))
    for name, queue in queues.items():
        if name not in dead_letters and "RedrivePolicy" not in queue:
            yield f"{name} has no dead letters"
    for name, source in of(resources, SOURCE).items():
        if name_of(source["EventSourceArn"]) not in queues:
            yield f"{name} is fed by no queue of the template"
    for name, rule in of(resources, RULE).items():
        for target in rule["Targets"]:
            if name_of(target.get("DeadLetterConfig", {}).get("Arn")) not in queues:
                yield f"{name} has a target without dead letters: {target['Id']}"
            called = functions.get(name_of(target["Arn"]))
            if called is not None and "DeadLetterQueue" not in called:
                yield f"{name} calls {name_of(target['Arn'])}, which has no dead letters"


def _unknown(resources: Resources) -> Iterator[str]:
    """Name resources of types that these tests know no alarm for."""
    known = WITHOUT_ALARM | {QUEUE, RULE, FUNCTION, MACHINE, SOURCE, STAGE, API, TOPICS}
    for name, resource in resources.items():
        if resource["Type"] not in known:
            yield f"{name}: say in {__name__} which alarm a {resource['Type']} needs"
        for property_ in ("Events", "EventInvokeConfig", "DeploymentPreference"):
            if resource["Type"] in (FUNCTION, MACHINE) and property_ in resource["Properties"]:
                yield f"{name}: {property_} makes resources that have no alarm"
