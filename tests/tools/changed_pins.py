"""`make changed-pins`: the pins that a change would release, as a table in Markdown.

They are those in samconfig.toml here against those at a commit, such as the branch it goes to.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from mlops.cli.samconfig import Samconfig
from mlops.inference.version import Pin

SAMCONFIG = "samconfig.toml"
NONE = "-"


def table(before: list[Pin], now: list[Pin]) -> str:
    """One row for each model whose pin differs."""
    old, new = ({pin.version.model: pin for pin in pins} for pins in (before, now))
    changed = sorted(model for model in old | new if old.get(model) != new.get(model))
    if not changed:
        return "No pin changes.\n"
    rows = [f"| {model} | {_cell(old.get(model))} | {_cell(new.get(model))} |" for model in changed]
    return "\n".join(
        ["| model | pinned now | with this change |", "| --- | --- | --- |", *rows, ""]
    )


def pins_at(commit: str, folder: Path) -> list[Pin] | None:
    """None where the commit, or the file in it, is not there."""
    shown = subprocess.run(
        ["git", "show", f"{commit}:{SAMCONFIG}"], cwd=folder, capture_output=True, check=False
    )
    if shown.returncode != 0:
        return None
    with tempfile.NamedTemporaryFile() as file:
        file.write(shown.stdout)
        file.flush()
        return Samconfig.read(Path(file.name)).pins()


def summary(commit: str, folder: Path) -> str:
    before = pins_at(commit, folder)
    now = Samconfig.read(folder / SAMCONFIG).pins()
    if before is None:
        return f"Compared with nothing, since there is no {SAMCONFIG} at {commit}.\n\n" + table(
            [], now
        )
    return table(before, now)


def _cell(pin: Pin | None) -> str:
    return NONE if pin is None else f"`{pin}`"


if __name__ == "__main__":
    (base,) = sys.argv[1:]
    print(summary(base, Path(__file__).resolve().parent.parent.parent), end="")
