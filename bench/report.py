"""The figures as tables, for the terminal and for docs/performance.md."""

import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.rounds import RANGE

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def machine() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    """As Linux and macOS name it, where they do."""
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        named = re.search(r"^model name\s*: (.+)$", listed.read_text(), re.MULTILINE)
        if named:
            return named[1]
    return platform.processor() or platform.machine()


def written(document: str, results: Mapping[str, Any]) -> str:
    """The document with what is between the markers made anew."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the document has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{markdown(results)}\n\n{END}{after}"


def markdown(results: Mapping[str, Any]) -> str:
    return "\n".join(_lines(results))


def _lines(results: Mapping[str, Any]) -> Iterator[str]:
    on = results["machine"]
    yield f"{results['date']}, commit {results['commit'] or 'unknown'}, {on['processor']},"
    yield f"{on['cores']} cores, {on['system']}, Python {on['python']}; {results['rounds']} rounds."
    if results["targets"]:
        yield "\n### Targets\n"
        yield from table(("figure", "wanted", "found", "met"), map(_target, results["targets"]))
    for part, found in results["parts"].items():
        yield f"\n### {TITLES[part]}\n"
        if "not_measured" in found:
            yield f"Not measured: {found['not_measured']}"
        else:
            yield from TABLES.get(part, _by_name)(found)


def _target(line: Mapping[str, Any]) -> Sequence[str]:
    found = "not measured" if line["found"] is None else f"{line['found']:g}"
    return line["figure"], line["wanted"], found, "yes" if line["met"] else "**no**"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join(['---'] * len(head))} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _by_name(found: Mapping[str, Any]) -> Iterator[str]:
    """A row for each, a column for each figure, and beside it how much ours is of it."""
    figures = [figure for figure in found["ours"] if not figure.endswith(RANGE)]
    rows = [
        (
            name,
            *(
                f"{values[figure]:,}{_range(values, figure)} ({_ratio(found, values, figure)})"
                for figure in figures
            ),
        )
        for name, values in found.items()
    ]
    head = ("", *(f"{_words(figure)} (ours to it)" for figure in figures))
    yield from table(head, rows)


def _ratio(found: Mapping[str, Any], values: Mapping[str, Any], figure: str) -> str:
    return f"{found['ours'][figure] / values[figure]:.2f}" if values[figure] else "-"


def _range(values: Mapping[str, Any], figure: str, form: str = ",") -> str:
    """The least and the greatest of its rounds; of what is measured once there are none."""
    between = values.get(figure + RANGE)
    return f", {between[0]:{form}} to {between[1]:{form}}" if between else ""


def _http(found: Mapping[str, Any]) -> Iterator[str]:
    rows = []
    for name, values in found.items():
        if why := values.get("not_measured"):
            rows.append((name, "not measured", "", "", " ".join(why.split())))
            continue
        ratio = _ratio(found, values, "per_second") if "per_second" in found["ours"] else "-"
        notes = [values.get("version", ""), values.get("note", "")]
        rates = f"{values['per_second']:,.0f}{_range(values, 'per_second', ',.0f')}", ratio
        times = f"{values['p50_ms']:g} / {values['p95_ms']:g}"
        rows.append((name, *rates, times, "; ".join(filter(None, notes))))
    yield from table(("", "a second", "ours to it", "p50 / p95, ms", ""), rows)


def _files(found: Mapping[str, Any]) -> Iterator[str]:
    yield from table(
        ("", "MB read", "files", "the largest"),
        (
            (
                name,
                f"{values['read_mb']}",
                f"{values['files']}",
                ", ".join(f"`{file}` {size}" for file, size in values["largest_mb"].items()),
            )
            for name, values in found.items()
        ),
    )


def _image(found: Mapping[str, Any]) -> Iterator[str]:
    sizes = f"{found['size_mb']} MB, compressed {found['compressed_mb']} MB"
    yield f"{sizes} ({found['architecture']})."


def _batch(found: Mapping[str, Any]) -> Iterator[str]:
    rates, many = found["rows_per_second"], found["many"]
    ways = ("columns", "plain")
    rows = [
        [f"{found['rows']:,}", *(f"{rates[way]:,}" for way in ways), f"{found['ratio']:.1f}"],
    ]
    if "ratio" in many:
        many_rates = (
            f"{many['rows'] / many[way]['seconds']:,.0f} ({many[way]['resident_mb']:,.0f} MB)"
            for way in ways
        )
        rows.append([f"{many['rows']:,}", *many_rates, f"{many['ratio']:.1f}"])
    yield from table(("rows", "ours, rows a second", "pydantic and pandas", "ratio"), rows)
    if "not_measured" in many:
        yield f"\nOf more rows not measured: {many['not_measured']}"
    grown = ", ".join(
        f"{int(rows):,} rows {seconds:g} s" for rows, seconds in found["growth"]["seconds"].items()
    )
    yield f"\nTime grows with rows to the power of {found['growth']['exponent']}: {grown}."


def _models(found: Mapping[str, Any]) -> Iterator[str]:
    seconds = {name: values["seconds"] for name, values in found["start"].items()}
    rates = found["imported"]["rows_per_second"]
    yield from table(
        ("", "ours", "compared with", "ratio"),
        [
            (
                "new process to first answer, ten models and one",
                f"{seconds['ten']:.3f} s",
                f"{seconds['one']:.3f} s",
                f"{seconds['ten'] / seconds['one']:.3f}",
            ),
            (
                "batch of an imported pipeline, rows a second, and pydantic and pandas",
                f"{rates['columns']:,}",
                f"{rates['plain']:,}",
                f"{found['imported']['ratio']:.1f}",
            ),
        ],
    )


def _cost(found: Mapping[str, Any]) -> Iterator[str]:
    kinds = [name for name, values in found.items() if isinstance(values, dict)]
    figures = [*found[kinds[0]]]
    rows = ((_words(figure), *(f"{found[kind][figure]:,}" for kind in kinds)) for figure in figures)
    yield from table(("dollars, times in ms, break-even in requests", *kinds), rows)
    yield f"\nPrices of {found['prices_of']}: {found['prices_from']}."


def _words(figure: str) -> str:
    return figure.replace("_", " ")


TITLES = {
    "warm": "Warm handler",
    "http": "Over HTTP, 16 connections",
    "cold": "New process to first answer",
    "memory": "Memory after 1,000 requests",
    "container": "Container under the runtime emulator",
    "image": "Image",
    "files": "Read from files at a start",
    "batch": "Batch",
    "models": "More models, and imported ones",
    "cost": "Cost",
}
TABLES = {
    "http": _http,
    "files": _files,
    "image": _image,
    "batch": _batch,
    "models": _models,
    "cost": _cost,
}
