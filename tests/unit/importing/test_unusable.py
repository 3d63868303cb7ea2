"""Samples, options and contracts that do not fit an estimator are refused with the reason."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from mlops.errors import ContractInvalid, DataInvalid, EstimatorUnusable, ImportRefused
from mlops.importing.importer import import_estimator
from mlops.importing.process import Imported
from mlops.models.contract import Contract
from tests.unit.importing.loans import LABEL, ROWS, features, loans, order, pipeline


def imported(folder: Path, *given: Any, **named: Any) -> tuple[Imported, Contract]:
    found, _ = import_estimator(order(folder, *given, **named))
    return found, Contract.from_json(found.contract.encode(), "contract.json")


def edited(folder: Path, edits: dict[str, str], *given: Any) -> tuple[Imported, Contract]:
    """Import with the inferred contract, in which some texts are replaced by others."""
    text = imported(folder, *given)[0].contract_text
    for before, after in edits.items():
        assert before in text, text
        text = text.replace(before, after)
    return imported(folder, *given, contract=text)


def on_numbers(frame: pandas.DataFrame, columns: list[str]) -> Any:
    """Return an estimator that was fitted on an array, whose columns have no names."""
    return LogisticRegression().fit(frame[columns].to_numpy(), frame[LABEL])


def of_column(name: str, values: Any, encoder: Any = None) -> tuple[Any, pandas.DataFrame]:
    """Return an estimator of one column and of `age`, and its sample."""
    frame = loans().assign(**{name: values})
    kept = frame[["loan", "age", name, LABEL]]
    steps = [] if encoder is None else [encoder]
    with np.errstate(all="ignore"):
        model = make_pipeline(*steps, LogisticRegression()).fit(kept[["age", name]], kept[LABEL])
    return model, kept


# --- texts that CSV loses ------------------------------------------------------------------------
@pytest.mark.parametrize(
    "texts",
    [["01", "02", "10"], ["NA", "EU", "US"], ["None", "some", "null"], ["1.0", "2.0", "2.50"]],
    ids=lambda texts: texts[0],
)
def test_categories_are_read_as_the_encoder_knows_them(tmp_path: Path, texts: list[str]) -> None:
    values = np.random.default_rng(2).choice(texts, ROWS)
    encoder = ColumnTransformer([("text", OneHotEncoder(), ["text"])], remainder="passthrough")
    model, frame = of_column("text", values, encoder)
    found, contract = imported(tmp_path, model, frame)
    assert contract.by_name["text"].choices == tuple(sorted(texts))
    assert contract.by_name["text"].required
    assert [request["text"] for request in found.requests] == values.tolist()


@pytest.mark.parametrize("texts", [["NA", "EU", "US"], ["01", "02"]], ids=["NA", "01"])
def test_labels_are_read_as_the_estimator_knows_them(tmp_path: Path, texts: list[str]) -> None:
    frame = loans()[["age", "flag"]]
    frame[LABEL] = np.array(texts)[np.arange(ROWS) % len(texts)]
    model = LogisticRegression().fit(frame[["age", "flag"]], frame[LABEL])
    found, contract = imported(tmp_path, model, frame, subject=None)
    if contract.task == "binary":
        assert found.labels == [int(label == texts[1]) for label in frame[LABEL]]
    else:
        assert found.labels == frame[LABEL].tolist()


def test_a_missing_label_is_refused(tmp_path: Path) -> None:
    frame = loans()
    frame.loc[3, LABEL] = None
    with pytest.raises(DataInvalid, match="line 5, default: the label is missing; leave such"):
        imported(tmp_path, pipeline(), frame)


# --- columns ------------------------------------------------------------------------------------
def test_an_array_is_matched_by_the_order_of_columns(tmp_path: Path) -> None:
    frame = loans()[["loan", "age", "flag", LABEL]]
    found, contract = imported(tmp_path, on_numbers(frame, ["age", "flag"]), frame)
    assert [field.name for field in contract.features] == ["age", "flag"]
    assert contract.subject is None or contract.subject == "loan"
    assert found.parity <= 1e-6


def test_the_index_beside_an_array_is_left_out(tmp_path: Path) -> None:
    frame = loans()[["age", "flag", LABEL]]
    model = on_numbers(frame, ["age", "flag"])
    frame.insert(0, "Unnamed: 0", range(ROWS))
    _, contract = imported(tmp_path, model, frame, subject=None)
    assert [field.name for field in contract.features] == ["age", "flag"]


def test_an_array_of_another_width_is_refused(tmp_path: Path) -> None:
    frame = loans()[["loan", "age", "flag", LABEL]]
    reason = "fitted on an array of 2 columns, but the sample has 3 besides the label: loan, age"
    with pytest.raises(DataInvalid, match=reason):
        imported(tmp_path, on_numbers(frame, ["age", "flag"]), frame, subject=None)


def test_an_empty_sample_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="it has no rows"):
        imported(tmp_path, pipeline(), loans().head(0))


def test_rows_that_the_estimator_cannot_predict_are_refused(tmp_path: Path) -> None:
    frame = loans()
    model = LogisticRegression().fit(frame[["age", "flag"]], frame[LABEL])
    bad = frame.assign(age=["old"] * ROWS)
    with pytest.raises(DataInvalid, match="the estimator cannot predict these rows"):
        imported(tmp_path, model, bad)


def test_a_prediction_that_is_no_number_is_named_by_its_line(tmp_path: Path) -> None:
    frame = loans().assign(default=1.0)
    model = LinearRegression().fit(frame[["age"]], frame[LABEL])
    model.intercept_ = np.inf
    with pytest.raises(DataInvalid, match=r"line 2, row: the estimator predicts no finite number"):
        imported(tmp_path, model, frame)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"subject": "number"}, "number: there is no such column; --id names one"),
        ({"optional": ("wage",)}, "wage: it cannot be optional: no such field"),
        ({"optional": ("flag",)}, "flag: it cannot be optional: the estimator fails"),
    ],
)
def test_an_option_that_names_a_wrong_column_is_refused(
    tmp_path: Path, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(DataInvalid, match=reason):
        imported(tmp_path, **options)


def test_positive_is_for_two_classes_only(tmp_path: Path) -> None:
    frame = loans().assign(default=lambda rows: rows["age"] // 25)
    model = LogisticRegression(max_iter=2_000).fit(frame[["age"]], frame[LABEL])
    with pytest.raises(EstimatorUnusable, match="it has 4 classes, so leave --positive out"):
        imported(tmp_path, model, frame, positive="1")
    regression = LinearRegression().fit(frame[["age"]], frame[LABEL])
    with pytest.raises(EstimatorUnusable, match="predicts numbers, so leave --positive out"):
        imported(tmp_path, regression, frame, positive="1")


def test_labels_of_a_regression_must_be_numbers(tmp_path: Path) -> None:
    frame = loans()
    model = LinearRegression().fit(frame[["age"]], frame["flag"])
    with pytest.raises(DataInvalid, match="predicts numbers, but this label is no finite number"):
        imported(tmp_path, model, frame)


def test_a_category_that_the_encoder_refuses_is_named_with_a_remedy(tmp_path: Path) -> None:
    frame = loans().assign(zip=lambda rows: np.where(rows["age"] < 40, "01234", "10115"))
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(frame[["zip"]], frame[LABEL])
    assert imported(tmp_path, model, frame)[1].by_name["zip"].choices == ("01234", "10115")
    frame.loc[7, "zip"] = "99999"
    with pytest.raises(DataInvalid, match="unknown categories .* as Parquet"):
        imported(tmp_path, model, frame)


# --- values -------------------------------------------------------------------------------------
ONE_HOT = OneHotEncoder(handle_unknown="ignore")


@pytest.mark.parametrize(
    ("values", "encoder", "reason"),
    [
        (np.linspace(0, 1, ROWS), ONE_HOT, "takes its fractions for categories"),
        ([f"t{number}" for number in range(1_500)], ONE_HOT, "1,500 different texts are too many"),
        (range(1_500), OrdinalEncoder(), "1,500 categories are too many; 1,000 are possible"),
    ],
    ids=["fractions", "texts", "numbers"],
)
def test_too_many_categories_are_refused(
    tmp_path: Path, values: Any, encoder: Any, reason: str
) -> None:
    count = len(values)
    frame = pandas.concat([loans()] * (count // ROWS + 1), ignore_index=True).head(count)
    frame = frame.assign(code=values)[["code", LABEL]]
    model = make_pipeline(encoder, LogisticRegression()).fit(frame[["code"]], frame[LABEL])
    with pytest.raises(DataInvalid, match=reason):
        imported(tmp_path, model, frame, subject=None)


def test_values_that_csv_does_not_have_are_refused(tmp_path: Path) -> None:
    """Parquet knows times, and infinity."""
    frame = loans()
    model = pipeline()
    for name, values, reason in (
        ("Income", pandas.to_datetime(["2026-01-31"] * ROWS), "Income: it holds times"),
        ("Income", [np.inf] + [1.0] * (ROWS - 1), "Income: it holds infinity"),
    ):
        wanted = order(tmp_path, model)
        frame.assign(**{name: values}).to_parquet(tmp_path / "sample.parquet")
        with pytest.raises(DataInvalid, match=f"{reason}|cannot predict these rows"):
            import_estimator(replace(wanted, sample=str(tmp_path / "sample.parquet")))


def test_an_empty_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="Income: it is empty; fill it in at least one row"):
        imported(tmp_path, frame=loans().assign(Income=np.nan))


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("Größe in m²", "grosse_in_m2"),
        ("2nd Floor", "field_2nd_floor"),
        ("class", "class_value"),
        ("model_version", "model_version_2"),
        ("???", "field"),
        ("copy", "copy_value"),
    ],
)
def test_columns_become_names_of_fields(tmp_path: Path, column: str, field: str) -> None:
    _, contract = imported(tmp_path, *of_column(column, loans()["flag"]))
    assert [each.name for each in contract.features] == ["age", field]
    assert contract.by_name[field].source == column


def test_texts_that_look_like_dates_are_flagged(tmp_path: Path) -> None:
    days = [f"2026-01-{1 + number % 20:02}" for number in range(ROWS)]
    frame = loans().assign(day=days)[["loan", "day", LABEL]]
    model = make_pipeline(ONE_HOT, LogisticRegression()).fit(frame[["day"]], frame[LABEL])
    assert "# Looks like dates, is text" in imported(tmp_path, model, frame)[0].contract_text


def test_categories_that_the_encoder_does_not_know_are_flagged(tmp_path: Path) -> None:
    frame = loans()
    frame.loc[0, "purpose"] = "boat"
    text = imported(tmp_path, pipeline(), frame)[0].contract_text
    assert "# In the sample, but unknown to the encoder: 'boat'." in text


# --- contracts ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("edits", "reason"),
    [
        ({'task = "binary"': 'task = "regression"'}, "task: the estimator is for binary"),
        (
            {
                'type = "boolean"\n': 'type = "category"\nchoices = ["yes"]\n',
                "home_owner = false": 'home_owner = "yes"',
            },
            r"fields \(home_owner\): the estimator takes a column of the type boolean",
        ),
        (
            {'name = "income"\n': 'name = "income"\ndefault = 10.5\n'},
            r"fields \(income\): a default cannot be imported; leave it out",
        ),
        (
            {'name = "flag"\n': 'name = "flag"\nsource = "banner"\n'},
            "the estimator has no column 'banner'",
        ),
    ],
    ids=["task", "type", "default", "column"],
)
def test_an_edited_contract_that_does_not_fit_is_refused(
    tmp_path: Path, edits: dict[str, str], reason: str
) -> None:
    with pytest.raises(ContractInvalid, match=reason):
        edited(tmp_path, edits)


def test_classes_in_another_order_are_refused(tmp_path: Path) -> None:
    frame = loans().assign(default=lambda rows: np.where(rows["age"] < 40, "a", rows["purpose"]))
    frame = frame.fillna({LABEL: "none"}).astype({LABEL: str})
    model = pipeline().fit(features(frame), frame[LABEL])
    classes = imported(tmp_path, model, frame)[1].answer.classes
    listed = ", ".join(f'"{name}"' for name in classes)
    other = ", ".join(f'"{name}"' for name in reversed(classes))
    with pytest.raises(ContractInvalid, match=r"answer.classes: they should be \['a', "):
        edited(tmp_path, {f"[{listed}]": f"[{other}]"}, model, frame)


@pytest.mark.parametrize(
    ("field", "first"),
    [
        ('type = "text"\nmin_length = 1\nmax_length = 9', "row 0"),
        ('type = "integer"\nge = 0\nle = 9999', 0),
    ],
)
def test_an_id_that_the_sample_lacks_is_the_number_of_the_row(
    tmp_path: Path, field: str, first: object
) -> None:
    text = imported(tmp_path, subject=None)[0].contract_text
    text = text.replace('task = "binary"\n', 'task = "binary"\nsubject = "number"\n')
    head, _, rest = text.partition("[[fields]]")
    example = '"number" = 7' if first == 0 else 'number = "L7"'
    rest = rest.replace('[examples."a typical row"]', f'[examples."a typical row"]\n{example}')
    rest = rest.replace(
        '[examples."the required fields"]', f'[examples."the required fields"]\n{example}'
    )
    document = f'{head}[[fields]]\nname = "number"\n{field}\n\n[[fields]]{rest}'
    found, contract = imported(tmp_path, subject=None, contract=document)
    assert contract.subject == "number"
    assert found.requests[0]["number"] == first


def test_a_choice_that_the_estimator_fails_on_is_refused(tmp_path: Path) -> None:
    frame = loans()[["loan", "flag", "homeOwner", LABEL]]
    frame["home"] = np.where(frame["homeOwner"], "own", "rent")
    model = make_pipeline(OrdinalEncoder(), LogisticRegression())
    model.fit(frame[["flag", "home"]], frame[LABEL])
    reason = r"OrdinalEncoder has no graph: it fails on a category: .*\['tent'\]"
    with pytest.raises(ImportRefused, match=reason):
        edited(tmp_path, {'["own", "rent"]': '["own", "rent", "tent"]'}, model, frame)


def test_a_field_that_the_estimator_needs_cannot_be_left_out(tmp_path: Path) -> None:
    frame = loans()[["loan", "age", "flag", LABEL]]
    model = LogisticRegression().fit(frame[["age", "flag"]], frame[LABEL])
    reason = "the estimator itself fails for rows without .*required = true for"
    with pytest.raises(ImportRefused, match=reason):
        edited(tmp_path, {'name = "age"\n': 'name = "age"\nrequired = false\n'}, model, frame)


def test_whole_numbers_that_no_model_can_tell_apart_are_refused(tmp_path: Path) -> None:
    model, frame = of_column("account", np.arange(ROWS) + 2**60)
    with pytest.raises(DataInvalid, match=r"account: it holds whole numbers beyond 2\*\*53"):
        imported(tmp_path, model, frame)


def test_an_option_that_an_edited_contract_contradicts_is_refused(tmp_path: Path) -> None:
    text = imported(tmp_path, subject=None)[0].contract_text
    with pytest.raises(ContractInvalid, match="subject: --id loan has no effect on it; edit"):
        imported(tmp_path, contract=text, subject="loan")
    with pytest.raises(ContractInvalid, match=r"\(age\): --optional has no effect on it; set"):
        imported(tmp_path, contract=text, subject=None, optional=("age",))
    optional = text.replace('name = "age"\n', 'name = "age"\nrequired = false\n')
    found, _ = imported(tmp_path, contract=optional, subject=None, optional=("age",))
    assert found.changes == []
