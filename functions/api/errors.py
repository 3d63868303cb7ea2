"""Errors of the API itself; those of the layers below have their classes in `mlops.errors`."""

from mlops.errors import MlopsError


class BodyTooLarge(Exception):
    pass


class UnsupportedMediaType(Exception):
    pass


class UnsupportedCoding(Exception):
    """The body is compressed."""


class RequestUnreadable(Exception):
    """What came is not an HTTP request that can be read."""


class BatchUnavailable(MlopsError):
    """The store or the queue cannot be used, or is not set up."""


class CallerUnknown(MlopsError):
    """The request does not say who sends it."""
