"""An estimator is imported with a contract that fits it, or refused with the reason."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor, VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, RadiusNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from mlops.errors import ContractInvalid, DataInvalid, EstimatorUnusable, ImportRefused
from mlops.importing import estimators
from mlops.importing.importer import import_estimator
from mlops.importing.process import Imported
from mlops.inference.predictor import Predictor
from mlops.models.contract import Contract
from tests.unit.importing.loans import LABEL, ROWS, features, loans, order, pipeline


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    with threadpool_limits(limits=1):
        yield


def imported(folder: Path, *given: Any, **named: Any) -> tuple[Imported, Contract, Predictor]:
    found, graph = import_estimator(order(folder, *given, **named))
    contract = Contract.from_json(found.contract.encode(), "contract.json")
    return found, contract, Predictor("loans", graph, contract)


def test_the_contract_says_what_encoders_and_sample_show(tmp_path: Path) -> None:
    found, contract, _ = imported(tmp_path, positive="bad")
    fields = {field.name: field for field in contract.fields}
    assert [*fields] == ["loan", "age", "income", "purpose", "home_owner", "flag"]
    assert contract.subject == "loan"
    assert (fields["age"].type, fields["age"].required) == ("integer", True)
    assert (fields["income"].type, fields["income"].required) == ("number", False)
    assert fields["income"].source == "Income"
    assert fields["purpose"].choices == ("car", "house", "study")
    assert fields["home_owner"].type == "boolean"
    assert fields["flag"].choices == (0, 1)
    assert contract.inputs.dtype == "float64"
    assert contract.label is not None
    assert (contract.label.positive, contract.label.negative) == ("bad", "good")
    assert contract.answer.name == "default_probability"
    assert set(contract.examples) == {"a typical row", "the required fields"}
    assert Contract.from_toml(found.contract_text, "contract.toml") == contract
    assert "# Only 0 and 1 in the sample" in found.contract_text


def test_requests_are_predicted_as_the_estimator_does(tmp_path: Path) -> None:
    found, contract, predictor = imported(tmp_path, positive="bad")
    assert found.parity <= 1e-6
    assert found.rows > ROWS + 500
    assert found.labels == [int(label == "bad") for label in loans()[LABEL]]
    requests = [contract.request.model_validate(request) for request in found.requests]
    served = predictor.predict(contract.encoder.tensors(requests))[:, 0]
    expected = pipeline().predict_proba(features(loans()))[:, 0]
    assert np.abs(served - expected).max() < 1e-6


def test_the_positive_class_is_the_second_unless_said_otherwise(tmp_path: Path) -> None:
    _, contract, _ = imported(tmp_path)
    assert contract.label is not None
    assert contract.label.positive == "good"
    with pytest.raises(EstimatorUnusable, match="--positive maybe is none of its classes"):
        imported(tmp_path, positive="maybe")


def test_a_classifier_without_probabilities_gives_a_score(tmp_path: Path) -> None:
    found, contract, predictor = imported(tmp_path, pipeline(LinearSVC()), positive="bad")
    assert contract.task == "regression"
    assert contract.answer.name == "default_score"
    assert contract.answer.labels is not None
    assert contract.answer.labels.names == ("good", "bad")
    assert set(found.labels) == {-1.0, 1.0}
    requests = [contract.request.model_validate(request) for request in found.requests]
    served = predictor.predict(contract.encoder.tensors(requests))[:, 0]
    decided = pipeline(LinearSVC()).predict(features(loans()))
    assert ((served >= 0) == (decided == "bad")).all()


def test_several_classes_keep_their_order(tmp_path: Path) -> None:
    frame = loans()
    frame[LABEL] = np.where(frame["age"] < 30, "young", np.where(frame["age"] < 60, "b", "c"))
    model = pipeline().fit(features(frame), frame[LABEL])
    found, contract, _ = imported(tmp_path, model, frame)
    assert (contract.task, contract.answer.classes) == ("multiclass", ("b", "c", "young"))
    assert found.labels == frame[LABEL].tolist()


def test_a_regressor_predicts_numbers(tmp_path: Path) -> None:
    frame = loans()
    frame[LABEL] = frame["age"] * 2.5 + frame["flag"]
    model = make_pipeline(StandardScaler(), Ridge()).fit(frame[["age", "flag"]], frame[LABEL])
    found, contract, _ = imported(tmp_path, model, frame, subject=None)
    assert (contract.task, contract.answer.name, contract.subject) == (
        "regression",
        "default",
        None,
    )
    assert found.labels == frame[LABEL].tolist()
    assert any("does not read loan, Income" in note for note in found.notes)


def test_an_optional_field_is_asked_of_the_estimator(tmp_path: Path) -> None:
    _, contract, _ = imported(tmp_path, optional=("age",))
    assert "age" not in contract.required
    with pytest.raises(DataInvalid, match="flag: it cannot be optional"):
        imported(tmp_path, optional=("flag",))
    with pytest.raises(DataInvalid, match="nothing: it cannot be optional: no such field"):
        imported(tmp_path, optional=("nothing",))


def test_whole_numbers_behind_an_encoder_are_choices(tmp_path: Path) -> None:
    frame = loans()
    frame["grade"] = np.arange(ROWS) % 4 * 10
    model = make_pipeline(OneHotEncoder(), LogisticRegression())
    model.fit(frame[["grade"]], frame[LABEL])
    found, contract, _ = imported(tmp_path, model, frame)
    assert contract.by_name["grade"].choices == (0, 10, 20, 30)
    assert found.parity <= 1e-6


def edited(folder: Path, change: Callable[[str], str], **given: Any) -> Any:
    text = import_estimator(order(folder, **given))[0].contract_text
    assert change(text) != text
    return import_estimator(order(folder, contract=change(text), **given))


def test_an_edited_contract_is_used_and_its_changes_are_told(tmp_path: Path) -> None:
    found, _ = edited(
        tmp_path, lambda text: text.replace("le = 1000\n", 'le = 120\nunit = "years"\n')
    )
    assert json.loads(found.contract)["fields"][1]["le"] == 120
    assert found.changes == ["age.le: 120 instead of 1000", 'age.unit: "years" instead of nothing']


def test_rules_and_another_order_of_choices_are_kept(tmp_path: Path) -> None:
    rule = '\n[[rules]]\nwhen = { purpose = ["car"] }\nthen = { flag = [1] }\n'
    frame = loans()
    frame.loc[frame["purpose"] == "car", "flag"] = 1

    def change(text: str) -> str:
        return text.replace('["car", "house", "study"]', '["study", "car", "house"]') + rule

    found, _ = edited(tmp_path, change, frame=frame)
    assert found.parity <= 1e-6
    assert json.loads(found.contract)["rules"]


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ('model = "loans"', 'model = "other"', "it is the contract of 'other'"),
        ('positive = "good"', 'positive = "bad"', "the positive class is 'good'"),
        ('source = "Income"', 'source = "Wage"', "the estimator needs 'Income'"),
    ],
)
def test_a_contract_that_does_not_fit_is_refused(
    tmp_path: Path, before: str, after: str, reason: str
) -> None:
    with pytest.raises(ContractInvalid, match=reason):
        edited(
            tmp_path,
            lambda text: text.replace(before, after).replace(
                'negative = "bad"', 'negative = "bad"'
            ),
        )


def test_a_contract_that_forbids_rows_of_the_sample_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="age: .* the contract does not allow"):
        edited(tmp_path, lambda text: text.replace("le = 1000\n", "le = 60\n"))


def test_a_column_of_dates_may_be_days_for_the_estimator(tmp_path: Path) -> None:
    found, _ = edited(
        tmp_path,
        lambda text: (
            text.replace(
                'name = "age"\ntype = "integer"\nge = 0\nle = 1000\n',
                'name = "age"\ntype = "date"\n',
            )
            .replace("age = 5", 'age = "1970-03-01" # 5')
            .replace("age = 4", 'age = "1970-03-01" # 4')
        ),
    )
    assert found.requests[0]["age"].startswith("1970-0")


def without(*columns: str) -> pandas.DataFrame:
    return loans().drop(columns=[*columns])


def with_index() -> tuple[Any, pandas.DataFrame]:
    frame = loans().assign(**{"Unnamed: 0": range(ROWS)})
    model = RandomForestClassifier(5).fit(frame[["Unnamed: 0", "age"]], frame[LABEL])
    return model, frame


def test_a_sample_without_columns_of_the_estimator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="missing: age; the estimator was fitted with them"):
        imported(tmp_path, frame=without("age"))


def test_an_index_that_is_a_feature_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="Unnamed: 0: it is the index that to_csv wrote"):
        imported(tmp_path, *with_index())


def test_an_index_that_is_no_feature_is_left_out(tmp_path: Path) -> None:
    found, contract, _ = imported(tmp_path, frame=loans().assign(**{"Unnamed: 0": range(ROWS)}))
    assert any("Unnamed: 0 is the index" in note for note in found.notes)
    assert "unnamed_0" not in contract.by_name


def test_a_label_among_the_features_is_refused(tmp_path: Path) -> None:
    frame = loans().assign(default=lambda rows: (rows["default"] == "bad").astype(int))
    model = RandomForestClassifier(5).fit(frame[["age", LABEL]], frame[LABEL])
    with pytest.raises(DataInvalid, match="it is the label, and the estimator was fitted with it"):
        imported(tmp_path, model, frame)


@pytest.mark.parametrize("first", [2**53 + 1, -(2**60) - 1])
def test_integer_ids_of_64_bits_are_imported_unchanged(tmp_path: Path, first: int) -> None:
    frame = loans()
    frame["loan"] = np.arange(ROWS, dtype=np.int64) + first
    found, contract, _ = imported(tmp_path, pipeline(), frame, subject="loan")
    assert contract.subject == "loan"
    assert [request["loan"] for request in found.requests] == frame["loan"].tolist()


def test_an_id_that_is_a_feature_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="age: the estimator predicts from it, so it cannot be"):
        imported(tmp_path, subject="age")


def test_labels_that_the_estimator_does_not_know_are_refused(tmp_path: Path) -> None:
    frame = loans()
    model = pipeline().fit(features(frame), (frame[LABEL] == "bad").astype(int))
    with pytest.raises(DataInvalid, match=r"it holds 'bad', 'good', but the classes .* '0', '1'"):
        imported(tmp_path, model, frame)


def test_a_short_sample_and_a_constant_column_are_told(tmp_path: Path) -> None:
    found, _, _ = imported(tmp_path, frame=loans().head(150).assign(age=30))
    assert any("The sample has 150 rows. With fewer than 200" in note for note in found.notes)
    assert any("age: The column is constant" in note for note in found.notes)


def test_numbers_kept_as_text_are_told(tmp_path: Path) -> None:
    frame = loans()
    frame["Income"] = frame["Income"].map(lambda value: " " if np.isnan(value) else str(value))
    found, contract, _ = imported(tmp_path, frame=frame)
    assert any("Income: numbers kept as text" in note for note in found.notes)
    assert contract.by_name["income"].type == "number"


def test_numbers_that_the_encoder_knows_as_texts_are_flagged(tmp_path: Path) -> None:
    frame = loans()
    frame["code"] = [str(number % 5) if number else "?" for number in range(ROWS)]
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    frame.to_csv(tmp_path / "raw.csv", index=False)
    model.fit(frame[["code"]], frame[LABEL])
    found, _, _ = imported(tmp_path, model, frame)
    assert "# Looks like numbers, is text" in found.contract_text


def test_a_column_that_gives_the_label_away_is_told(tmp_path: Path) -> None:
    frame = loans()
    frame["flag"] = (frame[LABEL] == "bad").astype(int)
    found, _, _ = imported(tmp_path, frame=frame)
    assert any("flag: alone it tells the classes apart" in note for note in found.notes)


def test_an_estimator_of_labels_only_is_refused(tmp_path: Path) -> None:
    votes = VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())])
    with pytest.raises(EstimatorUnusable, match="neither probabilities nor decision scores"):
        imported(tmp_path, pipeline(votes))


def test_a_function_on_numbers_is_refused_with_a_remedy(tmp_path: Path) -> None:
    frame = loans()
    model = make_pipeline(FunctionTransformer(_double), LogisticRegression())
    model.fit(frame[["age"]], frame[LABEL])
    with pytest.raises(
        ImportRefused, match=r"function '_double' on numbers is Python code, .*log1p"
    ):
        imported(tmp_path, model, frame)


def _double(values: Any) -> Any:
    return values * 2


def test_a_graph_that_differs_is_refused_with_rows_step_and_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = estimators.Estimators.logistic

    def wrong(self: Any, score: str) -> str:
        return exact(self, self.graph.add("Mul", score, 1.001))

    monkeypatch.setattr(estimators.Estimators, "logistic", wrong)
    with pytest.raises(ImportRefused) as refused:
        imported(tmp_path)
    assert "rows of the sample" in refused.value.reason
    assert "Step: LogisticRegression." in refused.value.reason
    assert "Remedy: " in refused.value.reason


def test_neighbours_at_equal_distances_are_refused_or_reproduced(tmp_path: Path) -> None:
    frame = loans()
    model = KNeighborsClassifier(5).fit(frame[["flag", "age"]], frame[LABEL])
    with pytest.raises(ImportRefused, match="equally far"):
        imported(tmp_path, model, frame)


def test_a_large_forest_keeps_thresholds_between_whole_numbers(tmp_path: Path) -> None:
    frame = loans()
    frame["big"] = frame["age"] + 2_000_000_000
    model = make_pipeline(StandardScaler(), RandomForestRegressor(20, random_state=0))
    frame[LABEL] = frame["age"] * 1.5
    model.fit(frame[["big", "age"]], frame[LABEL])
    found, contract, _ = imported(tmp_path, model, frame)
    assert contract.inputs.dtype == "float64"
    assert found.parity <= 1e-6


def test_a_threshold_of_the_estimators_own_decides(tmp_path: Path) -> None:
    tuned = FixedThresholdClassifier(pipeline(), threshold=0.3, response_method="predict_proba")
    model = tuned.fit(features(loans()), loans()[LABEL])
    found, contract, predictor = imported(tmp_path, model, positive="good")
    assert contract.answer.labels is not None
    assert contract.answer.labels.thresholds == (0.3,)
    requests = [contract.request.model_validate(request) for request in found.requests]
    served = predictor.predict(contract.encoder.tensors(requests))[:, 0]
    assert ((served >= 0.3) == (model.predict(features(loans())) == "good")).all()


def test_a_threshold_counts_at_the_end_of_a_pipeline(tmp_path: Path) -> None:
    frame = loans()[["age", "flag", LABEL]]
    tuned = FixedThresholdClassifier(LogisticRegression(), threshold=0.3)
    model = make_pipeline(StandardScaler(), tuned.set_params(response_method="predict_proba"))
    _, contract, _ = imported(
        tmp_path, model.fit(frame[["age", "flag"]], frame[LABEL]), frame, subject=None
    )
    assert contract.answer.labels is not None
    assert contract.answer.labels.thresholds == (0.3,)


@pytest.mark.parametrize("positive", ["good", "bad"])
def test_a_tie_is_decided_as_the_estimator_does(tmp_path: Path, positive: str) -> None:
    frame = pandas.DataFrame({"side": [0, 1, 2] * 100})
    frame[LABEL] = ["bad", "good", "bad"] * 50 + ["bad", "good", "good"] * 50
    model = DecisionTreeClassifier().fit(frame[["side"]], frame[LABEL])
    assert 0.5 in model.predict_proba(frame[["side"]])
    found, contract, predictor = imported(tmp_path, model, frame, positive=positive, subject=None)
    requests = [contract.request.model_validate(request) for request in found.requests]
    answers = predictor.predict(contract.encoder.tensors(requests))
    decided = [contract.outcome.answer(list(numbers))[LABEL] for numbers in answers]
    assert decided == model.predict(frame[["side"]]).tolist()


@pytest.mark.filterwarnings("ignore:.*deprecated.*1.9:FutureWarning")
def test_decisions_that_differ_from_the_probabilities_are_told(tmp_path: Path) -> None:
    """Platt's scaling of an SVC is fitted apart from its decisions."""
    frame = loans()[["age", "flag", LABEL]]
    model = SVC(probability=True, random_state=0).fit(frame[["age", "flag"]], frame[LABEL])
    likely = model.predict_proba(frame[["age", "flag"]])[:, 1] > 0.5
    count = int((likely != (model.predict(frame[["age", "flag"]]) == "good")).sum())
    assert count
    found, _, _ = imported(tmp_path, model, frame, subject=None)
    told = f"SVC.predict decides {count} of the {ROWS} rows of the sample otherwise"
    assert any(told in note for note in found.notes)
    usual, _, _ = imported(tmp_path)
    assert not any("otherwise than its own" in note for note in usual.notes)


@pytest.mark.parametrize("size", [1e-2, 1e-4])
def test_small_targets_keep_their_digits(tmp_path: Path, size: float) -> None:
    frame = loans()[["age", "flag"]]
    frame[LABEL] = (frame["age"] - 45) * size / 15
    model = Ridge().fit(frame[["age", "flag"]], frame[LABEL])
    found, contract, predictor = imported(tmp_path, model, frame, subject=None)
    requests = [contract.request.model_validate(request) for request in found.requests]
    served = predictor.predict(contract.encoder.tensors(requests))[:, 0]
    expected = model.predict(frame[["age", "flag"]])
    assert np.max(np.abs(served - expected)) <= 2e-5 * expected.std()


def test_targets_too_small_for_an_answer_are_refused(tmp_path: Path) -> None:
    frame = loans()[["age", "flag"]]
    frame[LABEL] = frame["age"] * 1e-9
    model = Ridge().fit(frame[["age", "flag"]], frame[LABEL])
    with pytest.raises(DataInvalid, match="differ by so little"):
        imported(tmp_path, model, frame, subject=None)


def test_targets_too_large_for_an_answer_are_refused(tmp_path: Path) -> None:
    frame = loans()[["age", "flag"]]
    frame[LABEL] = frame["age"] * 1e200
    model = Ridge().fit(frame[["age", "flag"]], frame[LABEL])
    with pytest.raises(DataInvalid, match=r"predicts numbers beyond 1e\+30"):
        imported(tmp_path, model, frame, subject=None)


@pytest.mark.parametrize("label", ["inf", "many"])
def test_a_target_that_is_no_finite_number_is_refused(tmp_path: Path, label: str) -> None:
    frame = loans()[["age", "flag"]]
    model = Ridge().fit(frame[["age", "flag"]], frame["age"])
    frame[LABEL] = frame["age"].astype(object)
    frame.loc[3, LABEL] = label
    with pytest.raises(DataInvalid, match=rf"line 5, default: .* no finite number: {label}"):
        imported(tmp_path, model, frame, subject=None)


@pytest.mark.parametrize(
    ("last", "label"),
    [
        (KNeighborsClassifier(ROWS), LABEL),
        (SVC(), LABEL),
        (SVC(), "grade"),
        (SVR(), "age"),
    ],
    ids=["neighbours", "scores", "three classes", "value"],
)
def test_an_estimator_of_sparse_rows_has_a_graph(tmp_path: Path, last: Any, label: str) -> None:
    frame = loans().fillna({"purpose": "none"})
    frame["grade"] = np.where(frame["age"] < 40, "young", frame[LABEL])
    frame = frame[["purpose", "flag", label]]
    encoder = ColumnTransformer(
        [("one hot", OneHotEncoder(), ["purpose"]), ("flag", "passthrough", ["flag"])],
        sparse_threshold=1,
    )
    model = make_pipeline(encoder, last).fit(frame[["purpose", "flag"]], frame[label])
    assert imported(tmp_path, model, frame, subject=None, label=label)[0].parity <= 1e-5


def test_what_an_edit_changes_is_said_key_by_key(tmp_path: Path) -> None:
    text = import_estimator(order(tmp_path))[0].contract_text
    text = text.replace('name = "age"\n', 'name = "years"\nsource = "age"\n')
    text = text.replace("\nage = ", "\nyears = ").replace("[0.500001]", "[0.2]")
    assert import_estimator(order(tmp_path, contract=text))[0].changes == [
        "answer.labels.thresholds: [0.2] instead of [0.500001]",
        'years.name: "years" instead of "age"',
        'years.source: "age" instead of nothing',
    ]


def test_free_text_is_refused(tmp_path: Path) -> None:
    frame = loans().fillna({"purpose": "none"})
    words = ColumnTransformer([("words", TfidfVectorizer(), "purpose")])
    model = make_pipeline(words, LogisticRegression()).fit(frame[["purpose"]], frame[LABEL])
    with pytest.raises(DataInvalid, match="purpose: it is free text"):
        imported(tmp_path, model, frame)


def test_a_graph_that_is_not_served_is_refused(tmp_path: Path) -> None:
    frame = loans()
    model = RadiusNeighborsClassifier(30).fit(frame[["age"]], frame[LABEL])
    with pytest.raises(ImportRefused, match="has subgraphs, which is not served"):
        imported(tmp_path, model, frame)
