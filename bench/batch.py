"""Batch against the plain way: a request class for each row, and the pipeline on a DataFrame.

Both turn the same CSV bytes into the bytes of the same results, validation included, with the same
model. They take turns; the medians of their rounds are compared.
"""

import argparse
import csv
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from bench.errors import NotMeasured, Unequal, require_close
from bench.rounds import summary, turns
from mlops.batch.job import Format, Limits
from mlops.batch.predicting import predict_chunk
from mlops.batch.splitting import split
from mlops.batch.tables import merge
from mlops.bootstrap import open_models
from mlops.bootstrap.registry import open_registry
from mlops.inference.loading import ServedModel
from mlops.models.churn.contract import CHURN
from mlops.models.contract import Contract
from mlops.training.csv_data import load

TELCO = Path("data/telco_churn.csv.gz")
NUMBERS = [field.name for field in CHURN.encoder.fields if field.is_numeric]
CATEGORIES = {
    field.name: list(field.choices) for field in CHURN.encoder.fields if not field.is_numeric
}
MANY = 1_000_000
MANY_SECONDS = 1_800
SIZES = (10_000, 100_000, MANY)
"""From a chunk on. A smaller batch is a slice for one thread, and mostly what every batch takes:
with it, growth would look slower than it is."""
FEW_ROUNDS = 3
"""Of what takes long."""
THREADS = min(2, os.cpu_count() or 1)
"""As many as the function has processors: more would make it look cheaper than it is."""


def telco_csv(rows: int) -> bytes:
    """So many rows of the Telco data as a client would send them."""
    requests = load(TELCO, CHURN).requests
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(requests[0]), lineterminator="\n")
    writer.writeheader()
    for start in range(0, rows, len(requests)):
        writer.writerows(requests[: rows - start])
    return file.getvalue().encode()


def in_columns(content: bytes, served: ServedModel) -> bytes:
    parts = [
        predict_chunk(chunk, Format.CSV, Format.CSV, "bench", served, threads=THREADS).results
        for chunk in split(content, Format.CSV, Limits())
    ]
    return b"".join(merge(parts, Format.CSV))


def as_trained(frame: Any) -> Any:
    """Return the columns that churn's trees were fitted on."""
    import pandas as pd  # here, as only the bench's environment has it

    numbers = frame[NUMBERS].astype(np.float32)
    return pd.concat([numbers, frame[[*CATEGORIES]].fillna("")], axis=1)


def row_by_row(
    content: bytes,
    pipeline: Any,
    version: str,
    contract: Contract = CHURN,
    features: Callable[[Any], Any] = as_trained,
) -> bytes:
    """Predict as most people write it first: with pydantic, pandas and scikit-learn."""
    import pandas as pd  # as above

    requests = [
        contract.request.model_validate(dict(_values(row)))
        for row in csv.DictReader(io.StringIO(content.decode(), newline=""))
    ]
    frame = pd.DataFrame([request.model_dump() for request in requests])
    probabilities = pipeline.predict_proba(features(frame))[:, 1:].round(6)
    results = pd.DataFrame(
        {
            "customer_id": frame["customer_id"],
            **contract.outcome.answer_columns(probabilities),
            "model_version": version,
            "prediction_id": [f"pred_{number:032}" for number in range(1, len(frame) + 1)],
        }
    )
    written: str = results.to_csv(index=False)
    return written.encode()


def _values(row: dict[str, str]) -> Iterator[tuple[str, object]]:
    for name, text in row.items():
        if text:
            yield name, float(text) if name in NUMBERS else text


def compare(rows: int, rounds: int, store: str, report: Callable[[str], None]) -> dict[str, Any]:
    served, pipeline = opened(store)
    content = telco_csv(rows)
    ways: dict[str, Callable[[], bytes]] = {
        "columns": lambda: in_columns(content, served),
        "plain": lambda: row_by_row(content, pipeline, served.version),
    }
    require_equal(*(way() for way in ways.values()))  # and both are warm now
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        report(f"round {number + 1} of {rounds}")
        for name in turns(ways, number):
            started = time.perf_counter()
            ways[name]()
            seconds[name].append(time.perf_counter() - started)
    rates = {name: rows / statistics.median(found) for name, found in seconds.items()}
    return {
        "rows": rows,
        "rounds": rounds,
        "rows_per_second": {name: round(rate) for name, rate in rates.items()},
        "ratio": round(rates["columns"] / rates["plain"], 3),
    }


def opened(store: str) -> tuple[ServedModel, Any]:
    pin = open_registry(store).entries("churn")[-1].pin
    served = open_models(None, store, Path(store) / "cache")(pin)
    trees = joblib.load(Path(store) / "models" / str(pin.version) / "model.joblib")
    return served, as_pipeline(trees)


def as_pipeline(trees: Any) -> Pipeline:
    """DataFrame in, probabilities out: the trees with an encoder before them."""
    import pandas as pd  # as above

    encoder = OrdinalEncoder(
        categories=[*CATEGORIES.values()],
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
    )
    columns = ColumnTransformer(
        [
            ("numeric", "passthrough", NUMBERS),
            ("categorical", encoder, [*CATEGORIES]),
        ]
    )
    columns.fit(pd.DataFrame([CHURN.examples["all fields"]]))
    return Pipeline([("columns", columns), ("trees", trees)])


def require_equal(ours: bytes, theirs: bytes) -> None:
    """Raises Unequal."""
    for found, expected in zip_longest(_answers(ours), _answers(theirs), fillvalue=("none", "nan")):
        if found[0] != expected[0]:
            raise Unequal(f"a row is of {found[0]} instead of {expected[0]}")
        require_close("batch", *(float(answer or "nan") for _, answer in (found, expected)))


def _answers(results: bytes) -> Iterator[tuple[str, str]]:
    for row in csv.DictReader(io.StringIO(results.decode(), newline="")):
        yield row["customer_id"], row["churn_probability"]


def many(store: str, written: Path, plain: bool = False) -> dict[str, float]:
    """A million rows, in this process alone: how long, and how much memory.

    written: where the results go.
    """
    served, pipeline = opened(store)
    content = telco_csv(MANY)
    started = time.perf_counter()
    if plain:
        results = row_by_row(content, pipeline, served.version)
    else:
        results = in_columns(content, served)
    seconds = time.perf_counter() - started
    if results.count(b"\n") != MANY + 1:
        raise NotMeasured("results are missing")
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    written.write_bytes(results)
    return {"seconds": seconds, "resident_mb": resident / 1e6}


def compare_many(
    rounds: int, store: str, folder: Path, report: Callable[[str], None]
) -> dict[str, Any]:
    """Both ways, each in a process whose memory holds nothing else. Raises NotMeasured, Unequal."""
    ways: dict[str, tuple[str, ...]] = {"columns": (), "plain": ("--plain",)}
    rounds = min(rounds, FEW_ROUNDS)
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for number in range(rounds):
        for way in turns(ways, number):
            report(f"batch: {MANY:,} rows, {way}, round {number + 1} of {rounds}")
            found[way].append(_alone(store, folder / way, *ways[way]))
        require_equal(*((folder / way).read_bytes() for way in ways))
    medians = {
        way: summary({name: [run[name] for run in runs] for name in runs[0]})
        for way, runs in found.items()
    }
    ratio = medians["plain"]["seconds"] / medians["columns"]["seconds"]
    return {"rows": MANY, "rounds": rounds, **medians, "ratio": round(ratio, 3)}


def _alone(store: str, written: Path, *options: str) -> dict[str, float]:
    ran = subprocess.run(
        [sys.executable, "-m", "bench.batch", store, written, *options],
        check=False,
        capture_output=True,
        text=True,
        timeout=MANY_SECONDS,
    )
    if ran.returncode:
        ended = f"{written.name} ended with {ran.returncode}"
        raise NotMeasured(f"{ended}: {ran.stderr.strip()[-600:]}")
    found: dict[str, float] = json.loads(ran.stdout)
    return found


def growth(rounds: int, store: str, report: Callable[[str], None]) -> dict[str, Any]:
    """Seconds by number of rows, and the exponent: 1 where twice the rows take twice as long."""
    served, _ = opened(store)
    contents = {rows: telco_csv(rows) for rows in SIZES}
    in_columns(contents[SIZES[0]], served)
    rounds = min(rounds, FEW_ROUNDS)
    found: dict[int, list[float]] = {rows: [] for rows in SIZES}
    for number in range(rounds):
        for rows in turns(SIZES, number):
            report(f"batch: {rows:,} rows, round {number + 1} of {rounds}")
            found[rows].append(_seconds(contents[rows], served))
    seconds = {rows: statistics.median(times) for rows, times in found.items()}
    return {
        "seconds": {f"{rows}": round(median, 4) for rows, median in seconds.items()},
        "exponent": round(exponent(seconds), 3),
    }


def exponent(seconds: Mapping[int, float]) -> float:
    """Of the power of the number of rows that fits the seconds best."""
    slope, _ = np.polyfit(np.log([*seconds]), np.log([*seconds.values()]), 1)
    return float(slope)


def _seconds(content: bytes, served: ServedModel) -> float:
    started = time.perf_counter()
    in_columns(content, served)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.batch", description="A million rows.")
    parser.add_argument("store")
    parser.add_argument("written", type=Path, metavar="FILE", help="where the results go")
    parser.add_argument("--plain", action="store_true", help="in the plain way")
    options = parser.parse_args()
    print(json.dumps(many(options.store, options.written, options.plain)))


if __name__ == "__main__":
    main()
