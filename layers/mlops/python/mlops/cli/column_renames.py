"""The columns of a file that a user renames or leaves out, by options and in a mapping file."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer

from mlops.batch.job import Renames
from mlops.errors import ConfigInvalid, MalformedJson
from mlops.models.strict_json import parse


def read_renames(rename: Sequence[str], drop: Sequence[str], file: Path | None) -> Renames:
    """Return what each column becomes, None for one to leave out; options win over the file.

    Raises ConfigInvalid for a file that is no mapping, typer.BadParameter for an option.
    """
    given: dict[str, str | None] = {}
    for name, field in [*map(_pair, rename), *((name, None) for name in drop)]:
        if given.setdefault(name, field) != field:
            raise typer.BadParameter(f"{name} is renamed or left out in two ways. Give it once.")
    return dict(_mapping(file)) | given if file else given


def _pair(option: str) -> tuple[str, str | None]:
    name, equals, field = option.rpartition("=")
    if not equals or not name or not field:
        raise typer.BadParameter(
            f"--rename {option} is not COLUMN=FIELD. For example: --rename customerID=customer_id."
            " To leave out a column: --drop COLUMN"
        )
    return name, field


def _mapping(file: Path) -> Iterator[tuple[str, str | None]]:
    try:
        text = file.read_bytes().decode("utf-8-sig")
        return iter([*(_of_json(text) if text.lstrip()[:1] == "{" else _of_csv(text))])
    except UnicodeDecodeError as error:
        raise ConfigInvalid(str(file), "is not UTF-8") from error
    except (ValueError, MalformedJson, csv.Error) as error:
        raise ConfigInvalid(
            str(file),
            'is no mapping of columns. Write JSON {"column": "field"}, with null for a column to'
            f" leave out, or CSV lines column,field ({error})",
        ) from error


def _of_json(text: str) -> Iterator[tuple[str, str | None]]:
    for name, field in parse(text.encode()).items():
        if not (field is None or isinstance(field, str)):
            raise ValueError(f"{name} is renamed to what is no text")
        yield name, field or None


def _of_csv(text: str) -> Iterator[tuple[str, str | None]]:
    rows = csv.reader(text.splitlines(), strict=True)
    for cells in rows:
        if not cells:
            continue
        if len(cells) != 2:
            raise ValueError(f"line {rows.line_num} has {len(cells)} cells, not 2")
        yield cells[0], cells[1] or None
