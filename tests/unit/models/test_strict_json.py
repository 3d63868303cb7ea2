import pytest

from mlops.errors import MalformedJson
from mlops.models.strict_json import parse, parse_finite, parse_line


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": [1, -2.5e3, "\\u00e9", true, null]}', {"a": [1, -2500.0, "é", True, None]}),
        (b" 7\n", 7),
        (b'{"a": {"x": 1}, "b": {"x": 2}}', {"a": {"x": 1}, "b": {"x": 2}}),
        (b'"\\ud83d\\ude00"', "😀"),
        (b"9" * 400, int("9" * 400)),
        # Grammatical, so it is for the contract to refuse.
        (b"[1e999, -1e999]", [float("inf"), float("-inf")]),
    ],
)
def test_standard_json_is_read(text: bytes, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"{}{}",
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": 1, "a": 1}',
        b'{"x": {"a": 1, "\\u0061": 2}}',
        b'"\\ud800"',
        b'"\xed\xa0\x80"',
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        b'"a\nb"',
        b"[" * 100_000,
        b"9" * 10_000,
        b"01",
    ],
    ids=lambda text: repr(text[:20]),
)
def test_everything_else_is_malformed(text: bytes) -> None:
    with pytest.raises(MalformedJson):
        parse(text)


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("n" * 5_000, "n" * 64), ("é" * 5_000, "é" * 64), (r"\n" * 5_000, r"\n" * 32)],
    ids=["ascii", "not ascii", "escaped"],
)
def test_a_quoted_name_is_cut(name: str, quoted: str) -> None:
    pair = f'"{name}": 1'
    with pytest.raises(MalformedJson) as caught:
        parse(f"{{{pair}, {pair}}}".encode())
    assert f'"{quoted}"' in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "text", [b'{"tenure": 24,}', b'{"tenure" 24}', b'{" at line 1 column 7": 1, "a": 01}']
)
def test_an_error_in_a_line_names_its_column_alone(text: bytes) -> None:
    with pytest.raises(MalformedJson) as whole:
        parse(text)
    with pytest.raises(MalformedJson, match=r" at column \d+$") as line:
        parse_line(text)
    assert str(line.value).rpartition(" ")[2] == str(whole.value).rpartition(" ")[2]


def test_a_number_that_becomes_infinite_is_refused_where_all_have_to_be_finite() -> None:
    assert parse_finite(b'{"a": [1e300, -7]}') == {"a": [1e300, -7]}
    for text in (b"1e999", b'{"a": [1, {"b": -1e999}]}'):
        with pytest.raises(MalformedJson, match="too large"):
            parse_finite(text)
