"""Thousands of requests to the real model, the same ones each time."""

import io
from pathlib import Path

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, settings

from functions.api.app import create_app
from functions.api.batch import Batch
from functions.api.callers import identify_local
from functions.api.settings import Settings
from mlops.batch.job import Uploads
from mlops.batch.jobs import Jobs
from mlops.bootstrap.logs import open_logger
from mlops.inference.version import Pin
from tests.property.requests import UPLOADED
from tests.unit.api.batch_service import NOW, FakeLinks, ListQueue
from tests.unit.fakes import MemoryObjects

settings.register_profile(
    "deterministic",
    derandomize=True,
    deadline=None,
    database=None,
    # The API is made once; no example changes it.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("deterministic")


@pytest.fixture(scope="session")
def app(trained_store: Path, churn_pin: Pin, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    uploads = Uploads("s3://store/")
    pins = {"churn": churn_pin}
    objects = MemoryObjects()
    objects.create(uploads.key(UPLOADED, "local"), b"customer_id\n")
    jobs = Jobs(objects, ListQueue(), uploads, pins, now=lambda: NOW)
    links = FakeLinks()
    return create_app(
        Settings(
            pins=str(churn_pin),
            store=str(trained_store),
            cache_dir=tmp_path_factory.mktemp("cache"),
        ),
        batch=Batch(lambda: jobs, lambda: links, lambda: uploads),
        identify=identify_local,
        logger=open_logger("property-tests", io.BytesIO()),
    )
