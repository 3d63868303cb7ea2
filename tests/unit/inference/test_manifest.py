import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops.errors import ManifestInvalid
from mlops.inference.manifest import FileEntry, Manifest, Provenance, digest_of
from tests.unit.inference.building import V1, manifest_of, version_files
from tests.unit.inference.test_version import VERSIONS

DIGESTS = st.binary().map(digest_of)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
MANIFESTS = st.builds(
    Manifest,
    version=VERSIONS,
    provenance=st.builds(
        Provenance,
        trained_at=st.datetimes(timezones=st.just(UTC)),
        data_digest=DIGESTS,
        code_sha=st.none() | st.text(),
        environment=st.dictionaries(st.text(), st.text()),
    ),
    metrics=st.dictionaries(st.text(), JSON),
    files=st.dictionaries(
        st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True),
        st.builds(FileEntry, DIGESTS, st.integers(0)),
    ),
)

GOOD = json.loads(manifest_of(version_files()).to_bytes())


@settings(deadline=None)
@given(MANIFESTS)
def test_a_manifest_is_read_from_its_bytes(manifest: Manifest) -> None:
    assert Manifest.from_bytes(manifest.version, manifest.to_bytes()) == manifest


def test_equal_manifests_have_equal_bytes() -> None:
    files = version_files()
    backwards = dict(reversed(files.items()))
    assert manifest_of(files).to_bytes() == manifest_of(backwards).to_bytes()


def only_invalid(content: bytes) -> None:
    """`content` is a manifest or raises ManifestInvalid; anything else fails the test."""
    try:
        Manifest.from_bytes(V1, content)
    except ManifestInvalid as error:
        assert error.version == str(V1)


@settings(deadline=None)
@given(st.binary())
@example(b"")
@example(b"\xff\xfe")
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b"9" * 10_000)
@example(b"1e999")
def test_arbitrary_bytes_are_no_manifest(content: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        Manifest.from_bytes(V1, content)


@settings(deadline=None)
@given(JSON)
def test_arbitrary_json_is_no_manifest(document: object) -> None:
    with pytest.raises(ManifestInvalid):
        Manifest.from_bytes(V1, json.dumps(document).encode())


@settings(deadline=None)
@given(st.sampled_from(sorted(GOOD)), JSON)
def test_any_value_in_any_field_is_taken_or_invalid(field: str, value: object) -> None:
    only_invalid(json.dumps(GOOD | {field: value}).encode())


@settings(deadline=None)
@given(st.integers(0, 2000), st.binary(min_size=1, max_size=3))
def test_altered_bytes_are_taken_or_invalid(place: int, bytes_: bytes) -> None:
    content = manifest_of(version_files()).to_bytes()
    only_invalid(content[:place] + bytes_ + content[place + len(bytes_) :])


@pytest.mark.parametrize("field", sorted(GOOD))
def test_no_field_can_be_missing(field: str) -> None:
    document = {name: value for name, value in GOOD.items() if name != field}
    with pytest.raises(ManifestInvalid, match=field):
        Manifest.from_bytes(V1, json.dumps(document).encode())


ENTRY = {"digest": digest_of(b""), "bytes": 0}
WRONG: list[tuple[str, Any]] = [
    ("schema", 2),
    ("schema", "1"),
    ("version", "churn-model-v1.1.0"),
    ("version", "fraud-model-v1.0.0"),
    ("version", "churn"),
    ("version", 1),
    ("version", None),
    ("trained_at", "2026-01-02T03:04:05"),
    ("trained_at", "2026-01-02T03:04:05+01:00"),
    ("trained_at", "0001-01-01T00:00:00+23:59"),
    ("trained_at", "yesterday"),
    ("trained_at", 1767225600),
    ("data_digest", None),
    ("code_sha", 5),
    ("environment", []),
    ("environment", {"python": 3.13}),
    ("metrics", []),
    ("metrics", None),
    ("files", []),
    ("files", ["model.onnx"]),
    ("files", {"model.onnx": None}),
    ("files", {"model.onnx": digest_of(b"")}),
    ("files", {"model.onnx": {"bytes": 0}}),
    ("files", {"model.onnx": {"digest": digest_of(b"")}}),
    ("files", {"model.onnx": ENTRY | {"digest": None}}),
    ("files", {"model.onnx": ENTRY | {"digest": "sha256:../../etc/passwd"}}),
    ("files", {"model.onnx": ENTRY | {"bytes": "0"}}),
    ("files", {"model.onnx": ENTRY | {"bytes": True}}),
    ("files", {"model.onnx": ENTRY | {"bytes": -1}}),
    ("files", {"../model.onnx": ENTRY}),
    ("files", {"/etc/passwd": ENTRY}),
    ("files", {"": ENTRY}),
    ("files", {".hidden": ENTRY}),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_wrong_value_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ManifestInvalid):
        Manifest.from_bytes(V1, json.dumps(GOOD | {field: value}).encode())


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_json_does_not_know_is_refused(number: str) -> None:
    content = json.dumps(GOOD).replace("0.84", number)
    assert number in content
    with pytest.raises(ManifestInvalid):
        Manifest.from_bytes(V1, content.encode())


def test_a_time_without_a_zone_is_refused_where_it_is_made() -> None:
    with pytest.raises(ValueError, match="UTC"):
        Provenance(datetime(2026, 1, 2), digest_of(b""), None, {})
