"""The rules of the main branch, as GitHub takes them in: .github/rulesets/main.json."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

from tests.project.files import ROOT
from tests.project.test_workflows import CI, machines

RULESET: dict[str, Any] = json.loads((ROOT / ".github/rulesets/main.json").read_text())
RULES: dict[str, dict[str, Any]] = {
    rule["type"]: rule.get("parameters", {}) for rule in RULESET["rules"]
}
GITHUB_ACTIONS = 15368  # the app whose word counts; else whoever may set a status could set these


def checks() -> Iterator[str]:
    """The names under which the jobs report to a pull request."""
    for name, job in machines(CI).items():
        matrix = job.get("strategy", {}).get("matrix", {})
        for values in itertools.product(*matrix.values()):
            yield f"{name} ({', '.join(values)})" if values else name


def test_it_is_in_force_for_main_and_for_everybody() -> None:
    assert (RULESET["target"], RULESET["enforcement"]) == ("branch", "active")
    assert RULESET["conditions"] == {"ref_name": {"include": ["~DEFAULT_BRANCH"], "exclude": []}}
    assert RULESET["bypass_actors"] == []


def test_every_check_is_required_and_exists() -> None:
    parameters = RULES["required_status_checks"]
    required = parameters["required_status_checks"]
    assert [check["context"] for check in required] == list(checks())
    assert {check["integration_id"] for check in required} == {GITHUB_ACTIONS}
    assert parameters["strict_required_status_checks_policy"] is True


def test_no_required_check_can_be_skipped() -> None:
    """GitHub takes a job that was skipped for one that passed."""
    for name, job in machines(CI).items():
        assert "if" not in job, name
        assert job.get("continue-on-error", False) is False, name


def test_somebody_else_has_to_agree_with_what_is_merged() -> None:
    parameters = RULES["pull_request"]
    assert parameters["required_approving_review_count"] == 1
    assert parameters["dismiss_stale_reviews_on_push"] is True
    assert parameters["require_last_push_approval"] is True


def test_the_history_is_one_line_of_reviewed_changes() -> None:
    """One commit a change, too: `gate` compares with the commit before."""
    assert RULES.keys() >= {"deletion", "non_fast_forward", "required_linear_history"}
    assert RULES["pull_request"]["allowed_merge_methods"] == ["squash"]
