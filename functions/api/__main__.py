"""`make run`: serve the newest registered version of each model on this machine."""

import argparse
import os
import re
import socket
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from pydantic import ValidationError
from uvicorn.supervisors import ChangeReload

from functions.api.local_key import keep_log_key
from functions.api.settings import LOG_KEY, read_settings
from mlops.bootstrap.registry import open_registry
from mlops.errors import MlopsError

_CURL = """\
curl -X POST {url}/v1/predict/churn -H 'Content-Type: application/json' \\
  -d '{{"customer_id": "C12345", "tenure": 24, "monthly_charges": 79.50}}'

Or submit a file of customers:

MLOPS_API_URL={url} .venv/bin/mlops batch submit FILE --wait
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m functions.api", description=__doc__)
    parser.add_argument("--port", default="8000")
    parser.add_argument("--host", default="127.0.0.1")
    arguments = parser.parse_args()
    port = _port(arguments.port)
    _forget_empty_settings()
    store = os.environ.setdefault("MLOPS_STORE", ".mlops")
    try:
        if "MLOPS_PINS" not in os.environ:
            newest = {entry.version.model: entry.pin for entry in open_registry(store).entries()}
            os.environ["MLOPS_PINS"] = ",".join(map(str, newest.values()))
        read_settings().parsed_pins()
    except ValidationError as error:
        sys.exit("; ".join(f"{wrong['loc'][0]}: {wrong['msg']}" for wrong in error.errors()))
    except MlopsError as error:
        sys.exit(str(error))
    if not os.environ["MLOPS_PINS"]:
        sys.exit(f"No model is registered in {store}: mlops train churn && mlops register churn")
    _require_free(arguments.host, port)
    # A queue belongs to its store: it names jobs that lie there.
    state = ".mlops" if urlsplit(store).scheme else store
    os.environ.setdefault("MLOPS_QUEUE", str(Path(state) / "queue"))
    os.environ.setdefault("MLOPS_CACHE_DIR", ".mlops/cache")
    if LOG_KEY not in os.environ:
        os.environ[LOG_KEY] = keep_log_key(Path(state))
    url = f"http://{arguments.host}:{port}"
    os.environ.setdefault("MLOPS_SERVED_AT", url)
    print(f"Serving {os.environ['MLOPS_PINS']}\nSwagger: {url}/docs\nTry it:\n")
    print(_CURL.format(url=url), flush=True)
    config = uvicorn.Config(
        "functions.api.asgi:create",
        factory=True,
        host=arguments.host,
        port=port,
        reload=True,
        reload_dirs=[str(Path(folder)) for folder in ("functions", "layers")],
        log_level="warning",
    )
    with suppress(KeyboardInterrupt):
        ChangeReload(config, target=uvicorn.Server(config).run, sockets=[listening(config)]).run()


def listening(config: uvicorn.Config) -> socket.socket:
    """What connections are accepted from, by every process that is loaded anew.

    uvicorn writes an answer's head and its body apart. With a socket that was handed on, nobody
    asks for the body to be sent at once, and then it waits until the client has acknowledged the
    head: 40 ms, for everyone who asks again at once over the same connection.
    """
    made = config.bind_socket()
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by what is accepted
    return made


def _forget_empty_settings() -> None:
    """An empty one is none: neither no pin at all nor a queue without a place."""
    for name, value in [*os.environ.items()]:
        if name.startswith("MLOPS_") and not value:
            del os.environ[name]


def _port(text: str) -> int:
    # 0 would be any free one, and another after each reload.
    if re.fullmatch("[0-9]{1,5}", text) is None or not 0 < int(text) <= 65535:
        sys.exit(f"{text!r} is no port; ports are numbers from 1 to 65535: make run PORT=8000")
    return int(text)


def _require_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            sys.exit(f"Port {port} cannot be used ({error.strerror}): make run PORT={port + 1}")


if __name__ == "__main__":
    main()
