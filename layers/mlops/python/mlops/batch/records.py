"""Where the records of a text file begin and end, found in whole arrays and not byte by byte."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops.errors import InputRefused

_NEWLINE, _RETURN, _QUOTE, _COMMA = b"\n"[0], b"\r"[0], b'"'[0], b","[0]
Positions = NDArray[np.intp]


@dataclass(frozen=True)
class Records:
    """The complete records at the start of some text, blank ones left out.

    starts, ends: int of shape (n,); a record is text[start:end], its line feed not included.
    lines: int of shape (n,); line feeds before each record.
    used: bytes up to the last record's end; what follows is not complete.
    used_lines: line feeds in these.
    """

    starts: Positions
    ends: Positions
    lines: Positions
    used: int
    used_lines: int

    def __len__(self) -> int:
        return len(self.starts)


def json_records(text: bytes) -> Records:
    """One record a line: JSON has no line feeds inside of its texts."""
    data = np.frombuffer(text, np.uint8)
    newlines = np.flatnonzero(data == _NEWLINE)
    return _records(data, newlines, np.arange(len(newlines)))


def csv_records(text: bytes, line: int = 1) -> Records:
    """The records of RFC 4180: a quoted cell may hold commas, quotes and line breaks.

    line: on which the text begins, for the errors.
    Raises InputRefused where nobody could tell where a row ends: for a quote within an unquoted
    cell, for text after a closing quote, and for a carriage return without a line feed.
    """
    data = np.frombuffer(text, np.uint8)
    newlines = np.flatnonzero(data == _NEWLINE)
    quotes = _quotes(text, data)
    ending = np.flatnonzero(~_inside(quotes, newlines))
    _require_closed_lines(text, data, quotes, newlines, line)
    _require_whole_cells(data, quotes, newlines, line)
    return _records(data, newlines[ending], ending)


def is_open(text: bytes) -> bool:
    """Whether a CSV text ends within a quoted cell."""
    return text.count(b'"') % 2 == 1


def _records(data: NDArray[np.uint8], ends: Positions, ending: Positions) -> Records:
    """ending: of each record, the number of the line feed that ends it."""
    starts = np.concatenate([np.zeros(1, np.intp), ends + 1])
    lines = np.concatenate([np.zeros(1, np.intp), ending + 1])
    used, used_lines = int(starts[-1]), int(lines[-1])
    starts, lines = starts[:-1], lines[:-1]
    lengths = ends - starts
    blank = (lengths == 0) | ((lengths == 1) & (data[starts] == _RETURN))
    return Records(starts[~blank], ends[~blank], lines[~blank], used, used_lines)


def _quotes(text: bytes, data: NDArray[np.uint8]) -> Positions:
    return np.flatnonzero(data == _QUOTE) if b'"' in text else np.zeros(0, np.intp)


def _inside(quotes: Positions, positions: Positions) -> NDArray[np.bool_]:
    """Whether each position lies in a quoted cell: behind an odd number of quotes."""
    inside: NDArray[np.bool_] = np.searchsorted(quotes, positions) % 2 == 1
    return inside


def _require_closed_lines(
    text: bytes, data: NDArray[np.uint8], quotes: Positions, newlines: Positions, line: int
) -> None:
    if b"\r" not in text:
        return
    returns = np.flatnonzero(data == _RETURN)
    returns = returns[~_inside(quotes, returns) & (returns < len(data) - 1)]
    alone = returns[data[returns + 1] != _NEWLINE]
    if len(alone):
        at = line + int(np.searchsorted(newlines, alone[0]))
        raise InputRefused("a carriage return without a line feed. End lines with a line feed", at)


def _require_whole_cells(
    data: NDArray[np.uint8], quotes: Positions, newlines: Positions, line: int
) -> None:
    """Every quote opens a cell, closes one, or is one of two that stand for one."""
    if not len(quotes):
        return
    opening, closing = quotes[::2], quotes[1::2]
    before = data[np.maximum(opening - 1, 0)]
    begins = (opening == 0) | np.isin(before, [_COMMA, _NEWLINE, _QUOTE])
    after = data[np.minimum(closing + 1, len(data) - 1)]
    finishes = (closing == len(data) - 1) | np.isin(after, [_COMMA, _NEWLINE, _RETURN, _QUOTE])
    wrong = np.concatenate([opening[~begins], closing[~finishes]])
    if len(wrong):
        at = line + int(np.searchsorted(newlines, wrong.min()))
        raise InputRefused(
            "a quote that neither opens nor closes a cell. Quote the whole cell, and double each"
            " quote in it",
            at,
        )
