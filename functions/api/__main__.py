"""`make run`: serve the newest registered version of each model on this machine."""

import argparse
import os
import socket
import sys
from pathlib import Path

import uvicorn
from pydantic import ValidationError

from functions.api.settings import read_settings
from mlops.bootstrap import open_registry
from mlops.errors import MlopsError

_CURL = """\
curl -X POST {url}/v1/predict/churn -H 'Content-Type: application/json' \\
  -d '{{"customer_id": "C12345", "tenure": 24, "monthly_charges": 79.50}}'
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m functions.api", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--host", default="127.0.0.1")
    arguments = parser.parse_args()
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
    _require_free(arguments.host, arguments.port)
    os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "api")
    os.environ.setdefault("MLOPS_CACHE_DIR", ".mlops/cache")
    url = f"http://{arguments.host}:{arguments.port}"
    print(f"Serving {os.environ['MLOPS_PINS']}\nSwagger: {url}/docs\nTry it:\n")
    print(_CURL.format(url=url), flush=True)
    uvicorn.run(
        "functions.api.asgi:create",
        factory=True,
        host=arguments.host,
        port=arguments.port,
        reload=True,
        reload_dirs=[str(Path(folder)) for folder in ("functions", "layers")],
        log_level="warning",
    )


def _require_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OverflowError:
            sys.exit(f"{port} is no port; ports go up to 65535")
        except OSError as error:
            sys.exit(f"Port {port} cannot be used ({error.strerror}): make run PORT={port + 1}")


if __name__ == "__main__":
    main()
