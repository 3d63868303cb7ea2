"""model_card.md: what a version is for, what it is made of, how good it is and for whom."""

from collections.abc import Iterable, Sequence

from mlops.models.contract import Contract
from mlops.models.plan import CardText
from mlops.training.data import Dataset, views_of
from mlops.training.evaluation import Figure, evaluation_of
from mlops.training.evidence import CrossValidation, Evidence

_MIN_SEGMENT_ROWS = 50


def model_card(data: Dataset, text: CardText, evidence: Evidence) -> bytes:
    """Return the card in Markdown."""
    contract = data.contract
    evaluation = evaluation_of(contract)
    lines = [
        f"# {contract.title}",
        "",
        "## What it is for",
        text.purpose,
        "",
        "## Data",
        text.data,
        "",
        f"Rows: {len(data):,}; {_in_line(evaluation.summarize(data.targets))}."
        f" Digest: `{data.digest}`.",
        *_horizon(contract),
        "",
        "## Figures",
        *_cross_validation(data, evidence),
        f"Holdout, {len(evidence.holdout_rows):,} rows:",
        "",
        *_table(
            ("view", *(figure.title for figure in evaluation.figures)),
            (
                (name, *(figure.format(found[figure.name]) for figure in evaluation.figures))
                for name, found in evidence.holdout.items()
            ),
        ),
        "",
    ]
    lines += _breakdowns(data, evidence)
    if contract.segments:
        lines += ["## By segment", "Holdout, every field sent.", "", *_segments(data, evidence), ""]
    if text.limits:
        lines += ["## Limits", *(f"- {limit}" for limit in text.limits), ""]
    return "\n".join(lines).encode()


def _horizon(contract: Contract) -> list[str]:
    if contract.label is None or contract.label.horizon_days is None:
        return []
    days = contract.label.horizon_days
    return [f"Whether a prediction was right is known {days} days after it."]


def _cross_validation(data: Dataset, evidence: Evidence) -> list[str]:
    if not evidence.cross_validation:
        return []
    evaluation = evaluation_of(data.contract)
    times = f", {evidence.repeats} times" if evidence.repeats > 1 else ""
    return [
        f"Cross-validated, {evaluation.folds_text}{times}; ± is the standard deviation over folds."
        " A figure without it is that of all folds' predictions together.",
        "",
        *_table(
            ("view", *(figure.title for figure in evaluation.figures)),
            (
                (
                    f"{view.name}: {view.description}",
                    *(
                        _with_spread(figure, evidence.cross_validation[view.name])
                        for figure in evaluation.figures
                    ),
                )
                for view in views_of(data.contract)
            ),
        ),
        "",
    ]


def _breakdowns(data: Dataset, evidence: Evidence) -> list[str]:
    """Return the figures of cross-validation by parts of the predictions, for each view."""
    lines: list[str] = []
    evaluation = evaluation_of(data.contract)
    for view in views_of(data.contract) if evidence.cross_validation else ():
        found = evidence.cross_validation[view.name]
        for breakdown in evaluation.breakdown(data, found.rows, found.numbers):
            lines += [
                f"## By {breakdown.by}, {view.name}",
                f"Cross-validated; {view.description}.",
                "",
                *_table((breakdown.by, *breakdown.heads), breakdown.parts),
                "",
            ]
    return lines


def _with_spread(figure: Figure, found: CrossValidation) -> str:
    value = figure.format(found.figures[figure.name])
    return value if figure.pooled else f"{value} ± {figure.format(found.spread[figure.name])}"


def _segments(data: Dataset, evidence: Evidence) -> list[str]:
    evaluation = evaluation_of(data.contract)
    labels, numbers = data.targets[evidence.holdout_rows], evidence.holdout_numbers
    figures = [figure for figure in evaluation.figures if not figure.pooled]

    def rows() -> Iterable[Sequence[str]]:
        for field in data.contract.segments:
            groups = data.groups(field)[evidence.holdout_rows]
            for group in sorted(set(groups.tolist())):
                here = groups == group
                levels = evaluation.compare_levels(labels[here], numbers[here]).values()
                if here.sum() < _MIN_SEGMENT_ROWS or len(set(labels[here].tolist())) < 2:
                    shown = ["too few rows"] * len(figures)
                else:
                    found = evaluation.compute(labels[here], numbers[here])
                    shown = [figure.format(found[figure.name]) for figure in figures]
                yield f"{field} {group}", f"{here.sum():,}", *levels, *shown

    heads = evaluation.compare_levels(labels, numbers)
    return _table(("segment", "rows", *heads, *(figure.title for figure in figures)), rows())


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(map(_in_line, line))} |" for line in lines]


def _in_line(text: str) -> str:
    """Return a text that may have names of classes, without the line breaks of these."""
    return " ".join(text.split())
