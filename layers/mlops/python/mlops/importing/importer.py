"""Everything that needs the estimator itself: contract, graph, and proof of parity.

It runs in the child process; see `process`.
"""

import datetime
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from mlops.errors import ContractInvalid, DataInvalid, ImportRefused, ModelUnusable
from mlops.importing.contract_file import describe_changes, write_contract
from mlops.importing.conversion import Converted, convert
from mlops.importing.estimator_file import load_estimator
from mlops.importing.inference import infer_contract
from mlops.importing.origin import Origin
from mlops.importing.parity import Difference, Group, Row, compare, differences, generate_rows
from mlops.importing.process import Imported, Order
from mlops.importing.sample import MANY_ROWS, Sample, keep_known, looks_like_numbers, read_sample
from mlops.importing.steps import NotConvertible, last_of, name_of, unwrap
from mlops.importing.structure import Structure, read_structure
from mlops.importing.target import Target, find_target, text_of
from mlops.inference.predictor import Predictor
from mlops.models.column_names import find_fault
from mlops.models.contract import Contract
from mlops.models.tabular import INPUT
from mlops.models.validation import validate


def import_estimator(
    order: Order, on_step: Callable[[str], None] = lambda step: None
) -> tuple[Imported, bytes]:
    """Return what was proved, and the graph.

    Raises:
        EstimatorUnusable: The file cannot be loaded, or holds nothing that predicts.
        DataInvalid: The sample does not fit the estimator.
        ContractInvalid: The given contract does not fit the estimator.
        ImportRefused: The graph would not predict what the estimator does.
    """
    on_step("Reading the sample")
    sample = read_sample(
        Path(order.sample),
        order.label,
        Path(order.labels) if order.labels else None,
        order.subject,
    )
    on_step("Loading the estimator")
    estimator = load_estimator(Path(order.pipeline))
    target = find_target(order.pipeline, estimator, order.positive)
    labels = target.read_labels(
        order.labels or order.sample,
        order.label,
        keep_known(sample.labels, sample.label_texts, [*getattr(estimator, "classes_", ())]),
    )
    structure = read_structure(estimator, len(sample.rows.columns))
    sample, notes = _prepare(sample, structure, order)
    names = structure.columns or tuple(
        str(name) for name in sample.rows.columns if name != order.subject
    )
    sample = _keep_known_texts(sample, structure, names)
    used = {name for place, name in enumerate(names) if place in structure.used}
    fillers = {
        name: sample.rows[name].iloc[0]
        for name in names
        if name in sample.rows and name not in used
    }
    origin = Origin(names, structure.columns is not None, fillers)

    def predict(rows: pandas.DataFrame) -> NDArray[np.float64]:
        return target.numbers(estimator, origin.shape(rows))

    _require_prediction(order, sample, predict)
    on_step("Inferring the contract")
    contract, text, said, changes = _contract(order, sample, structure, names, target, predict)
    requests = _requests(contract, sample)
    on_step("Converting")
    try:
        converted = convert(estimator, contract, origin, target)
    except NotConvertible as error:
        raise ImportRefused(order.model, f"{error.step} has no graph: {error.reason}") from error
    try:
        predictor = Predictor(f"the {order.model} candidate", converted.graph, contract)
        on_step("Comparing with the estimator")
        parity, rows = _prove(
            order,
            contract,
            predictor,
            converted,
            requests,
            sample,
            estimator,
            origin,
            target,
            predict,
        )
    except ModelUnusable as error:
        reason = f"the graph of {name_of(last_of(estimator))} could not be served: {error.reason}"
        raise ImportRefused(order.model, reason) from error
    notes += [
        *said,
        *_single_columns(sample, used, labels, target),
        *_decisions(estimator, origin.shape(sample.rows), target),
    ]
    kind = name_of(last_of(estimator))
    return (
        Imported(
            contract.to_json().decode(),
            text,
            requests,
            labels,
            sample.digest,
            parity,
            rows,
            kind,
            notes,
            changes,
        ),
        converted.graph,
    )


def _prepare(sample: Sample, structure: Structure, order: Order) -> tuple[Sample, list[str]]:
    """Return the sample with the columns of the estimator, and notes. Raise DataInvalid."""
    notes = []
    rows = sample.rows.copy()
    count = len(rows)
    if count == 0:
        raise DataInvalid(sample.source, None, "file", "it has no rows")
    if count < MANY_ROWS:
        notes.append(
            f"The sample has {count} rows. With fewer than {MANY_ROWS}, rare categories and fields"
            " that may be missing stay unseen: check each field of contract.toml"
        )
    if structure.columns is None:
        width = max(structure.used, default=-1) + 1
        names = [name for name in rows.columns if name != order.subject]
        indices = [name for name in names if str(name).startswith("Unnamed: ")]
        if len(names) > width and len(names) - len(indices) == width:
            rows = rows.drop(columns=indices)
        elif len(names) != width:
            besides = "the label and the id" if len(names) < len(rows.columns) else "the label"
            reason = (
                f"the estimator was fitted on an array of {width} columns, but the sample has"
                f" {len(names)} besides {besides}: {', '.join(map(str, names))}"
            )
            raise DataInvalid(sample.source, None, "header", reason)
        return _with_rows(sample, rows), notes
    known = structure.columns
    if order.label in known and known.index(order.label) in structure.used:
        reason = (
            "it is the label, and the estimator was fitted with it as a feature; fit again without"
        )
        raise DataInvalid(sample.source, None, order.label, reason)
    needed = [name for place, name in enumerate(known) if place in structure.used]
    missing = [name for name in needed if name not in rows.columns]
    if missing:
        fault = find_fault(
            [*map(str, rows.columns)],
            frozenset(needed),
            frozenset(map(str, rows.columns)) | set(needed),
        )
        raise DataInvalid(
            sample.source, 1, "header", f"{fault}; the estimator was fitted with them"
        )
    for name in known:
        if name not in rows.columns:
            rows[name] = np.nan
    for place, name in enumerate(known):
        column = rows[name]
        texts = column.dtype == object or pandas.api.types.is_string_dtype(column)
        if (
            place in structure.used
            and place not in structure.categories
            and texts
            and looks_like_numbers(column)
        ):
            numbers = pandas.to_numeric(column, errors="coerce")
            lost = int((numbers.isna() & column.notna()).sum())
            rows[name] = numbers
            notes.append(
                f"{name}: numbers kept as text; {lost} values that are none, such as blanks, count"
                " as missing"
            )
    extra = [name for name in rows.columns if name not in known and name != order.subject]
    index = [str(name) for name in extra if str(name).startswith("Unnamed: ")]
    if index:
        notes.append(
            f"{index[0]} is the index that to_csv wrote; it is left out. Write files with"
            " index=False"
        )
    return _with_rows(sample, rows), notes


def _with_rows(sample: Sample, rows: pandas.DataFrame) -> Sample:
    return replace(sample, rows=rows)


def _keep_known_texts(sample: Sample, structure: Structure, names: Sequence[str]) -> Sample:
    """Return the sample with the categories that its encoders know as the file writes them."""
    if sample.texts is None:
        return sample
    kept = {
        names[place]: keep_known(sample.rows[names[place]], sample.texts[names[place]], known)
        for place, known in structure.categories.items()
        if names[place] in sample.texts
    }
    return _with_rows(sample, sample.rows.assign(**kept))


def _require_prediction(
    order: Order, sample: Sample, predict: Callable[[pandas.DataFrame], NDArray[np.float64]]
) -> None:
    """Raise DataInvalid unless the estimator predicts numbers for the sample."""
    try:
        numbers = predict(sample.rows)
    except Exception as error:  # an estimator may raise anything
        reason = (
            f"the estimator cannot predict these rows ({type(error).__name__}:"
            f" {str(error).strip().splitlines()[0] if str(error).strip() else 'no reason'})."
            " The sample should have the columns that it was fitted on, in the same types. CSV"
            " keeps no types: give texts that look like numbers, or like missing values, as Parquet"
        )
        raise DataInvalid(sample.source, None, "rows", reason) from error
    bad = ~np.isfinite(numbers).all(axis=1)
    if bad.any():
        line = int(bad.argmax()) + 2
        raise DataInvalid(sample.source, line, "row", "the estimator predicts no finite number")


def _contract(
    order: Order,
    sample: Sample,
    structure: Structure,
    columns: Sequence[str],
    target: Target,
    predict: Callable[[pandas.DataFrame], NDArray[np.float64]],
) -> tuple[Contract, str, Sequence[str], list[str]]:
    """Return the contract, its text, notes, and what an edited one changes."""
    inferred = infer_contract(
        order.model,
        sample,
        structure,
        columns,
        target,
        predict,
        subject=order.subject,
        optional=frozenset(order.optional),
    )
    found = _parse(inferred.document, order.model)
    if order.contract is None:
        text = write_contract(found, inferred.comments)
        return Contract.from_toml(text, order.contract_source), text, inferred.notes, []
    given = Contract.from_toml(order.contract, order.contract_source)
    _require_fit(given, found, order, target)
    return given, order.contract, [], describe_changes(found, given)


def _parse(document: Mapping[str, Any], model: str) -> Contract:
    content = json.dumps({"schema": 1, **document}).encode()
    return Contract.from_json(content, f"the contract of {model}")


def _require_fit(given: Contract, inferred: Contract, order: Order, target: Target) -> None:
    """Raise ContractInvalid where an edited contract does not fit the estimator."""
    reasons = []
    if given.model != order.model:
        reasons.append(
            f"model: it is the contract of {given.model!r}; name another file with --contract"
        )
    if given.task != inferred.task:
        reasons.append(f"task: the estimator is for {inferred.task}")
    columns = {field.column for field in given.features}
    wanted = {field.column for field in inferred.features}
    reasons += [
        f"fields: the estimator needs {name!r}; add it" for name in sorted(wanted - columns)
    ]
    reasons += [
        f"fields: the estimator has no column {name!r}; leave it out, or name its source"
        for name in sorted(columns - wanted)
    ]
    if given.task == "multiclass" and given.answer.classes != inferred.answer.classes:
        reasons.append(f"answer.classes: they should be {list(inferred.answer.classes)}")
    if given.task == "binary" and _classes_of(given) != _classes_of(inferred):
        positive, negative = _classes_of(inferred)
        reasons.append(
            f"label: the positive class is {positive!r} and the other one {negative!r};"
            " --positive says which"
        )
    for field in given.features:
        other = next((item for item in inferred.features if item.column == field.column), None)
        if other is not None and field.is_numeric != other.is_numeric:
            reasons.append(
                f"fields ({field.name}): the estimator takes a column of the type {other.type}"
            )
        if field.default is not None:
            reasons.append(f"fields ({field.name}): a default cannot be imported; leave it out")
    reasons += _ignored_options(given, order)
    if reasons:
        raise ContractInvalid(order.contract_source, reasons)


def _ignored_options(given: Contract, order: Order) -> Iterator[str]:
    """Yield the options that an edited contract leaves without effect."""
    if order.subject is not None:
        subject = None if given.subject is None else given.by_name[given.subject]
        if subject is None or order.subject not in (subject.name, subject.column):
            yield (
                f"subject: --id {order.subject} has no effect on it; edit the contract, or write it"
                " again with --infer"
            )
    for field in given.features:
        if field.required and not {field.name, field.column}.isdisjoint(order.optional):
            yield (
                f"fields ({field.name}): --optional has no effect on it; set required = false, or"
                " write the contract again with --infer"
            )


def _classes_of(contract: Contract) -> tuple[str, str]:
    label = contract.label
    return ("", "") if label is None else (label.positive, label.negative)


def _requests(contract: Contract, sample: Sample) -> list[dict[str, Any]]:
    """Return the sample as clients would send it. Raise DataInvalid, which names the row."""
    columns: dict[str, list[Any]] = {}
    for field in contract.fields:
        source = field.column
        if field.name == contract.subject and source not in sample.rows.columns:
            rows = range(len(sample.rows))
            columns[field.name] = [
                number if field.type == "integer" else f"row {number}" for number in rows
            ]
            continue
        convert_cell = _CELLS[field.type]
        values = sample.rows[source]
        columns[field.name] = [
            None if missing else convert_cell(value)
            for value, missing in zip(values.tolist(), values.isna().tolist(), strict=True)
        ]
    names = [*columns]
    requests = []
    for number, row in enumerate(zip(*columns.values(), strict=True)):
        request = {name: value for name, value in zip(names, row, strict=True) if value is not None}
        found = validate(contract, request)
        if isinstance(found, tuple):
            first = found[0]
            reason = f"{first.detail}; the contract does not allow what the sample has"
            raise DataInvalid(sample.source, number + 2, first.field, reason)
        requests.append(request)
    return requests


def _whole(value: Any) -> Any:
    return int(value) if float(value).is_integer() else float(value)


def _day(value: Any) -> str:
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=int(value))).isoformat()


_CELLS: Mapping[str, Callable[[Any], Any]] = {
    "boolean": bool,
    "category": str,
    "date": _day,
    "integer": _whole,
    "number": float,
    "text": str,
}


def _prove(
    order: Order,
    contract: Contract,
    predictor: Predictor,
    converted: Converted,
    requests: Sequence[Row],
    sample: Sample,
    estimator: Any,
    origin: Origin,
    target: Target,
    predict: Callable[[pandas.DataFrame], NDArray[np.float64]],
) -> tuple[float, int]:
    """Return the largest difference and the number of rows. Raise ImportRefused."""
    groups = [Group("of the sample", tuple(requests))]
    groups += generate_rows(contract, requests, converted)

    def expect(rows: Sequence[Row]) -> NDArray[np.float64]:
        known = len(requests)
        try:
            made = target.numbers(estimator, origin.rows(contract, rows[known:]))
        except Exception as error:  # an estimator may raise anything
            raise ImportRefused(
                order.model, _failing(error, groups[1:], estimator, origin, contract, target)
            ) from error
        return np.concatenate([predict(sample.rows), made])

    parity, differing = compare(contract, predictor, groups, expect, target)
    if differing:
        reasons = [_explain(found) for found in differing[:3]]
        more = len(differing) - len(reasons)
        step = _find_step(estimator, contract, converted, origin, differing[0].group)
        raise ImportRefused(
            order.model,
            f"the graph would not predict what the estimator does. {' '.join(reasons)}"
            f"{f' {more} more kinds of rows differ.' if more else ''} Step: {step}."
            f" {_remedy(differing[0], contract, step)}",
        )
    return parity, sum(len(group.rows) for group in groups)


def _failing(
    error: Exception,
    groups: Sequence[Group],
    estimator: Any,
    origin: Origin,
    contract: Contract,
    target: Target,
) -> str:
    """Say for which rows an estimator fails that the contract lets clients send."""
    for group in groups:
        try:
            target.numbers(estimator, origin.rows(contract, group.rows))
        except Exception as found:  # noqa: BLE001 -- an estimator may raise anything
            text = str(found).strip().splitlines() or [type(found).__name__]
            return (
                f"the estimator itself fails for rows {group.about}: {text[0]}. Change"
                " contract.toml so that clients cannot send them, for example"
                f" {_narrower(group, contract)}"
            )
    return f"the estimator itself fails: {error}"


def _narrower(group: Group, contract: Contract) -> str:
    if group.about.startswith("without"):
        return f"required = true for {group.field or 'its fields'}"
    return f"closer bounds of {group.field or 'a field'}, or fewer choices"


def _explain(found: Difference) -> str:
    flips = f", {found.flips:,} decided otherwise" if found.flips else ""
    return (
        f"Of {len(found.group.rows):,} rows {found.group.about}, {found.count:,} differ, by up to"
        f" {found.largest:.2g}{flips}."
    )


def _find_step(
    estimator: Any, contract: Contract, converted: Converted, origin: Origin, group: Group
) -> str:
    """Return the step that is to blame: the last one, or those before it."""
    last = name_of(last_of(estimator))
    inner = unwrap(estimator)
    if converted.features is None or not isinstance(inner, Pipeline):
        return last
    requests = [contract.request.model_validate(row) for row in group.rows]
    tensors = contract.encoder.tensors(requests)
    session = onnxruntime.InferenceSession(converted.probe, providers=["CPUExecutionProvider"])
    found = session.run([converted.features], {INPUT: tensors[INPUT]})[0].astype(np.float64)
    rows = origin.rows(contract, group.rows)
    try:
        made = inner[:-1].transform(rows)
    except Exception:  # noqa: BLE001 -- an estimator may raise anything
        return last
    expected = np.asarray(made.toarray() if hasattr(made, "toarray") else made, dtype=np.float64)
    if expected.shape != found.shape:
        return last
    both = np.isnan(found) & np.isnan(expected)
    off = differences(np.where(both, 0, found), np.where(both, 0, expected), 6)
    if np.max(off) <= 1e-5:
        return last
    before = [name_of(step) for _, step in inner.steps[:-1]]
    return f"{' and '.join(before)} before {last}"


def _remedy(found: Difference, contract: Contract, step: str) -> str:
    about = found.group.about
    if about.startswith("without"):
        what = found.group.field or "the optional fields"
        return (
            f"Remedy: fill missing values before it, with SimpleImputer, or set required = true for"
            f" {what} in contract.toml."
        )
    if about.endswith("at its bounds"):
        return f"Remedy: draw the bounds of {found.group.field} closer in contract.toml."
    if step.startswith("XGB"):
        return (
            "Remedy: on a sparse matrix XGBoost takes zeros for missing values; fit it on a dense"
            " one, with ColumnTransformer(..., sparse_threshold=0). If it is dense: XGBoost adds in"
            " float32, so fit it on a target of smaller numbers, such as its logarithm."
        )
    if "Neighbors" in step:
        return (
            "Remedy: several training rows are equally far from these rows, and which of them count"
            ' is arbitrary. Use weights="distance", or trees.'
        )
    return (
        f"Remedy: replace {step} by a step that docs/own-model.md lists, or compute its columns"
        " before the pipeline."
    )


def _single_columns(
    sample: Sample, used: set[str], labels: Sequence[Any], target: Target
) -> list[str]:
    """Return notes on columns that tell two classes apart by themselves."""
    if target.kind not in ("probability", "score"):
        return []
    truth = np.array([label == 1 for label in labels])
    positive, negative = int(truth.sum()), int((~truth).sum())
    if not positive or not negative:
        return []
    notes = []
    for name in sorted(used):
        column = sample.rows[name]
        if pandas.api.types.is_numeric_dtype(column):
            numbers = column.astype(float)
        elif column.nunique() > len(column) // 10:
            continue  # each value is rare, so its rate says nothing
        else:
            texts = column.astype(str)
            numbers = texts.map(pandas.Series(truth).groupby(texts).mean())
        ranks = numbers.rank(na_option="top").to_numpy()
        area = (ranks[truth].sum() - positive * (positive + 1) / 2) / (positive * negative)
        if max(area, 1 - area) > _GIVES_AWAY:
            notes.append(
                f"{name}: alone it tells the classes apart (ROC-AUC {max(area, 1 - area):.4f}). Is"
                " it known only afterwards? Then leave it out and fit again"
            )
    return notes


def _decisions(estimator: Any, rows: Any, target: Target) -> list[str]:
    """Return a note where `predict` decides otherwise than the numbers that are served."""
    if target.kind == "value":
        return []
    places = target.decisions(target.numbers(estimator, rows))
    served = [target.classes[target.order[place]] for place in places]
    decided = [text_of(value) for value in estimator.predict(rows)]
    count = sum(one != other for one, other in zip(served, decided, strict=True))
    if not count:
        return []
    numbers = "scores" if target.kind in ("score", "shares") else "probabilities"
    return [
        f"{name_of(last_of(estimator))}.predict decides {count:,} of the {len(decided):,} rows of"
        f" the sample otherwise than its own {numbers}. What is served follows the {numbers}"
    ]


_GIVES_AWAY = 0.999
"""ROC-AUC of a single column."""
