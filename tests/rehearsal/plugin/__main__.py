import importlib
import importlib.metadata
import sys
from typing import Final

from tests.rehearsal.plugin import access, executions, functions, images, stacks
from tests.rehearsal.plugin.patches import install, needs, problems

VERSION: Final = "1.5.33"
# Importing them has registered what they replace.
PARTS: Final = (access, executions, functions, images, stacks)

needs(access.APP, "main", "()")


def main() -> None:
    if (found := importlib.metadata.version("ministack")) != VERSION:
        sys.exit(f"MiniStack is {found}, and the plugin was written for {VERSION}")
    if changed := problems():
        sys.exit("\n".join(["MiniStack has changed:", *changed]))
    install()
    importlib.import_module(access.APP).main()


if __name__ == "__main__":
    main()
