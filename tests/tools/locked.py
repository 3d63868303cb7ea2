"""Run a command while no other process runs one under the same lock.

The Makefile sets up environments and the first model this way, before there is any package. The
lock ends with the last process that the command has started, however they end.
"""

import fcntl
import os
import sys
from pathlib import Path


def main() -> None:
    lock, *command = sys.argv[1:]
    try:
        Path(lock).parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        sys.exit(f"{lock} cannot be written ({error.strerror}); make this folder writable")
    os.set_inheritable(handle, True)
    _wait_for(handle)
    os.execvp(command[0], command)  # noqa: S606 -- what the Makefile names


def _wait_for(handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Another make is setting up this folder. Waiting until it is done ...", flush=True)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except KeyboardInterrupt:
            sys.exit(130)
    except OSError:
        pass  # a file system without locks: then it is up to the user to run make only once


if __name__ == "__main__":
    main()
