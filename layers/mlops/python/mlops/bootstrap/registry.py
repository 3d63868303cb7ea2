"""Wiring of the registry."""

from mlops.bootstrap import open_objects
from mlops.registry.pausing import jittered_pause
from mlops.registry.registry import Registry


def open_registry(location: str) -> Registry:
    return Registry(open_objects(location, patient=True), pause=jittered_pause)
