"""The models of one release: what is pinned, loaded once, kept for the life of the process."""

from collections.abc import Iterator, Sequence

from mlops.errors import ModelNotFound
from mlops.inference.loading import ModelLoader, ServedModel
from mlops.inference.version import Pin


class PinnedModels:
    """A model is loaded at its first use.

    What could not be loaded is tried again at the next use: an outage of the store must not
    outlive itself in a process that stays warm.
    """

    def __init__(self, pins: Sequence[Pin], loader: ModelLoader) -> None:
        self._pins = {pin.version.model: pin for pin in pins}
        self._loader = loader
        self._loaded: dict[str, ServedModel] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._pins)

    def __len__(self) -> int:
        return len(self._pins)

    def get(self, model: str) -> ServedModel:
        """Raises ModelNotFound where none is pinned, and whatever `ModelLoader.load` raises."""
        served = self._loaded.get(model)
        if served is None:
            pin = self._pins.get(model)
            if pin is None:
                raise ModelNotFound(model, tuple(self._pins))
            served = self._loaded[model] = self._loader.load(pin)
        return served
