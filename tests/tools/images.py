"""What becomes of the images between `make build` and a deployment.

archive     `make archive`: write them to files, so that what was built can be taken elsewhere, and
            print the digest of it all: IMAGES_DIGEST=sha256:…
unarchive   `make unarchive`: give them from those files to the engine of this machine, if their
            digest is IMAGES_DIGEST
sbom        `make sbom`: list what is in them, in CycloneDX, one file each
by-digest   in .aws-sam/packaged.yaml, name them by what they are, not by a tag that can be moved
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from mlops.files import write_file

ROOT = Path(__file__).resolve().parent.parent.parent
BUILT = ROOT / ".aws-sam"
TEMPLATE = BUILT / "build" / "template.yaml"
PACKAGED = BUILT / "packaged.yaml"
ARCHIVES = BUILT / "images"
SBOMS = BUILT / "sbom"
SYFT = ROOT / ".tools" / "syft" / "bin" / "syft"

IMAGE = re.compile(r"^(?P<before> *ImageUri: )(?P<image>\S+)$", re.MULTILINE)


def images(template: str) -> list[str]:
    """The images that a template names, each once. Functions may share one."""
    return sorted({match["image"] for match in IMAGE.finditer(template)})


def by_digest(template: str, digests_of: Callable[[str], list[str]]) -> str:
    """The template with the digest of each image in place of its tag.

    digests_of: an image's names with digests, `repository@sha256:…`, one for each repository that
    it was pushed to. Raises LookupError where it was not pushed to the one that is named.
    """

    def replaced(match: re.Match[str]) -> str:
        repository = match["image"].rpartition(":")[0]
        for digest in digests_of(match["image"]):
            if digest.partition("@")[0] == repository:
                return match["before"] + digest
        raise LookupError(f"{match['image']} has not been pushed to {repository}")

    return IMAGE.sub(replaced, template)


def missing(sbom: str, lock: str) -> set[str]:
    """What a lock installs that the list does not name: a list with gaps is worse than none."""
    components = json.loads(sbom).get("components", [])
    listed = {component.get("purl", "").partition("?")[0] for component in components}
    pinned = re.findall(r"^([\w.-]+)==([^\s;]+)", lock, re.MULTILINE)
    return {f"pkg:pypi/{name}@{version}" for name, version in pinned} - listed


def digest_of(files: Iterable[Path]) -> str:
    """One digest of all these files, their names, and nothing else."""
    lines = []
    for file in sorted(files):
        with file.open("rb") as content:
            lines.append(f"{hashlib.file_digest(content, 'sha256').hexdigest()}  {file.name}\n")
    return f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"


def archive() -> None:
    ARCHIVES.mkdir(exist_ok=True)
    for image in images(TEMPLATE.read_text()):
        _run("docker", "save", "--output", str(_archive_of(image)), image)
    built = f"IMAGES_DIGEST={digest_of(_built())}"
    print(built)
    if outputs := os.environ.get("GITHUB_OUTPUT"):  # later jobs get it past the artifact itself
        with Path(outputs).open("a") as file:
            file.write(f"{built}\n")


def unarchive() -> None:
    """Load what was built and scanned. An archive that was swapped since has another digest."""
    expected = os.environ.get("IMAGES_DIGEST", "")
    if not expected:
        sys.exit("IMAGES_DIGEST is not set: name the digest that `make archive` printed")
    if (found := digest_of(_built())) != expected:
        sys.exit(f"These are not the images that were built: {found} instead of {expected}")
    for image in images(TEMPLATE.read_text()):
        _run("docker", "load", "--quiet", "--input", str(_archive_of(image)))


def _built() -> list[Path]:
    return [TEMPLATE, *map(_archive_of, images(TEMPLATE.read_text()))]


def sbom() -> None:
    SBOMS.mkdir(exist_ok=True)
    for image in images(TEMPLATE.read_text()):
        name = image.partition(":")[0]  # as `sam build` gives it, such as apifunction
        lock = (ROOT / "functions" / name.removesuffix("function") / "requirements.txt").read_text()
        target = SBOMS / f"{name}.cdx.json"
        source = f"docker-archive:{_archive_of(image)}"
        output = f"cyclonedx-json={target}"
        _run(str(SYFT), "scan", "--quiet", source, "--source-name", name, "--output", output)
        if gaps := missing(target.read_text(), lock):
            sys.exit(f"{target} does not list {', '.join(sorted(gaps))}")
        print(target.relative_to(ROOT))


def name_by_digest() -> None:
    write_file(PACKAGED, by_digest(PACKAGED.read_text(), _pushed))


def _archive_of(image: str) -> Path:
    return ARCHIVES / f"{image.partition(':')[0]}.tar"


def _pushed(image: str) -> list[str]:
    answer = _run("docker", "image", "inspect", "--format", "{{json .RepoDigests}}", image)
    found: list[str] = json.loads(answer)
    return found


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


TASKS = {"archive": archive, "unarchive": unarchive, "sbom": sbom, "by-digest": name_by_digest}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in TASKS:
        sys.exit(f"usage: python -m tests.tools.images {'|'.join(TASKS)}")
    TASKS[sys.argv[1]]()
