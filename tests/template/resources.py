"""The template's resources, as tests look at them."""

from collections.abc import Iterator
from typing import Any

Resource = dict[str, Any]
Resources = dict[str, Resource]


def of_type(resources: Resources, kind: str) -> dict[str, dict[str, Any]]:
    """The properties of each resource of a type, by name; there is at least one."""
    found = {
        name: resource["Properties"]
        for name, resource in resources.items()
        if resource["Type"] == kind
    }
    assert found, f"no {kind} in the template"
    return found


def statements(role: Resource) -> Iterator[dict[str, Any]]:
    """All that a role may do."""
    assert "ManagedPolicyArns" not in role
    for policy in role["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


def granted(resources: Resources, role: str) -> dict[str, dict[str, Any]]:
    """The statement that grants each action, of which there is one only."""
    found: dict[str, dict[str, Any]] = {}
    for statement in statements(of_type(resources, "AWS::IAM::Role")[role]):
        for action in as_list(statement["Action"]):
            assert action not in found, f"{action} is granted twice"
            found[action] = statement
    return found


def paths(statement: dict[str, Any]) -> set[str]:
    """Which of the store's keys it is about."""
    urls = [resource["Fn::Sub"] for resource in as_list(statement["Resource"])]
    assert all(url.startswith("${Store.Arn}/") for url in urls)
    return {url.removeprefix("${Store.Arn}/") for url in urls}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
