"""What a file is by its first bytes."""

import bz2
import gzip
import io
import lzma
import pickle
import zipfile
import zlib

import pytest

from mlops.models.file_kinds import is_binary, is_table, json_shape, recognize

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
        (zipped("opendocument"), "an OpenDocument file"),
        *((zlib.compress(TEXT.encode(), level), "compressed with zlib") for level in (0, 2, 6, 9)),
        (zlib.compress(TEXT.encode() * 9_000)[:4096], "compressed with zlib"),
        (pickle.dumps({"a": 1}), "a Python pickle"),
        (b"\xff\xff\xff\xff\x10\x01", "an Arrow stream"),
        (b"MATLAB 5.0 MAT-file, Platform: GLNXA64", "a MATLAB file"),
        (b"$FL2@(#) SPSS DATA FILE", "an SPSS file"),
        (b"<stata_dta><header>", "a Stata file"),
        (b"\0" * 12 + b"\xc2\xea\x81\x60\xb3\x14", "a SAS file"),
        (b"Salted__\x01\x02", "encrypted with OpenSSL"),
        (b"-----BEGIN PGP MESSAGE-----\n", "encrypted with PGP"),
        (b"{\\rtf1\\ansi", "a rich text document (.rtf)"),
        (b"\x89PNG\r\n\x1a\n\0\0", "a PNG image"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG image"),
        (b"\n<!DOCTYPE html><html>", "an HTML or XML page"),
        (b"\xef\xbb\xbf<HTML lang=en>", "an HTML or XML page"),
        (b"<!-- saved --><table>", "an HTML or XML page"),
        (b"<Error><Code>AccessDenied</Code></Error>", "an HTML or XML page"),
        (b'<table class="a">\n<tr><td>1</td>', "an HTML or XML page"),
        (b"ORC\n\x16\x00", "an ORC file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (TEXT.encode("utf-16"), "UTF-16"),
        (TEXT.encode("utf-16-le"), "UTF-16 (without a byte order mark)"),
        (TEXT.encode("utf-16-be"), "UTF-16 (without a byte order mark)"),
        (TEXT.encode("utf-32"), "UTF-32"),
        (TEXT.encode("utf-32-le"), "UTF-32 (without a byte order mark)"),
        (TEXT.encode("utf-32-be"), "UTF-32 (without a byte order mark)"),
        *((TEXT.encode(code), "EBCDIC") for code in ("cp037", "cp500", "cp1140")),
        (TEXT.replace("\n", "\x85").encode("cp037"), "EBCDIC"),
        ('{"customer_id": "C1", "tenure": 1}'.encode("cp037"), "EBCDIC"),
    ],
)
def test_a_file_that_is_no_text_is_recognized(content: bytes, kind: str) -> None:
    assert (recognize(content) or "").startswith(kind)


@pytest.mark.parametrize(
    "text",
    [
        *(
            TEXT,
            "",
            "a",
            "ORCID,customer_id\n",
            "Obj,a\n",
            "BZh,a\n",
            "PK,a\n",
            "\ufeffa,b",
            "é" * 50,
        ),
        *("x^,customer_id\n", "x^2,y\n1,2\n", "x\x01y", "xڜ,a\n", "x^"),
        *("<none>,a\n1,2\n", "<", "<b", "a,b\n<p>x</p>,1\n"),
        *("идентификатор,тариф\n" * 9, "顧客番号,月額\n" * 9, "ÃÉ" * 9, "😀" * 9),
    ],
)
def test_text_is_not_taken_for_another_kind(text: str) -> None:
    assert recognize(text.encode()) is None


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_text_is_not_taken_for_another_kind_where_its_last_character_is_cut(cut: int) -> None:
    assert recognize(("ÃÉ" * 40 + "😀").encode()[:-cut]) is None


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Id;Größe;Menge\n" * 9, "cp1252"),
        *(("идентификатор,тариф\n" * 9, encoding) for encoding in ("cp1251", "koi8-r", "cp866")),
        *(("顧客番号,月額\n" * 9, encoding) for encoding in ("shift-jis", "euc-jp")),
        ("客户编号,月费\n" * 9, "gb18030"),
    ],
)
def test_other_encodings_are_not_taken_for_ebcdic(text: str, encoding: str) -> None:
    assert recognize(text.encode(encoding)) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"a": 1}]', "The input is one JSON array"),
        ('\n [\n {"a": 1}\n]', "The input is one JSON array"),
        ('[\n\t{"a": 1},\n\t{"a": 2}\n]\n', "The input is one JSON array"),
        ('[{"a": 1},\n{"a": 2}]\n', "The input is one JSON array"),
        ('[["a"]\n,["b"]]\n', "The input is one JSON array"),
        ('["a"]\n', "The input is one JSON array"),
        ('{"a": 1},\n{"a": 2},\n{"a": 3}\n', "The lines end with commas"),
        ('{"a": 1}, \r\n{"a": 2},\r\n', "The lines end with commas"),
        ('{\n "a": 1\n}', "The input is a JSON object that goes over several lines"),
        ('{"a":{"0":"x"}}', "The input is one JSON object that holds a table"),
        ('{"columns":["a"],"data":[[1]]}', "The input is one JSON object that holds a table"),
    ],
)
def test_json_of_another_shape_is_named(text: str, reason: str) -> None:
    assert (json_shape(text.encode()) or "").startswith(reason)


@pytest.mark.parametrize(
    "text",
    [
        *('{"a": 1}\n{"a": 2}\n', '["a", 1]\n["b", 2]\n', "a,b\n", ""),
        *('{"a": 1},\n{"a": 2}\n', '{"a": 1}\n{"a": 2},\n', "a,\nb,\n"),
    ],
)
def test_json_lines_have_the_right_shape(text: str) -> None:
    assert json_shape(text.encode()) is None


@pytest.mark.parametrize("line", [b"a\0b", b"\x89\x01PNG", b"]\0\0", b"\x05\xff" * 9])
def test_a_line_of_binary_data_is_recognized(line: bytes) -> None:
    assert is_binary(line)


@pytest.mark.parametrize(
    "line", [b"", b"a,b", b"a\x01b", "Größe;x\t".encode("cp1252"), "é".encode()[:1]]
)
def test_a_line_of_text_in_any_encoding_is_no_binary_data(line: bytes) -> None:
    assert not is_binary(line)


@pytest.mark.parametrize(
    ("row", "table"),
    [
        ({"Items": [{"a": 1}], "Count": 1}, True),
        ({"a": {"0": 1}, "b": {"0": 2}}, True),
        ({"rows": [], "n": 0}, True),
        ({"a": [1, 2], "b": 1}, False),
        ({"a": [{"b": 1}, 2], "c": 1}, False),
        ({"a": {"b": 1}, "c": 1}, False),
        ({"a": 1}, False),
        ({}, False),
    ],
)
def test_an_object_that_holds_many_rows_is_a_table(row: dict[str, object], table: bool) -> None:
    assert is_table(row) is table
