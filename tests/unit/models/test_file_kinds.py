"""What a file is by its first bytes."""

import bz2
import gzip
import io
import lzma
import pickle
import zipfile

import pytest

from mlops.models.file_kinds import json_shape, recognize

TEXT = "customer_id,tenure,monthly_charges\nC1,1,20.5\nC2,2,20.5\n"


def zipped(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, "x")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (gzip.compress(TEXT.encode()), "compressed with gzip"),
        (bz2.compress(TEXT.encode()), "compressed with bzip2"),
        (lzma.compress(TEXT.encode()), "compressed with xz"),
        (b"\x28\xb5\x2f\xfd\x04\x58", "compressed with zstd"),
        (zipped("[Content_Types].xml"), "an Excel workbook (.xlsx)"),
        (zipped("customers.csv"), "a ZIP archive"),
        (pickle.dumps({"a": 1}), "a Python pickle"),
        (b"\n<!DOCTYPE html><html>", "an HTML or XML page"),
        (b"ORC\n\x16\x00", "an ORC file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (TEXT.encode("utf-16"), "UTF-16"),
        (TEXT.encode("utf-16-le"), "UTF-16 (without a byte order mark)"),
        (TEXT.encode("utf-16-be"), "UTF-16 (without a byte order mark)"),
        (TEXT.encode("utf-32"), "UTF-32"),
        (TEXT.encode("utf-32-le"), "UTF-32 (without a byte order mark)"),
        (TEXT.encode("utf-32-be"), "UTF-32 (without a byte order mark)"),
    ],
)
def test_a_file_that_is_no_text_is_recognized(content: bytes, kind: str) -> None:
    assert (recognize(content) or "").startswith(kind)


@pytest.mark.parametrize(
    "text",
    [TEXT, "", "a", "ORCID,customer_id\n", "Obj,a\n", "BZh,a\n", "PK,a\n", "\ufeffa,b", "é" * 50],
)
def test_text_is_not_taken_for_another_kind(text: str) -> None:
    assert recognize(text.encode()) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"a": 1}]', "The input is one JSON array"),
        ('\n [\n {"a": 1}\n]', "The input is one JSON array"),
        ('[\n\t{"a": 1},\n\t{"a": 2}\n]\n', "The input is one JSON array"),
        ('[{"a": 1},\n{"a": 2}]\n', "The input is one JSON array"),
        ('[["a"]\n,["b"]]\n', "The input is one JSON array"),
        ('["a"]\n', "The input is one JSON array"),
        ('{\n "a": 1\n}', "The input is a JSON object that goes over several lines"),
        ('{"a":{"0":"x"}}', "The input is one JSON object that holds a table"),
        ('{"columns":["a"],"data":[[1]]}', "The input is one JSON object that holds a table"),
    ],
)
def test_json_of_another_shape_is_named(text: str, reason: str) -> None:
    assert (json_shape(text.encode()) or "").startswith(reason)


@pytest.mark.parametrize("text", ['{"a": 1}\n{"a": 2}\n', '["a", 1]\n["b", 2]\n', "a,b\n", ""])
def test_json_lines_have_the_right_shape(text: str) -> None:
    assert json_shape(text.encode()) is None
