"""Why there is no figure."""


class Unequal(Exception):
    """Somebody answers something else than the model does."""


class NotMeasured(Exception):
    """Says why."""
