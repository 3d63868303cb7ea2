"""Releases at the two moments from which there is a way back."""

import pytest

from tests.unit.release.bench import Bench
from tests.unit.release.patient import Patient


@pytest.fixture
def bench() -> Bench:
    """Something new is deployed, and its release is yet to begin."""
    bench = Bench()
    bench.deploy()
    return bench


@pytest.fixture
def canary() -> Bench:
    bench = Bench()
    bench.deploy()
    bench.canary()
    return bench


@pytest.fixture
def promoted() -> Bench:
    bench = Bench()
    bench.deploy()
    bench.released()
    return bench


@pytest.fixture
def patient() -> Patient:
    patient = Patient()
    patient.enter()
    return patient


@pytest.fixture
def second(patient: Patient) -> Patient:
    """Version 2 was released, and has all traffic."""
    patient.deploy()
    patient.bench.released()
    return patient
