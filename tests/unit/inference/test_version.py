import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.errors import PinInvalid, VersionInvalid
from mlops.inference.manifest import digest_of
from mlops.inference.version import ModelVersion, Pin, parse_pins

NUMBERS = st.integers(0, 999_999_999)
MODELS = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,8}){0,3}", fullmatch=True)
VERSIONS = st.builds(ModelVersion, MODELS, NUMBERS, NUMBERS, NUMBERS)
PINS = st.builds(Pin, VERSIONS, st.binary().map(digest_of))

DIGEST = digest_of(b"")


@settings(deadline=None)
@given(VERSIONS)
def test_a_version_is_read_from_its_text(version: ModelVersion) -> None:
    assert ModelVersion.parse(str(version)) == version


@settings(deadline=None)
@given(PINS)
def test_a_pin_is_read_from_its_text(pin: Pin) -> None:
    assert Pin.parse(str(pin)) == pin


@settings(deadline=None)
@given(
    st.lists(PINS, unique_by=lambda pin: pin.version.model), st.sampled_from([",", " ,\n", ",,"])
)
def test_pins_are_read_from_their_list(pins: list[Pin], comma: str) -> None:
    assert parse_pins(comma.join(map(str, pins))) == tuple(pins)


@settings(deadline=None)
@given(st.text())
def test_other_text_is_neither_version_nor_pin(text: str) -> None:
    with pytest.raises(VersionInvalid):
        ModelVersion.parse(text)
    with pytest.raises(PinInvalid):
        Pin.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "churn",
        "churn-model-v1.0",
        "churn-model-v1.0.0\n",
        " churn-model-v1.0.0",
        "churn-model-v01.0.0",
        "churn-model-v1.0.-1",
        "churn-model-v1.0.0.0",
        "churn-model-1.0.0",
        "Churn-model-v1.0.0",
        "churn--a-model-v1.0.0",
        "-model-v1.0.0",
        "../churn-model-v1.0.0",
        "churn-model-v1.0.\u0661",  # a digit, but not one of ours
        "churn-model-v1\u0661.0.0",
        "churn-model-v1.0." + "9" * 10,
        "churn-model-v1.0." + "9" * 10_000,
    ],
)
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(VersionInvalid) as caught:
        ModelVersion.parse(text)
    assert caught.value.text == text
    with pytest.raises(PinInvalid):
        Pin.parse(f"{text}@{DIGEST}")


@pytest.mark.parametrize(
    "digest",
    ["", "@", DIGEST[:-1], f"{DIGEST}0", DIGEST.upper(), DIGEST[7:], f"{DIGEST}\n", f" {DIGEST}"],
)
def test_what_is_no_digest(digest: str) -> None:
    with pytest.raises(PinInvalid) as caught:
        Pin.parse(f"churn-model-v1.0.0@{digest}")
    assert caught.value.text == f"churn-model-v1.0.0@{digest}"


def test_a_version_alone_is_no_pin() -> None:
    with pytest.raises(PinInvalid):
        Pin.parse("churn-model-v1.0.0")


def test_versions_are_ordered_as_numbers_are() -> None:
    texts = ["a-model-v10.0.0", "churn-model-v1.2.9", "churn-model-v1.10.0", "churn-model-v2.0.0"]
    assert list(map(str, sorted(map(ModelVersion.parse, reversed(texts))))) == texts


def test_the_next_minor_version() -> None:
    assert str(ModelVersion.parse("churn-model-v1.9.3").next_minor()) == "churn-model-v1.10.0"


def test_a_model_is_pinned_once() -> None:
    one, other = f"churn-model-v1.0.0@{DIGEST}", f"churn-model-v1.1.0@{DIGEST}"
    for text in (f"{one},{other}", f"{one},{one}"):
        with pytest.raises(PinInvalid) as caught:
            parse_pins(text)
        assert caught.value.text == text


def test_no_pins() -> None:
    assert parse_pins("") == parse_pins(" , ") == ()
