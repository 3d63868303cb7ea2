"""A process that registers candidates: `python -m tests.integration.writer STORE NAME COUNT`.

It stops before its first creation and before its first replacement, says which, and goes on after
a line of input; so two of them can be made to write at the same moment, knowing the same. At the
end it prints the pins of its candidates.
"""

import sys

from mlops.bootstrap import open_objects
from mlops.registry.pausing import jittered_pause
from mlops.registry.registry import Registry
from tests.unit.fakes import WatchedObjects
from tests.unit.inference.building import candidate, provenance

STOPS = ("create", "replace")


def main(store: str, name: str, count: str) -> None:
    stops = list(STOPS)

    def before(operation: str, key: str) -> None:
        if stops[:1] == [operation]:
            stops.pop(0)
            say(operation)
            sys.stdin.readline()

    registry = Registry(WatchedObjects(open_objects(store), before), jittered_pause)
    for number in range(int(count)):
        say(str(registry.register_next("churn", candidate(f"{name} {number}"), provenance())))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
