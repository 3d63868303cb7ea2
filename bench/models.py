"""What more models cost at a start, and what an imported one does in batch."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from bench.batch import CATEGORIES, NUMBERS, TELCO, in_columns, require_equal, row_by_row, telco_csv
from bench.ground import Ground, Report
from bench.handlers import start
from bench.rounds import MORE, summary, turns
from mlops.bootstrap import open_models
from mlops.bootstrap.registry import open_registry
from mlops.importing.candidate import candidate_of
from mlops.importing.process import Order, run_import
from mlops.inference.loading import SERVED_FILES, ServedModel
from mlops.inference.manifest import CONTRACT, MANIFEST, METRICS, Manifest, digest_of
from mlops.inference.version import ModelVersion, Pin
from mlops.models.churn.contract import CHURN
from mlops.training.csv_data import load

MANY = 10
BATCH_ROWS = 10_000
LABEL = "churn"


def several_models(ground: Ground, rounds: int, report: Report) -> dict[str, Any]:
    """Seconds of a new process until its first answer, with one model and with ten."""
    (pin,) = ground.pins
    made = Path(ground.store) / "models" / str(pin.version)
    more = [_write_twin(made, ground.models, number) for number in range(2, MANY + 1)]
    grounds = {"one": ground, "ten": replace(ground, pins=(pin, *more))}
    for each in grounds.values():
        start(each, "ours")
    found: dict[str, list[float]] = {name: [] for name in grounds}
    rounds *= MORE
    for number in range(rounds):
        report(f"models: round {number + 1} of {rounds}")
        for name in turns(grounds, number):
            found[name].append(start(grounds[name], "ours"))
    return {name: summary({"seconds": seconds}) for name, seconds in found.items()}


def _write_twin(made: Path, models: Path, number: int) -> Pin:
    """Write a version under another name of its model, as it would be baked."""
    files = {name: (made / name).read_bytes() for name in (*SERVED_FILES, METRICS)}
    document = json.loads(files[CONTRACT])
    version = ModelVersion(f"{document['model']}-{number}", 1, 0, 0)
    files[CONTRACT] = json.dumps(document | {"model": version.model}).encode()
    known = Manifest.from_bytes(ModelVersion.parse(made.name), (made / MANIFEST).read_bytes())
    content = Manifest.of_files(version, files, known.provenance).to_bytes()
    folder = models / str(version)
    folder.mkdir()
    for name, written in {**files, MANIFEST: content}.items():
        (folder / name).write_bytes(written)
    return Pin(version, digest_of(content))


def imported_batch(ground: Ground, rounds: int, report: Report) -> dict[str, Any]:
    """Rows a second of an imported pipeline, against the same pipeline in the plain way."""
    pipeline, served = _import(ground.folder / "imported")
    content = telco_csv(BATCH_ROWS)
    contract = served.contract

    def plain() -> bytes:
        return row_by_row(content, pipeline, served.version, contract, _as_fitted)

    ways: dict[str, Callable[[], bytes]] = {
        "columns": lambda: in_columns(content, served),
        "plain": plain,
    }
    require_equal(*(way() for way in ways.values()))  # and both are warm now
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        report(f"models: imported batch, round {number + 1} of {rounds}")
        for name in turns(ways, number):
            started = time.perf_counter()
            ways[name]()
            seconds[name].append(time.perf_counter() - started)
    rates = {name: BATCH_ROWS / statistics.median(found) for name, found in seconds.items()}
    return {
        "rows_per_second": {name: round(rate) for name, rate in rates.items()},
        "ratio": round(rates["columns"] / rates["plain"], 3),
    }


def _as_fitted(frame: Any) -> Any:
    return frame[[*NUMBERS, *CATEGORIES]]


def _import(folder: Path) -> tuple[Pipeline, ServedModel]:
    """Fit a usual pipeline on churn's data, and import it as its owner would."""
    import pandas as pd  # here, as only the bench's environment has it

    folder.mkdir()
    data = load(TELCO, CHURN)
    frame = pd.DataFrame(data.requests)
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    categories = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="none"),
        OneHotEncoder(handle_unknown="ignore"),
    )
    columns = ColumnTransformer(
        [("numbers", numbers, NUMBERS), ("categories", categories, [*CATEGORIES])]
    )
    pipeline = make_pipeline(columns, LogisticRegression(max_iter=1_000))
    with threadpool_limits(limits=1):
        pipeline.fit(_as_fitted(frame), data.labels)
    file, sample = folder / "pipeline.joblib", folder / "sample.csv"
    joblib.dump(pipeline, file)
    frame.assign(**{LABEL: data.labels}).to_csv(sample, index=False)
    order = Order(str(file), str(sample), "imported", LABEL, subject=CHURN.subject, positive="1")
    imported, graph = run_import(order)
    candidate, _ = candidate_of(imported, graph, file, at=datetime.now(UTC), code_sha=None)
    store = str(folder / "store")
    pin = open_registry(store).register_next(candidate.model, candidate.files, candidate.provenance)
    return pipeline, open_models(None, store, folder / "cache")(pin)
