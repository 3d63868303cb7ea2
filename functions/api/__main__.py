"""`make run`: serve the newest registered version of each model on this machine."""

import argparse
import json
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from pydantic import ValidationError

from functions.api.connections import BACKLOG, BoundedConnection
from functions.api.local_key import keep_log_key
from functions.api.settings import LOG_KEY, read_settings
from functions.api.supervisor import NewestPins, Supervisor, bind
from mlops.bootstrap import open_objects
from mlops.bootstrap.registry import open_registry
from mlops.errors import MlopsError
from mlops.inference.loading import read_contract, read_manifest
from mlops.models.characters import find_control_character
from mlops.registry.versions import StoredVersions

_FOLDER_SECONDS, _BUCKET_SECONDS = 1.0, 10.0
"""How often the registry in a folder, or in a bucket, is asked for newer versions."""

_LAST_ANSWERS_SECONDS = 5
"""How long a server that stops waits for clients that are in the middle of a request."""

_LOCATIONS = (
    "MLOPS_STORE",
    "MLOPS_QUEUE",
    "MLOPS_SERVED_AT",
    "MLOPS_CACHE_DIR",
    "MLOPS_MODELS_DIR",
)

_CURL = """\
curl -X POST {url}/v1/predict/{model} -H 'Content-Type: application/json' \\
  -d {request}
"""
_SUBMIT = """\
Or submit a file of rows:

MLOPS_API_URL={url} .venv/bin/mlops batch submit FILE --model {model} --wait
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m functions.api", description=__doc__)
    parser.add_argument("--port", default="8000")
    parser.add_argument("--host", default="127.0.0.1")
    arguments = parser.parse_args()
    port = _port(arguments.port)
    _forget_empty_settings()
    _refuse_control_characters()
    store = os.environ.setdefault("MLOPS_STORE", ".mlops")
    try:
        newest = None if "MLOPS_PINS" in os.environ else _watch(store)
        if newest is not None:
            os.environ["MLOPS_PINS"] = newest.pins
        read_settings().parsed_pins()
    except ValidationError as error:
        sys.exit("; ".join(f"{wrong['loc'][0]}: {wrong['msg']}" for wrong in error.errors()))
    except MlopsError as error:
        sys.exit(str(error))
    if not os.environ["MLOPS_PINS"]:
        sys.exit(
            f"No model is registered in {store}. Train and register one:"
            f" mlops train churn && mlops register churn --store {store}"
        )
    # The queue belongs to its store: its messages name jobs in that store.
    state = ".mlops" if urlsplit(store).scheme else store
    os.environ.setdefault("MLOPS_QUEUE", str(Path(state) / "queue"))
    os.environ.setdefault("MLOPS_CACHE_DIR", ".mlops/cache")
    if LOG_KEY not in os.environ:
        os.environ[LOG_KEY] = keep_log_key(Path(state))
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    url = f"http://{host}:{port}"
    os.environ.setdefault("MLOPS_SERVED_AT", url)
    config = uvicorn.Config(
        "functions.api.asgi:create",
        factory=True,
        host=arguments.host,
        port=port,
        http=BoundedConnection,
        backlog=BACKLOG,
        reload=True,
        reload_dirs=[str(Path(folder)) for folder in ("functions", "layers")],
        timeout_graceful_shutdown=_LAST_ANSWERS_SECONDS,
        log_level="warning",
    )
    supervisor = Supervisor(config, lambda: bind(arguments.host, port), newest)
    print(f"Serving {os.environ['MLOPS_PINS']}\nSwagger: {url}/docs\nTry it:\n")
    print("\n".join(_describe(url, store)), flush=True)
    if newest is not None:
        newest.watch()
    with suppress(KeyboardInterrupt):
        supervisor.run()


def _describe(url: str, store: str) -> Iterator[str]:
    """Yield a request for each model, and how to submit a file."""
    pins = read_settings().parsed_pins()
    versions = StoredVersions(open_objects(store))
    for pin in pins:
        try:
            contract = read_contract(versions, read_manifest(versions, pin))
        except MlopsError as error:
            yield f"{pin.version} cannot be served: {error}\n"
            continue
        request = shlex.quote(json.dumps(next(iter(contract.examples.values()))))
        yield _CURL.format(url=url, model=contract.model, request=request)
    yield _SUBMIT.format(url=url, model=pins[0].version.model)


def _watch(store: str) -> NewestPins:
    """Find the newest version of each model in a store. Raises MlopsError."""

    def read() -> str:
        newest = {entry.version.model: entry.pin for entry in open_registry(store).entries()}
        return ",".join(map(str, newest.values()))

    return NewestPins(read, read(), _BUCKET_SECONDS if urlsplit(store).scheme else _FOLDER_SECONDS)


def _forget_empty_settings() -> None:
    """Treat an empty setting as one that is not set."""
    for name, value in [*os.environ.items()]:
        if name.startswith("MLOPS_") and not value:
            del os.environ[name]


def _refuse_control_characters() -> None:
    for name in _LOCATIONS:
        if found := find_control_character(os.environ.get(name, "")):
            sys.exit(f"{name} contains {found}. Set it again without it")


def _port(text: str) -> int:
    # With 0 the system would choose another port after each restart.
    if re.fullmatch("[0-9]{1,5}", text) is None or not 0 < int(text) <= 65535:
        sys.exit(f"{text!r} is no port. A port is a number from 1 to 65535: make run PORT=8000")
    return int(text)


if __name__ == "__main__":
    main()
