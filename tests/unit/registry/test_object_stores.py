"""The contract of the port: the fake, the folder and the bucket behave the same."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from mlops.errors import ObjectChanged, ObjectExists, ObjectNotFound, StoreUnavailable
from mlops.registry.objects import ObjectStore

KEY = "models/churn-model-v1.0.0/model.onnx"


@pytest.mark.parametrize("content", [b"\x00\xff text", b""])
def test_what_was_created_is_what_is_got(objects: ObjectStore, content: bytes) -> None:
    objects.create(KEY, content)
    assert objects.get(KEY).content == content


@pytest.mark.parametrize("key", [KEY, "models", "models/churn-model-v1.0.0", KEY + "/deeper"])
def test_what_was_never_written_is_not_found(objects: ObjectStore, key: str) -> None:
    objects.create("models/churn-model-v1.0.0/golden.json", b"[]")
    with pytest.raises(ObjectNotFound) as caught:
        objects.get(key)
    assert caught.value.key == key


def test_an_object_is_created_once(objects: ObjectStore) -> None:
    objects.create(KEY, b"first")
    with pytest.raises(ObjectExists) as caught:
        objects.create(KEY, b"second")
    assert caught.value.key == KEY
    assert objects.get(KEY).content == b"first"


@pytest.mark.parametrize("sizes", [[], [0], [3, 4], [5_000_000] * 4, [8 * 1024 * 1024] * 2])
def test_an_object_of_blocks_is_created_once(objects: ObjectStore, sizes: Sequence[int]) -> None:
    blocks = [bytes([65 + n]) * size for n, size in enumerate(sizes)]
    objects.create_from(KEY, iter(blocks))
    assert objects.get(KEY).content == b"".join(blocks)
    with pytest.raises(ObjectExists) as caught:
        objects.create_from(KEY, iter([b"other", *blocks]))
    assert caught.value.key == KEY
    assert objects.get(KEY).content == b"".join(blocks)


@pytest.mark.parametrize("sent", [0, 20_000_000])
def test_blocks_that_cannot_be_had_write_nothing(objects: ObjectStore, sent: int) -> None:
    def blocks() -> Iterator[bytes]:
        yield b"x" * sent
        raise ObjectNotFound("the next block")

    with pytest.raises(ObjectNotFound, match="the next block"):
        objects.create_from(KEY, blocks())
    assert list(objects.keys("")) == []


def test_an_object_that_is_replaced_without_a_tag_must_not_exist(objects: ObjectStore) -> None:
    objects.replace(KEY, b"first", None)
    with pytest.raises(ObjectChanged) as caught:
        objects.replace(KEY, b"second", None)
    assert caught.value.key == KEY
    assert objects.get(KEY).content == b"first"


def test_the_current_tag_replaces_and_a_former_one_does_not(objects: ObjectStore) -> None:
    objects.create(KEY, b"first")
    first = objects.get(KEY)
    objects.replace(KEY, b"second", first.tag)
    second = objects.get(KEY)
    assert second.content == b"second"
    assert second.tag != first.tag
    with pytest.raises(ObjectChanged):
        objects.replace(KEY, b"third", first.tag)
    assert objects.get(KEY) == second


def test_a_tag_of_an_object_that_is_gone_does_not_replace(objects: ObjectStore) -> None:
    objects.create("models/other", b"content")
    with pytest.raises(ObjectChanged):
        objects.replace(KEY, b"content", objects.get("models/other").tag)
    assert list(objects.keys("models/")) == ["models/other"]


def test_keys_are_those_with_the_prefix_in_order(objects: ObjectStore) -> None:
    for key in ("b/z", "a/v1.10/x", "a/v1.9/x", "a-/x", "a/v1.1", "a/v1.1-b/é", "c"):
        objects.create(key, b"")
    ordered = ["a-/x", "a/v1.1", "a/v1.1-b/é", "a/v1.10/x", "a/v1.9/x", "b/z", "c"]
    assert list(objects.keys("")) == ordered
    assert list(objects.keys("a/")) == ordered[1:5]
    assert list(objects.keys("a/v1.1")) == ordered[1:4]
    assert list(objects.keys("a/v1.9/")) == ["a/v1.9/x"]
    assert list(objects.keys("c/")) == []


def test_an_empty_store_has_no_keys(objects: ObjectStore) -> None:
    assert list(objects.keys("")) == []
    assert list(objects.keys("models/churn")) == []


OPERATIONS: dict[str, Callable[[ObjectStore, str], object]] = {
    "get": lambda objects, key: objects.get(key),
    "create": lambda objects, key: objects.create(key, b""),
    "replace": lambda objects, key: objects.replace(key, b"", None),
    "keys": lambda objects, prefix: list(objects.keys(prefix)),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    "key", ["../x", "/etc/x", "a/../../x", "a//x", "a/./x", ".x", "a/.x", "\0"]
)
def test_keys_that_lead_elsewhere_are_refused(
    objects: ObjectStore, operation: str, key: str
) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        OPERATIONS[operation](objects, key)
    assert caught.value.key.startswith(key)
