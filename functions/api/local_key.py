"""The key that hashes ids in the log of a server on one's own machine."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

FILE = "log-key"


def keep_log_key(folder: Path) -> str:
    """Return the key that is kept in this folder; make one if there is none.

    Only its owner can read the file. With the key kept, the hashes of one customer can be compared
    between two runs of the server. Returns an empty text if the folder cannot be used.
    """
    file = folder / FILE
    with suppress(OSError, UnicodeDecodeError):
        if key := file.read_text().strip():
            return key
    with suppress(OSError, UnicodeDecodeError):
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, prefix=f"{FILE}-")  # readable by its owner only
        os.close(handle)
        Path(name).write_text(os.urandom(32).hex())
        Path(name).replace(file)
        # Another server may have been started at the same time. The last file counts for both.
        return file.read_text()
    return ""
