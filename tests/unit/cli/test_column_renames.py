"""Columns that a user renames or leaves out."""

from pathlib import Path

import pytest
import typer

from mlops.cli.column_renames import read_renames
from mlops.errors import ConfigInvalid


def test_options_name_columns_and_their_fields() -> None:
    found = read_renames(["customerID=customer_id", "a=b=c"], ["Churn"], None)
    assert found == {"customerID": "customer_id", "a=b": "c", "Churn": None}


@pytest.mark.parametrize(
    "text",
    [
        '{"customerID": "customer_id", "Churn": null, "Note": ""}',
        'customerID,customer_id\nChurn,\n\n"Note",""\n',
        "\ufeffcustomerID,customer_id\r\nChurn,\r\nNote,\r\n",
    ],
)
def test_a_file_maps_columns_to_fields_and_options_win(tmp_path: Path, text: str) -> None:
    file = tmp_path / "names"
    file.write_bytes(text.encode())
    mapping = {"customerID": "customer_id", "Churn": None, "Note": None}
    assert read_renames([], [], file) == mapping
    assert read_renames(["Note=gender"], [], file) == mapping | {"Note": "gender"}


@pytest.mark.parametrize("option", ["customerID", "=customer_id", "customerID="])
def test_an_option_that_is_no_pair_is_refused(option: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not COLUMN=FIELD. For example"):
        read_renames([option], [], None)


def test_two_meanings_of_a_column_are_refused() -> None:
    with pytest.raises(typer.BadParameter, match="Give it once"):
        read_renames(["a=tenure"], ["a"], None)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"a": 1}', "is no mapping of columns"),
        (b'{"a": ', "is no mapping of columns"),
        (b'{"a": ' * 100_000, "is no mapping of columns"),
        (b'{"a": "tenure", "a": null}', "is no mapping of columns"),
        (b"a,b,c\n", "line 1 has 3 cells, not 2"),
        (b'"a,b\n', "is no mapping of columns"),
        (b"\xff", "is not UTF-8"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "names"
    file.write_bytes(content)
    with pytest.raises(ConfigInvalid, match=reason):
        read_renames([], [], file)
