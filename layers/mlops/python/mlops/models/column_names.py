"""The columns of a file, compared with those that a model needs."""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence, Set

MAX_NAMED = 20
"""Columns that one reason names; a file may have thousands."""

_MAX_NAME = 64
_SIMILAR = 0.75
_FOR_EXCEL = re.compile(r'\s*"?sep=.?"?,*\s*', re.IGNORECASE)
_SEPARATORS = {";": "`;`", "\t": "a tab", "|": "`|`", "\x01": r"`\x01`"}
_RARE_SEPARATORS = {"^": "`^`", "~": "`~`", ":": "`:`", " ": "spaces"}
"""Names of columns hold these, too: they separate where no comma is, and nothing but names."""

_NAMES_AND_RARE = re.compile(r'[\w.\-"^~: ]+')
_COMMENT = re.compile(r"#TYPE .*|#[^,;\t|]*", re.IGNORECASE)


def find_fault(
    names: Sequence[str], required: Set[str], known: Set[str], hint: str = ""
) -> str | None:
    """Return why a file with these columns cannot be read, or None if it can.

    Args:
        hint: What the user can do about unknown columns.
    """
    counts = Counter(names)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        return f"columns that appear twice: {_list(map(quote, sorted(twice)))}"
    missing = sorted(required - counts.keys())
    unknown = [name for name in counts if name not in known]
    if not missing and not unknown:
        return None
    named = unknown[:MAX_NAMED]
    similar = suggest(named, known - counts.keys())
    parts = []
    if missing:
        parts.append(f"missing: {_list(missing)}")
    if unknown:
        listed = [
            f"{quote(name)} (did you mean {similar[name]}?)" if name in similar else quote(name)
            for name in named
        ]
        parts.append(f"unknown: {_list(listed, len(unknown))}")
    text = f"columns that are {'; '.join(parts)}"
    return f"{text}. {hint}" if unknown and hint else text


def suggest(unknown: Iterable[str], free: Set[str]) -> dict[str, str]:
    """Return for unknown names the field that each most likely stands for, no field twice."""
    by_letters = {_fold(name): name for name in free}
    found: dict[str, str] = {}
    rest = []
    for name in unknown:
        field = by_letters.pop(_fold(name), None)
        if field is None:
            rest.append(name)
        else:
            found[name] = field
    for name in rest:
        close = difflib.get_close_matches(_fold(name), by_letters, 1, _SIMILAR)
        if close:
            found[name] = by_letters.pop(close[0])
    return found


def find_separator(header: str) -> str | None:
    """Return how a message names the header's separator, or None if it is a comma."""
    plain = _without_quoted(header)
    counts = {mark: plain.count(mark) for mark in _SEPARATORS}
    mark = max(counts, key=lambda mark: counts[mark])
    if counts[mark] > plain.count(","):
        return _SEPARATORS[mark]
    if not _NAMES_AND_RARE.fullmatch(plain.strip()):
        return None
    return next((name for mark, name in _RARE_SEPARATORS.items() if mark in plain.strip()), None)


def find_header_fault(header: str) -> str | None:
    """Return what is wrong with the form of a CSV file's first line, or None."""
    if _FOR_EXCEL.fullmatch(header):
        return (
            f"the line is `{quote(header.strip())}`, which is for Excel alone. Delete this line,"
            " and separate cells by commas"
        )
    if _COMMENT.fullmatch(header):
        return "the line begins with `#`, as a comment does. Delete this line"
    separator = find_separator(header)
    if separator is None:
        return None
    return (
        f"the line looks separated by {separator}. Separate cells by commas, and write numbers with"
        " a decimal point"
    )


def quote(name: str) -> str:
    """Return a stranger's name so that it is short, and spaces and control characters show."""
    short = name[:_MAX_NAME]
    return short if short.isprintable() and short.strip() == short != "" else ascii(short)


def _list(names: Iterable[str], count: int | None = None) -> str:
    listed = [*names]
    more = (len(listed) if count is None else count) - MAX_NAMED
    return ", ".join(listed[:MAX_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _fold(name: str) -> str:
    return "".join(letter for letter in name[:_MAX_NAME].casefold() if letter.isalnum())


def _without_quoted(header: str) -> str:
    """The header, in which one quotation mark stands for each quoted name."""
    return '"'.join(header.split('"')[::2])
