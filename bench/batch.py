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
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from bench.errors import NotMeasured, Unequal
from bench.rounds import turns
from mlops.batch.job import Format, Limits
from mlops.batch.predicting import predict_chunk
from mlops.batch.splitting import split
from mlops.batch.tables import merge
from mlops.bootstrap import open_models
from mlops.bootstrap.registry import open_registry
from mlops.inference.loading import ServedModel
from mlops.models.churn.contract import CHURN, ChurnRequest, risk_category
from mlops.models.churn.data import load

TELCO = Path("data/telco_churn.csv.gz")
NUMBERS = frozenset(CHURN.numeric)
MANY = 1_000_000
SIZES = (1_000, 10_000, 100_000, MANY)
THREADS = os.cpu_count() or 1


def telco_csv(rows: int) -> bytes:
    """So many rows of the Telco data as a client would send them."""
    requests = load(TELCO).requests
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
    return merge(parts, Format.CSV)


def row_by_row(content: bytes, pipeline: Any, version: str) -> bytes:
    """What is written first by most: pydantic, pandas, scikit-learn."""
    requests = [
        ChurnRequest.model_validate(dict(_values(row)))
        for row in csv.DictReader(io.StringIO(content.decode(), newline=""))
    ]
    frame = pd.DataFrame([request.model_dump() for request in requests])
    numbers = frame[[*CHURN.numeric]].astype(np.float32)  # as it was trained
    features = pd.concat([numbers, frame[[*CHURN.categorical]].fillna("")], axis=1)
    probabilities = pipeline.predict_proba(features)[:, 1].round(6)
    results = pd.DataFrame(
        {
            "customer_id": frame["customer_id"],
            "churn_probability": probabilities,
            "risk_category": [risk_category(probability) for probability in probabilities],
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
        "best_rows_per_second": {name: round(rows / min(found)) for name, found in seconds.items()},
        "ratio": round(rates["columns"] / rates["plain"], 1),
    }


def opened(store: str) -> tuple[ServedModel, Any]:
    pin = open_registry(store).entries("churn")[-1].pin
    served = open_models(None, store, Path(store) / "cache")(pin)
    trees = joblib.load(Path(store) / "models" / str(pin.version) / "model.joblib")
    return served, as_pipeline(trees)


def as_pipeline(trees: Any) -> Pipeline:
    """DataFrame in, probabilities out: the trees with an encoder before them."""
    encoder = OrdinalEncoder(
        categories=[list(CHURN.categories[name]) for name in CHURN.categorical],
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
    )
    columns = ColumnTransformer(
        [
            ("numeric", "passthrough", [*CHURN.numeric]),
            ("categorical", encoder, [*CHURN.categorical]),
        ]
    )
    columns.fit(pd.DataFrame([CHURN.examples["all fields"]]))
    return Pipeline([("columns", columns), ("trees", trees)])


def require_equal(ours: bytes, theirs: bytes) -> None:
    """Raises Unequal."""
    found, expected = (pd.read_csv(io.BytesIO(content)) for content in (ours, theirs))
    if not found["customer_id"].equals(expected["customer_id"]):
        raise Unequal("the customers differ")
    worst = np.abs(found["churn_probability"] - expected["churn_probability"]).max()
    if not worst <= 2e-6:
        raise Unequal(f"the answers differ by {worst}")


def many(store: str, plain: bool = False) -> dict[str, Any]:
    """A million rows, in this process alone: how long, and how much memory."""
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
    return {
        "rows": MANY,
        "seconds": round(seconds, 2),
        "rows_per_second": round(MANY / seconds),
        "resident_mb": round(resident / 1e6),
    }


def many_alone(store: str, *options: str) -> dict[str, Any]:
    """As above, in a process whose memory holds nothing else."""
    command = [sys.executable, "-m", "bench.batch", "--many", "--store", store, *options]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, timeout=1800)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def growth(store: str, report: Callable[[str], None]) -> dict[str, Any]:
    """Seconds by number of rows, and the exponent: 1 where twice the rows take twice as long."""
    served, _ = opened(store)
    in_columns(telco_csv(SIZES[0]), served)
    seconds = {}
    for rows in SIZES:
        report(f"batch: {rows:,} rows")
        content = telco_csv(rows)
        seconds[rows] = min(_seconds(content, served) for _ in range(3 if rows < MANY else 1))
    return {
        "seconds": {f"{rows}": round(found, 4) for rows, found in seconds.items()},
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


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.batch", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--store", default=os.environ.get("MLOPS_STORE") or ".mlops")
    parser.add_argument("--json", action="store_true", help="answer with JSON")
    parser.add_argument("--many", action="store_true", help="only the million rows, alone")
    parser.add_argument("--plain", action="store_true", help="those in the plain way")
    options = parser.parse_args(arguments)
    if options.many:
        print(json.dumps(many(options.store, options.plain)))
        return 0
    found = compare(options.rows, options.rounds, options.store, _note)
    _note(f"{MANY:,} rows in a process of their own")
    found["many"] = many_alone(options.store)
    print(json.dumps(found, indent=1) if options.json else _table(found))
    return 0


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _table(found: dict[str, Any]) -> str:
    rates, best, large = found["rows_per_second"], found["best_rows_per_second"], found["many"]
    return (
        f"{found['rows']:,} rows of CSV to results, {found['rounds']} rounds, rows a second:\n"
        f"  in columns  median {rates['columns']:>8,}  best {best['columns']:>8,}\n"
        f"  plain way   median {rates['plain']:>8,}  best {best['plain']:>8,}\n"
        f"  ratio       {found['ratio']}\n"
        f"{large['rows']:,} rows: {large['seconds']} s, {large['rows_per_second']:,} rows a second,"
        f" {large['resident_mb']} MB resident at most"
    )


if __name__ == "__main__":
    sys.exit(main())
