"""What a file is, told by its first bytes: people give files of one kind the name of another."""

import codecs
import re
import zlib

from mlops.errors import MalformedJson
from mlops.models.strict_json import parse

HEAD = 4096
"""Bytes that are enough to tell."""

GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"

_MAGIC = (
    (GZIP, "compressed with gzip"),
    (PARQUET, "Parquet"),
    (b"PARE", "encrypted Parquet"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook (.xls)"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"\xfd7zXZ\x00", "compressed with xz"),
    (b"\x04\x22\x4d\x18", "compressed with lz4"),
    (b"\x1f\x9d", "compressed with compress (.Z)"),
    (b"\xff\x06\x00\x00sNaPpY", "compressed with Snappy"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"ARROW1\x00\x00", "an Arrow file (Feather)"),
    (b"\xff\xff\xff\xff", "an Arrow stream"),
    (b"FEA1", "a Feather file"),
    (b"Obj\x01", "an Avro file"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file"),
    (b"$FL2", "an SPSS file"),
    (b"<stata_dta>", "a Stata file"),
    (b"\0" * 12 + b"\xc2\xea\x81\x60", "a SAS file"),
    (b"Salted__", "encrypted with OpenSSL"),
    (b"-----BEGIN PGP MESSAGE", "encrypted with PGP"),
    (b"{\\rtf", "a rich text document (.rtf)"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF-", "a PDF document"),
    (b"version https://git-lfs", "a pointer of Git LFS: fetch the file itself with `git lfs pull`"),
)
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
# A header may begin with these letters, and has no control characters.
_ORC = re.compile(rb"ORC[\t\n\r\x20-\xff]{0,64}[\x00-\x08\x0b\x0c\x0e-\x1f]")
_BZIP2 = re.compile(rb"BZh[1-9]1AY&SY")
# The name of a column may begin with `<`, but no header holds the end of an element.
_MARKUP = re.compile(
    rb"(\xef\xbb\xbf)?\s*<(!doctype|!--|html|\?xml|[a-z][^<>]*>.*</)", re.IGNORECASE | re.DOTALL
)
_ZLIB = (b"x\x01", b"x^", b"x\x9c", b"x\xda")
_TAR = slice(257, 262), b"ustar"
_NAMED_UTF_32 = (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")
_NAMED_UTF_16 = (b"\xff\xfe", b"\xfe\xff")

_EBCDIC_SIGNS = " ,;.:_-/'\"{}\n\r\t\x85"
"""What text holds besides letters and digits. The last one ends a line."""

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
BINARY = "binary data"
"""What a file is that is of no known kind, and no text either."""

_TABLE = re.compile(rb'\{\s*"[^"\\]*"\s*:\s*[\[{]')
_ARRAY = "The input is one JSON array. Write one object a line"
_NESTED = (
    "The input is one JSON object that holds a table. Write one object for each row, one a line"
)
_SPREAD = "The input is a JSON object that goes over several lines. Write each object on one line"
_COMMAS = "The lines end with commas, as in a JSON array. Write one object a line, without commas"
PANDAS = '(in pandas: to_json(path, orient="records", lines=True))'


def recognize(head: bytes) -> str | None:
    """Return what a file is in words, or None if it may be text in UTF-8.

    The words complete the sentence "The input is ...".
    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        if b"[Content_Types].xml" in head or b"xl/" in head:
            return "an Excel workbook (.xlsx)"
        return "an OpenDocument file" if b"opendocument" in head else "a ZIP archive"
    for pattern, kind in (
        (_PICKLE, "a Python pickle"),
        (_BZIP2, "compressed with bzip2"),
        (_ORC, "an ORC file"),
        (_MARKUP, "an HTML or XML page"),
    ):
        if pattern.match(head):
            return kind
    place, mark = _TAR
    if head[place] == mark:
        return "a tar archive"
    if _is_zlib(head):
        return "compressed with zlib"
    return "EBCDIC" if _is_ebcdic(head) else _wide_text(head)


def _is_zlib(head: bytes) -> bool:
    """Whether the bytes begin a zlib stream. Text may begin as one does, but cannot be inflated."""
    if not head.startswith(_ZLIB):
        return False
    try:
        return bool(zlib.decompressobj().decompress(head, HEAD))
    except zlib.error:
        return False


def _is_ebcdic(head: bytes) -> bool:
    """Whether the bytes are text of a mainframe, whose letters and digits are all above ASCII."""
    if _is_utf8(head):
        return False
    text = head.decode("cp037")
    alphanumeric = sum(letter.isascii() and letter.isalnum() for letter in text)
    others = sum(map(text.count, _EBCDIC_SIGNS))
    return alphanumeric > len(text) / 2 and alphanumeric + others > 0.9 * len(text)


def is_binary(line: bytes) -> bool:
    """Whether the first line of a file shows that it is no text, in whatever encoding."""
    return b"\0" in line or (_CONTROL.search(line) is not None and not _is_utf8(line))


def _is_utf8(head: bytes) -> bool:
    """Whether the bytes are the beginning of a text in UTF-8; its last character may be cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _wide_text(head: bytes) -> str | None:
    """Text of which each character takes two or four bytes; most of these are NUL."""
    if head.startswith(_NAMED_UTF_32):
        return "UTF-32"
    if head.startswith(_NAMED_UTF_16):
        return "UTF-16"
    sample = head[: len(head) // 4 * 4][:400]
    if len(sample) < 8:
        return None
    nul = [sample[place::4].count(0) * 4 / len(sample) for place in range(4)]
    often = [share > 0.6 for share in nul]
    if often in ([False, True, True, True], [True, True, True, False]):
        return "UTF-32 (without a byte order mark)"
    if often in ([False, True, False, True], [True, False, True, False]):
        return "UTF-16 (without a byte order mark)"
    return None


def advise(kind: str) -> str:
    """Return what to do with a file that `recognize` named."""
    if kind.startswith(("UTF-", "EBCDIC")):
        return "Save it as UTF-8"
    if "gzip" in kind:
        return "Give it the format csv.gz or jsonl.gz, or end its name with .gz"
    if kind == "Parquet":
        return "Give it the format parquet, or end its name with .parquet"
    return "Give CSV, JSON lines (both plain or compressed with gzip), or Parquet"


def advise_inside(kind: str) -> str:
    """Return what to do with a file that `recognize` named inside of gzip."""
    if kind in ("compressed with gzip", "Parquet"):
        return "Decompress it once, and submit the file inside"
    return advise(kind)


def find_array(head: bytes) -> str | None:
    """Return what is wrong with a text that is one JSON array, or None for another text.

    Some programs write an array with one object a line. Of these lines the last one alone is JSON,
    since no comma follows it. Lines that each are an array are rows, though not valid ones.
    """
    line, _, rest = head.lstrip().partition(b"\n")
    if line.startswith(b"[") and not (rest.strip() and _is_json(line)):
        return f"{_ARRAY} {PANDAS}"
    if _has_comma(line) and _has_comma(rest.partition(b"\n")[0]):
        return _COMMAS
    return None


def _has_comma(line: bytes) -> bool:
    """Whether a line is JSON but for a comma at its end."""
    text = line.rstrip()
    return text.endswith(b",") and _is_json(text[:-1])


def _is_json(text: bytes) -> bool:
    try:
        parse(text)
    except MalformedJson:
        return False
    return True


def json_shape(head: bytes) -> str | None:
    """Return what is wrong with a JSON text that is not one object a line, or None."""
    if array := find_array(head):
        return array
    text = head.lstrip()
    if text.startswith(b"{"):
        if not text[1:].partition(b"\n")[0].strip():
            return _SPREAD
        if _TABLE.match(text):
            return f"{_NESTED} {PANDAS}"
    return None


def is_table(row: dict[str, object]) -> bool:
    """Whether one JSON object holds many rows, as most of pandas' `orient`s write them."""
    nested = [name for name, value in row.items() if isinstance(value, (dict, list))]
    if any(isinstance(value, list) and value and _are_objects(value) for value in row.values()):
        return True
    return bool(nested) and (len(nested) == len(row) or not {"rows", "data"}.isdisjoint(nested))


def _are_objects(values: list[object]) -> bool:
    return all(isinstance(value, dict) for value in values)


def table_in_object() -> str:
    return f"{_NESTED} {PANDAS}"
