"""The doctor: the registry, its stages, and the versions in the store."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mlops.inference.version import Pin
from mlops.registry.catalog import opened, serialized
from mlops.registry.journal import Journal, Stage, StageChange
from mlops.registry.registry import CATALOG
from mlops.registry.releases import Ended
from mlops.release.doctor.remedies import Severity
from tests.unit.fakes import overwrite
from tests.unit.inference.building import V1
from tests.unit.release.bench import ANN, ID, V2, Bench
from tests.unit.release.patient import STORE, Patient


def catalog(patient: Patient) -> bytes:
    return patient.bench.objects.get(CATALOG).content


def test_a_registry_that_is_older_than_its_journal(patient: Patient) -> None:
    before = catalog(patient)
    patient.deploy()
    patient.bench.released()
    overwrite(patient.bench.objects, CATALOG, before)
    found = patient.findings()
    assert {one.command for one in found} == {f"mlops registry rebuild --store {STORE}"}
    assert {one.what for one in found} == {
        f"{V2} is live, and candidate in the registry",
        f"{V1} is champion in the registry, and not live",
        f"In {STORE}, and not in its registry: {ID}",
    }
    patient.bench.registry.rebuild()
    assert patient.findings() == ()


def test_a_live_model_that_is_not_champion_and_another_that_is(second: Patient) -> None:
    for version, stage in ((V2, Stage.CANDIDATE), (V1, Stage.CHAMPION)):
        second.bench.registry.move(StageChange(version, stage, second.bench.clock()))
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
    second.bench.begin("release-9")
    second.bench.rollout.record("release-9", Ended.UNCHANGED, ())
    assert second.findings() == ()


def test_a_stage_that_the_journal_has_and_the_registry_has_not(second: Patient) -> None:
    change = StageChange(V2, Stage.CANDIDATE, second.bench.clock())
    second.bench.registry.move(change)
    digest = second.pins[V2].digest
    at = second.bench.clock()
    Journal(second.bench.objects).append(replace(change, stage=Stage.CHAMPION, at=at), digest)
    assert second.only().command == f"mlops registry rebuild --store {STORE}"


def test_a_registry_that_cannot_be_read(patient: Patient) -> None:
    overwrite(patient.bench.objects, CATALOG, b"no database")
    found = patient.only()
    assert found.severity is Severity.ERROR
    assert found.what == f"The registry in {STORE} cannot be read"
    assert found.command == f"mlops registry rebuild --store {STORE}"
    patient.bench.registry.rebuild()
    assert patient.findings() == ()


def test_a_registry_that_cannot_say_what_it_leaves_out(patient: Patient) -> None:
    with opened(catalog(patient)) as (_, connection):
        connection.execute("INSERT INTO left_out VALUES ('churn', 'no digest')")
        damaged = serialized(connection)
    overwrite(patient.bench.objects, CATALOG, damaged)
    assert patient.findings()[0].what == f"The registry in {STORE} cannot be read"
    patient.bench.registry.rebuild()
    assert patient.findings() == ()


def test_what_became_of_a_deployment_is_known_without_the_registry(second: Patient) -> None:
    second.bench.rollback.roll_back(None, ANN)
    overwrite(second.bench.objects, CATALOG, b"no database")
    _, found = second.findings()
    assert "It was rolled back, by rollback-" in found.why


def test_a_record_that_cannot_be_read_is_for_the_rebuild_to_tell(patient: Patient) -> None:
    patient.bench.objects.create("registry/releases/release-9.json", b"{}")
    found = patient.only()
    assert found.what == f"In {STORE}, and not in its registry: release-9"
    assert found.command == f"mlops registry rebuild --store {STORE}"


def test_versions_and_releases_that_the_registry_lacks(patient: Patient) -> None:
    with opened(None) as (_, connection):
        empty = serialized(connection)
    overwrite(patient.bench.objects, CATALOG, empty)
    found = patient.only()
    assert found.what == f"In {STORE}, and not in its registry: {V1}, {V2}, first-1, release-0"
    assert found.command == f"mlops registry rebuild --store {STORE}"
    patient.bench.registry.rebuild()
    assert patient.findings() == ()


def test_a_version_that_the_registry_leaves_out(patient: Patient) -> None:
    """A rebuild would leave it out again."""
    key = f"models/{V2}/manifest.json"
    before = patient.bench.objects.get(key).content
    overwrite(patient.bench.objects, key, before + b" ")
    patient.bench.registry.rebuild()
    found = patient.only()
    assert found.severity is Severity.WARNING
    assert found.what == (
        f"{V2}, which is left out of the registry, is not as it should be in {STORE}"
    )
    assert found.command == f"aws s3 rm {STORE}/{key} && mlops copy --pin {patient.pins[V2]}"
    overwrite(patient.bench.objects, key, before)
    assert patient.only().what == f"In {STORE}, and not in its registry: {V2}"
    patient.bench.registry.rebuild()
    assert patient.findings() == ()


def test_a_pin_of_a_version_that_the_registry_leaves_out(patient: Patient) -> None:
    spoil("manifest.json")(patient.bench)
    patient.bench.registry.rebuild()
    found = patient.findings()
    assert [one.command for one in found if one.severity is Severity.ERROR] == [
        f"aws s3 rm {STORE}/models/{V1}/manifest.json && mlops copy"
    ]


def remove(file: str) -> Callable[[Bench], None]:
    return lambda bench: bench.objects.remove(f"models/{V1}/{file}")


def spoil(file: str) -> Callable[[Bench], None]:
    return lambda bench: overwrite(bench.objects, f"models/{V1}/{file}", b"spoiled")


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
    patient: Patient, harm: Callable[[Bench], None], command: str, words: str
) -> None:
    harm(patient.bench)
    found = patient.only()
    assert (found.severity, found.command) == (Severity.ERROR, command)
    assert found.what.startswith(f"{V1}, which is committed, deployed, live, {words}")


def test_what_is_only_committed_may_be_copied_before_it_is_deployed(patient: Patient) -> None:
    third = Pin(V2.next_minor(), f"sha256:{'3' * 64}")
    patient.bench.pins[third.version] = third
    patient.commit(third.version)
    assert [(one.severity, one.command) for one in patient.findings()] == [
        (Severity.WARNING, "make deploy"),
        (Severity.WARNING, "mlops copy"),
    ]


def test_a_pin_of_other_content_than_was_registered(patient: Patient) -> None:
    patient.bench.pins[V2] = Pin(V2, f"sha256:{'3' * 64}")
    patient.commit(V2)
    damage, _ = patient.findings()
    assert damage.severity is Severity.ERROR
    assert "It was registered with other content." in damage.why
    assert damage.command == f"mlops pin churn {V2} --store {STORE}"


@pytest.mark.parametrize("file", ["manifest.json", "model.onnx"])
def test_a_registered_version_that_is_not_all_there(patient: Patient, file: str) -> None:
    patient.bench.objects.remove(f"models/{V2}/{file}")
    found = patient.only()
    assert found.severity is Severity.WARNING
    assert found.what.startswith(f"{V2}, which is registered, is not ")
    assert found.command == f"mlops copy --pin {patient.pins[V2]}"


def test_without_a_stack_pins_registry_and_store_are_compared(patient: Patient) -> None:
    patient.local, patient.location = True, ".mlops"
    found = patient.only()
    assert (found.severity, found.why) == (Severity.NOTE, "It was asked for.")
    assert found.command == ""
    assert found.what == "No stack is compared: only the pins, the registry and the store"
    patient.bench.alarms.ringing.add("errors")
    spoil("model.onnx")(patient.bench)
    damage, _ = patient.findings()
    register = f"mlops register churn --version {V1} --store .mlops"
    assert damage.severity is Severity.ERROR
    assert damage.command == f"rm .mlops/models/{V1}/model.onnx && {register}"
    remove("manifest.json")(patient.bench)
    missing = patient.findings()[0]
    assert (missing.severity, missing.command) == (Severity.WARNING, register)
    assert "MLOPS_STORE" in missing.why
