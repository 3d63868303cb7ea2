"""`make not-older`: refuse to deploy a commit that is older than the one that is deployed.

Whichever run of CI ends its tests last deploys last, and a job of an old run may be run again weeks
later. Either would take newer code and newer pins back, and nobody would notice.
"""

import os
import subprocess
import sys
from pathlib import Path

from mlops.bootstrap.releases import find_stack
from mlops.errors import MlopsError, StackNotFound

ROOT = Path(__file__).resolve().parent.parent.parent
ALLOWED = "ALLOW_OLDER"


class Older(Exception):
    """What is checked out is older than what is deployed."""


def compared(folder: Path, deployed: str, allowed: str) -> str:
    """How the commit that is checked out in a folder stands to the deployed one. Raises Older.

    allowed: a commit that may be deployed although it is older; another one does not count, so a
    setting that was forgotten lets no other one pass.
    """
    here = _git(folder, "rev-parse", "HEAD").stdout.strip()
    if not here:
        return "It is not known whether this is older: there is no commit here."
    # What was deployed with `-dirty` is a commit and more; git has no such name.
    name = f"{deployed}^{{commit}}"
    known = _git(folder, "rev-parse", "--quiet", "--verify", "--end-of-options", name)
    if known.returncode != 0:
        why = f"git knows no {deployed}" if deployed else "the stack names no commit"
        return f"It is not known whether {here} is older than what is deployed: {why}."
    if known.stdout.strip() == here:
        return f"{here} is deployed already."
    if _git(folder, "merge-base", "--is-ancestor", here, deployed).returncode != 0:
        return f"{here} is not older than {deployed}, which is deployed."
    if allowed == here:
        return f"{here} is older than {deployed}, which is deployed; {ALLOWED} lets it pass."
    raise Older(
        f"{here} is older than {deployed}, which is deployed: its code and pins would come back."
        f" To go back, commit a revert. To deploy this one all the same: {ALLOWED}={here}"
    )


def _git(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def main(stack: str) -> str:
    """Raises Older, CloudUnavailable."""
    try:
        deployed = find_stack(stack).parameters.get("CodeSha", "")
    except StackNotFound as error:
        return f"Nothing is deployed yet: {error}"
    return compared(ROOT, deployed, os.environ.get(ALLOWED, "").strip())


if __name__ == "__main__":
    (name,) = sys.argv[1:]
    try:
        sys.stdout.write(f"{main(name)}\n")
    except (Older, MlopsError) as error:
        sys.exit(str(error))
