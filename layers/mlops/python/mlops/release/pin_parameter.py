"""The template's parameter for the pins of all models, and what it says of each."""

from collections.abc import Mapping

from mlops.errors import PinInvalid
from mlops.inference.version import parse_pins

PINS = "Pins"
_OF_MODEL = f"{PINS} of "


def split_pins(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return a stack's parameters with one for each model in place of that for all.

    Pins that cannot be read stay as they are.
    """
    try:
        pins = parse_pins(parameters.get(PINS, ""))
    except PinInvalid:
        return dict(parameters)
    others = {name: value for name, value in parameters.items() if name != PINS}
    return others | {f"{_OF_MODEL}{pin.version.model}": str(pin) for pin in pins}


def find_models(*split: Mapping[str, str]) -> dict[str, str]:
    """Return the models that parameters pin, by the names that `split_pins` gives these."""
    names = sorted({name for it in split for name in it})
    models = {name: name.removeprefix(_OF_MODEL) for name in names if name.startswith(_OF_MODEL)}
    return models | {name: "any model" for name in names if name == PINS}
