"""The doctor: the registry, its stages, and the versions in the store."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mlops.inference.version import Pin
from mlops.registry.catalog import opened, serialized
from mlops.registry.journal import Journal, Stage, StageChange
from mlops.registry.registry import CATALOG
from mlops.release.doctor.remedies import Severity
from tests.unit.fakes import overwrite
from tests.unit.inference.building import V1
from tests.unit.release.examined_stack import STORE, ExaminedStack
from tests.unit.release.fixture import ANN, ID, V2, Fixture


def catalog(examined: ExaminedStack) -> bytes:
    return examined.fixture.objects.get(CATALOG).content


def test_a_registry_that_is_older_than_its_journal(examined: ExaminedStack) -> None:
    before = catalog(examined)
    examined.deploy()
    examined.fixture.promoted()
    overwrite(examined.fixture.objects, CATALOG, before)
    found = examined.findings()
    assert {one.command for one in found} == {f"mlops registry rebuild --store {STORE}"}
    assert {one.what for one in found} == {
        f"{V2} is live, and candidate in the registry",
        f"{V1} is champion in the registry, and not live",
        f"In {STORE}, and not in its registry: {ID}",
    }
    examined.fixture.registry.rebuild()
    assert examined.findings() == ()


def test_a_live_model_that_is_not_champion_and_another_that_is(second: ExaminedStack) -> None:
    for version, stage in ((V2, Stage.CANDIDATE), (V1, Stage.CHAMPION)):
        second.fixture.registry.move(StageChange(version, stage, second.fixture.clock()))
    assert second.told() == [
        (
            "warning",
            f"{V2} is live, and candidate in the registry",
            "mlops release start",
        ),
        (
            "warning",
            f"{V1} is champion in the registry, and not live",
            "mlops release start",
        ),
    ]
    second.fixture.run("release-9")
    assert second.findings() == ()


def test_a_stage_that_the_journal_has_and_the_registry_has_not(second: ExaminedStack) -> None:
    change = StageChange(V2, Stage.CANDIDATE, second.fixture.clock())
    second.fixture.registry.move(change)
    digest = second.pins[V2].digest
    at = second.fixture.clock()
    Journal(second.fixture.objects).append(replace(change, stage=Stage.CHAMPION, at=at), digest)
    assert second.only().command == f"mlops registry rebuild --store {STORE}"


def test_a_registry_that_cannot_be_read(examined: ExaminedStack) -> None:
    overwrite(examined.fixture.objects, CATALOG, b"no database")
    found = examined.only()
    assert found.severity is Severity.ERROR
    assert found.what == f"The registry in {STORE} cannot be read"
    assert found.command == f"mlops registry rebuild --store {STORE}"
    examined.fixture.registry.rebuild()
    assert examined.findings() == ()


def test_a_registry_that_cannot_say_what_it_leaves_out(examined: ExaminedStack) -> None:
    with opened(catalog(examined)) as (_, connection):
        connection.execute("INSERT INTO left_out VALUES ('churn', 'no digest')")
        damaged = serialized(connection)
    overwrite(examined.fixture.objects, CATALOG, damaged)
    assert examined.findings()[0].what == f"The registry in {STORE} cannot be read"
    examined.fixture.registry.rebuild()
    assert examined.findings() == ()


def test_what_became_of_a_deployment_is_known_without_the_registry(second: ExaminedStack) -> None:
    second.fixture.operations.roll_back(None, ANN)
    overwrite(second.fixture.objects, CATALOG, b"no database")
    _, found = second.findings()
    assert "It was rolled back, by rollback-" in found.why


def test_a_damaged_record_is_named_with_its_reason_since_no_rebuild_can_enter_it(
    examined: ExaminedStack,
) -> None:
    key = "registry/releases/release-9.json"
    examined.fixture.objects.create(key, b"{}")
    examined.fixture.registry.rebuild()
    found = examined.only()
    assert found.what == f"The record of release release-9 in {STORE} is damaged"
    assert "Restore it from a copy, or remove it" in found.why
    assert found.command == f"aws s3 rm {STORE}/{key}"
    examined.fixture.objects.remove(key)
    assert examined.findings() == ()


def test_versions_and_releases_that_the_registry_lacks(examined: ExaminedStack) -> None:
    with opened(None) as (_, connection):
        empty = serialized(connection)
    overwrite(examined.fixture.objects, CATALOG, empty)
    found = examined.only()
    assert found.what == f"In {STORE}, and not in its registry: {V1}, {V2}, first-1, release-0"
    assert found.command == f"mlops registry rebuild --store {STORE}"
    examined.fixture.registry.rebuild()
    assert examined.findings() == ()


def test_a_version_that_the_registry_leaves_out(examined: ExaminedStack) -> None:
    """A rebuild would leave it out again."""
    key = f"models/{V2}/manifest.json"
    before = examined.fixture.objects.get(key).content
    overwrite(examined.fixture.objects, key, before + b" ")
    examined.fixture.registry.rebuild()
    found = examined.only()
    assert found.severity is Severity.WARNING
    assert found.what == (
        f"{V2}, which is left out of the registry, is not as it should be in {STORE}"
    )
    assert found.command == f"aws s3 rm {STORE}/{key} && mlops copy --pin {examined.pins[V2]}"
    overwrite(examined.fixture.objects, key, before)
    assert examined.only().what == f"In {STORE}, and not in its registry: {V2}"
    examined.fixture.registry.rebuild()
    assert examined.findings() == ()


def test_a_pin_of_a_version_that_the_registry_leaves_out(examined: ExaminedStack) -> None:
    spoil("manifest.json")(examined.fixture)
    examined.fixture.registry.rebuild()
    found = examined.findings()
    assert [one.command for one in found if one.severity is Severity.ERROR] == [
        f"aws s3 rm {STORE}/models/{V1}/manifest.json && mlops copy"
    ]


def remove(file: str) -> Callable[[Fixture], None]:
    return lambda fixture: fixture.objects.remove(f"models/{V1}/{file}")


def spoil(file: str) -> Callable[[Fixture], None]:
    return lambda fixture: overwrite(fixture.objects, f"models/{V1}/{file}", b"spoiled")


@pytest.mark.parametrize(
    ("harm", "command", "words"),
    [
        (remove("manifest.json"), "mlops copy", f"is not in {STORE}"),
        (remove("model.onnx"), "mlops copy", "is not as it should be"),
        (
            spoil("model.onnx"),
            f"aws s3 rm {STORE}/models/{V1}/model.onnx && mlops copy",
            "is not as it should be",
        ),
        (
            spoil("manifest.json"),
            f"aws s3 rm {STORE}/models/{V1}/manifest.json && mlops copy",
            "is not as it should be",
        ),
    ],
)
def test_a_live_version_that_is_damaged_in_the_store(
    examined: ExaminedStack, harm: Callable[[Fixture], None], command: str, words: str
) -> None:
    harm(examined.fixture)
    found = examined.only()
    assert (found.severity, found.command) == (Severity.ERROR, command)
    assert found.what.startswith(f"{V1}, which is committed, deployed, live, {words}")


def test_what_is_only_committed_may_be_copied_before_it_is_deployed(
    examined: ExaminedStack,
) -> None:
    third = Pin(V2.next_minor(), f"sha256:{'3' * 64}")
    examined.fixture.pins[third.version] = third
    examined.commit(third.version)
    assert [(one.severity, one.command) for one in examined.findings()] == [
        (Severity.WARNING, "make deploy"),
        (Severity.WARNING, "mlops copy"),
    ]


def test_a_pin_of_other_content_than_was_registered(examined: ExaminedStack) -> None:
    examined.fixture.pins[V2] = Pin(V2, f"sha256:{'3' * 64}")
    examined.commit(V2)
    damage, _ = examined.findings()
    assert damage.severity is Severity.ERROR
    assert "It was registered with other content." in damage.why
    assert damage.command == f"mlops pin churn {V2} --store {STORE}"


@pytest.mark.parametrize("file", ["manifest.json", "model.onnx"])
def test_a_registered_version_that_is_not_all_there(examined: ExaminedStack, file: str) -> None:
    examined.fixture.objects.remove(f"models/{V2}/{file}")
    found = examined.only()
    assert found.severity is Severity.WARNING
    assert found.what.startswith(f"{V2}, which is registered, is not ")
    assert found.command == f"mlops copy --pin {examined.pins[V2]}"


def test_without_a_stack_pins_registry_and_store_are_compared(examined: ExaminedStack) -> None:
    examined.local, examined.location = True, ".mlops"
    found = examined.only()
    assert (found.severity, found.why) == (Severity.NOTE, "It was asked for.")
    assert found.command == ""
    assert found.what == "No stack is compared: only the pins, the registry and the store"
    examined.fixture.alarms.in_alarm.add("errors")
    spoil("model.onnx")(examined.fixture)
    damage, _ = examined.findings()
    register = f"mlops register churn --version {V1} --store .mlops"
    assert damage.severity is Severity.ERROR
    assert damage.command == f"rm .mlops/models/{V1}/model.onnx && {register}"
    remove("manifest.json")(examined.fixture)
    missing = examined.findings()[0]
    assert (missing.severity, missing.command) == (Severity.WARNING, register)
    assert "MLOPS_STORE" in missing.why
