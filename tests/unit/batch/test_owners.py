"""Each owner has a folder of uploads that no other owner has."""

import re
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.batch.job import OWNER, folder_of

NAMES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=256)
LONG = "iam:arn:aws:sts::123456789012:assumed-role/" + "r" * 200


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(one=NAMES, other=NAMES | st.just(LONG))
def test_two_owners_never_share_a_folder(one: str, other: str) -> None:
    assert (folder_of(one) == folder_of(other)) == (one == other)


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(name=NAMES)
def test_a_folder_fits_into_a_key_and_onto_a_disk(name: str) -> None:
    assert OWNER.fullmatch(name)
    assert re.fullmatch("[A-Za-z0-9_=-]{1,200}", folder_of(name))


@pytest.mark.parametrize("prefix", ["", "sha256-", "=sha256-", "sha256:", "iam-sha256:"])
def test_no_owner_can_take_the_folder_of_a_long_name(prefix: str) -> None:
    digest = sha256(LONG.encode()).hexdigest()
    assert folder_of(LONG) == f"=sha256-{digest}"
    assert folder_of(prefix + digest) != folder_of(LONG)


def test_a_name_of_exactly_the_limit_is_not_replaced() -> None:
    assert folder_of("a" * 200) == "a" * 200
    assert folder_of("a" * 201).startswith("=sha256-")
    assert folder_of("/" * 66 + "aa") == "=2f" * 66 + "aa"
    assert folder_of("/" * 67).startswith("=sha256-")
