"""What the numbers of a model mean, for each task."""

import numpy as np
import pytest

from mlops.models.tasks import Multiclass, Regression, Task
from tests.unit.models.test_contract import contract

BINARY = contract().outcome
LABELLED = contract(
    answer={
        "name": "p",
        "labels": {"name": "risk", "names": ["Low", "High"], "thresholds": [0.5]},
    }
).outcome
MULTICLASS = Multiclass(("a", "b", "c"))
REGRESSION = contract(task="regression", answer={"name": "rent", "decimals": 2}).outcome


@pytest.mark.parametrize(
    ("task", "output"),
    [(BINARY, ("probabilities", 2, 1)), (MULTICLASS, ("probabilities", 3, 0))]
    + [(REGRESSION, ("prediction", 1, 0))],
)
def test_where_the_graph_has_the_numbers(task: Task, output: tuple[str, int, int]) -> None:
    found = task.output
    assert (found.name, found.width, found.skipped) == output


def test_columns_say_what_single_answers_do() -> None:
    for task, numbers in (
        (LABELLED, [[0.0], [0.499999], [0.5], [1.0]]),
        (REGRESSION, [[-1.25], [1e9]]),
    ):
        columns = task.answer_columns(np.array(numbers))
        for row, number in enumerate(numbers):
            assert task.answer(number) == {
                name: column[row]  # type: ignore[index]
                for name, column in columns.items()
            }


def test_columns_of_a_multiclass_model_are_nested_as_its_answer_is() -> None:
    numbers = np.array([[0.2, 0.5, 0.3], [0.5, 0.5, 0.0]])
    columns = MULTICLASS.answer_columns(numbers)
    assert columns["category"].tolist() == ["b", "a"]  # type: ignore[union-attr]
    assert {name: column.tolist() for name, column in columns["probabilities"].items()} == {  # type: ignore[union-attr]
        "a": [0.2, 0.5],
        "b": [0.5, 0.5],
        "c": [0.3, 0.0],
    }
    assert MULTICLASS.answer([0.5, 0.5, 0.0])["category"] == "a"


def test_the_watched_number_of_each_task() -> None:
    assert BINARY.watched(np.array([[0.25], [0.5]])).tolist() == [0.25, 0.5]
    assert MULTICLASS.watched(np.array([[0.2, 0.5, 0.3]])).tolist() == [1.0]
    assert REGRESSION.watched(np.array([[7.5]])).tolist() == [7.5]
    assert contract().watched_one([0.25]) == 0.25


@pytest.mark.parametrize(
    ("task", "value", "label"),
    [
        (BINARY, 1, 1.0),
        (BINARY, 0, 0.0),
        (BINARY, 2, None),
        (BINARY, True, None),
        (BINARY, "1", None),
        (MULTICLASS, "b", 1.0),
        (MULTICLASS, "d", None),
        (MULTICLASS, 1, None),
        (REGRESSION, 3, 3.0),
        (REGRESSION, -0.5, -0.5),
        (REGRESSION, True, None),
        (REGRESSION, "3", None),
        (REGRESSION, None, None),
    ],
)
def test_labels_are_read_by_the_task(task: Task, value: object, label: float | None) -> None:
    assert task.read_label(value) == label


def test_losses_are_zero_for_the_truth_and_grow_with_the_error() -> None:
    labels = np.array([1.0, 0.0])
    perfect = BINARY.losses(labels, np.array([[1.0], [0.0]]))
    wrong = BINARY.losses(labels, np.array([[0.25], [0.5]]))
    assert {name: loss.tolist() for name, loss in perfect.items()} == {
        "wrong decisions": [0, 0],
        "Brier score": [0, 0],
    }
    assert wrong["wrong decisions"].tolist() == [1, 1]
    assert wrong["Brier score"].tolist() == [0.5625, 0.25]
    many = MULTICLASS.losses(np.array([1.0]), np.array([[0.2, 0.5, 0.3]]))
    assert many["wrong decisions"].tolist() == [0]
    assert many["Brier score"].tolist() == pytest.approx([0.04 + 0.25 + 0.09])
    assert REGRESSION.losses(np.array([3.0]), np.array([[1.0]]))["absolute error"].tolist() == [2]


def test_margins_of_a_regression_are_a_share_of_the_champions_loss() -> None:
    assert isinstance(REGRESSION, Regression)
    assert REGRESSION.margins({"absolute error": 200.0}) == {"absolute error": pytest.approx(10)}
    assert BINARY.margins({}) == {"wrong decisions": 0.03, "Brier score": 0.01}
