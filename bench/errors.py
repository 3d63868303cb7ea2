"""Why there is no figure."""

CLOSE = 2e-6
"""How far two answers of six decimals may lie apart."""


class Unequal(Exception):
    """Somebody answers something else than the model does."""


class NotMeasured(Exception):
    """Says why."""


def require_close(name: str, answer: float, expected: float) -> None:
    """Raises Unequal, also where one of them is no number."""
    if not abs(answer - expected) <= CLOSE:
        raise Unequal(f"{name} answers {answer} instead of {expected}")
