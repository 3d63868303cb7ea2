"""Each identity has a name of its own, which can own batch jobs."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from functions.api.callers import MAX_NAME, identify_by_gateway
from mlops.batch.job import OWNER

IDENTITIES = st.tuples(st.sampled_from(["iam", "jwt"]), st.text(st.characters(), min_size=1))


def name_of(kind: str, identity: str) -> str:
    authorizer: dict[str, Any] = {"iam": {"userArn": identity}}
    if kind == "jwt":
        authorizer = {"jwt": {"claims": {"sub": identity}}}
    return identify_by_gateway({"aws.event": {"requestContext": {"authorizer": authorizer}}})


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(one=IDENTITIES, other=IDENTITIES)
def test_two_identities_never_share_a_name(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (name_of(*one) == name_of(*other)) == (one == other)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(one=IDENTITIES)
def test_a_name_can_own_jobs_and_tells_its_kind(one: tuple[str, str]) -> None:
    name = name_of(*one)
    assert OWNER.fullmatch(name)
    assert name.startswith((f"{one[0]}:", f"{one[0]}-sha256:"))


def test_a_name_is_no_longer_than_an_owner_may_be() -> None:
    assert OWNER.fullmatch("x" * MAX_NAME)
    assert not OWNER.fullmatch("x" * (MAX_NAME + 1))


def test_no_identity_can_take_the_name_of_a_long_one() -> None:
    long = name_of("jwt", "s" * 1000)
    assert name_of("jwt", long) != long
    assert name_of("jwt", long.partition(":")[2]) != long
