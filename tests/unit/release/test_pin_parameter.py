"""One parameter for the pins of all models, read as one for each."""

from mlops.release.pin_parameter import PINS, find_models, split_pins

CHURN, LOANS = (f"{model}-model-v1.0.0@sha256:{'0' * 64}" for model in ("churn", "loans"))


def test_each_model_has_a_parameter_of_its_own() -> None:
    found = split_pins({PINS: f"{LOANS}, {CHURN}", "Stage": "prod"})
    assert found == {"Stage": "prod", "Pins of loans": LOANS, "Pins of churn": CHURN}
    assert find_models(found, split_pins({PINS: CHURN})) == {
        "Pins of churn": "churn",
        "Pins of loans": "loans",
    }


def test_no_pins_are_none_of_any_model() -> None:
    for none in ({}, {PINS: ""}):
        assert split_pins(none) == {}
    assert find_models({}) == {}


def test_pins_that_cannot_be_read_stay_to_be_named() -> None:
    bad = {PINS: f"{CHURN},latest"}
    assert split_pins(bad) == bad
    assert find_models(bad) == {PINS: "any model"}
