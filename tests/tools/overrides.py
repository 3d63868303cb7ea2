"""The template's parameters as samconfig.toml sets them, for `xargs -0 sam deploy`.

Those that are named on the command line, `Name=value`, take the place of the file's. An option of
`sam deploy` replaces the file's whole list, and nothing has to be quoted between two NUL bytes.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from mlops.cli.samconfig import Samconfig

SAMCONFIG = Path(__file__).resolve().parent.parent.parent / "samconfig.toml"


def merged(overrides: Iterable[str], others: Iterable[str]) -> list[str]:
    """All of both; of a parameter that both name, the other. One without a value is left out."""
    given = [other for other in others if other.partition("=")[2]]
    names = {other.partition("=")[0] for other in given}
    return [text for text in overrides if text.partition("=")[0] not in names] + given


if __name__ == "__main__":
    for override in merged(Samconfig.read(SAMCONFIG).overrides(), sys.argv[1:]):
        sys.stdout.write(f"{override}\0")
