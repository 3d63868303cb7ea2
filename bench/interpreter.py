"""How the processes that are measured run Python."""

from collections.abc import Mapping
from pathlib import Path

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""The image's setting, for all alike: more threads would only wait for each other."""
COMPILED = {"PYTHONOPTIMIZE": "2", "PYTHONNODEBUGRANGES": "1"}
"""The image's setting, for what runs in its environment: ours, and the floors."""

# Who sets these for his own work would have everything compiled anew at each start.
_UNKEPT = {"PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", *COMPILED}


def settings(inherited: Mapping[str, str], *, bytecode: Path | None) -> dict[str, str]:
    """bytecode: where it is kept, compiled as in the image; None where it is compiled as usual."""
    kept = {name: value for name, value in inherited.items() if name not in _UNKEPT}
    compiled = COMPILED | {"PYTHONPYCACHEPREFIX": str(bytecode)} if bytecode else {}
    return kept | ONE_THREAD | compiled
