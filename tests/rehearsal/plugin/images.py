"""Functions made of images: what is deployed is an image's digest, whatever its tag says later."""

import http.client
from collections.abc import Callable
from typing import Final

from tests.rehearsal.plugin.functions import FUNCTION, LAMBDA, STACKS, function_named
from tests.rehearsal.plugin.patches import Answer, Record, instead_of

MANIFESTS: Final = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
REGISTRY_SECONDS: Final = 10


def digest(image: str) -> str:
    """The one that the registry has now, in hexadecimal digits. image: its URI.

    Raises ValueError where it has no such image.
    """
    registry, _, name = image.partition("/")
    repository, _, reference = name.rpartition("@" if "@" in name else ":")
    connection = http.client.HTTPConnection(registry, timeout=REGISTRY_SECONDS)
    path = f"/v2/{repository}/manifests/{reference}"
    connection.request("HEAD", path, headers={"Accept": ", ".join(MANIFESTS)})
    answer = connection.getresponse()
    connection.close()
    if answer.status != 200:
        raise ValueError(f"Source image {image} does not exist: the registry says {answer.status}")
    return answer.headers["Docker-Content-Digest"].removeprefix("sha256:")


def name_code(function: str) -> None:
    """Let its CodeSha256 be what AWS has there: without it, all images are the same code."""
    config = function_named(function)["config"]
    if config["PackageType"] == "Image":
        config["CodeSha256"] = digest(config["ImageUri"])


@instead_of(
    STACKS,
    "_provision_resource",
    "(resource_type: str, logical_id: str, props: dict, stack_name: str) -> tuple",
)
def create(
    original: Callable[..., tuple[str, Record]], resource_type: str, *rest: object
) -> tuple[str, Record]:
    made = original(resource_type, *rest)
    if resource_type == FUNCTION:
        name_code(made[0])
    return made


@instead_of(LAMBDA, "_update_code", "(name: str, data: dict)")
def update(original: Callable[[str, Record], Answer], name: str, data: Record) -> Answer:
    answer = original(name, data)
    if "ImageUri" in data and answer[0] < 400:
        name_code(name)
    return answer
