"""Why the API itself refuses a request; what else may go wrong has its class in `mlops.errors`."""

from mlops.errors import MlopsError


class BodyTooLarge(Exception):
    pass


class UnsupportedMediaType(Exception):
    pass


class BatchUnavailable(MlopsError):
    """Store or queue cannot be used, or were not set up."""


class CallerUnknown(MlopsError):
    """Somebody was let in who has no name."""
