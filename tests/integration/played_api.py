"""An API that goes wrong as it is told, from its twentieth answer on.

python -m tests.integration.played_api FAULT: prints its port, and serves until it is ended.
"""

import json
import os
import socket
import struct
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

GOOD = 19
NO_LINGERING = struct.pack("ii", 1, 0)  # what is closed then is reset


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    numbers = count(1)
    fault: Callable[["Answering", str], None]

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if next(self.numbers) > GOOD:
            type(self).fault(self, asked["customer_id"])
        else:
            self.predict(asked["customer_id"])

    def predict(self, customer: str, probability: float = 0.5) -> None:
        self.answer(200, {"customer_id": customer, "churn_probability": probability})

    def answer(self, status: int, said: Any) -> None:
        content = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def hang_up(self) -> None:
        self.close_connection = True

    def garble(self) -> None:
        self.wfile.write(b"nothing like HTTP\r\n\r\n")
        self.hang_up()

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGERING)
        self.connection.close()
        self.hang_up()

    def log_message(self, *_: object) -> None:
        pass


FAULTS: dict[str, Callable[[Answering, str], None]] = {
    "none": Answering.predict,
    "refuses": lambda api, customer: api.answer(503, {"detail": "busy"}),
    "mistakes": lambda api, customer: api.predict("C0"),
    "errs": lambda api, customer: api.predict(customer, 0.500001),
    "raves": lambda api, customer: api.answer(200, [customer]),
    "hangs up": lambda api, customer: api.hang_up(),
    "garbles": lambda api, customer: api.garble(),
    "resets": lambda api, customer: api.reset(),
    "is silent": lambda api, customer: time.sleep(60),
    "dies": lambda api, customer: os._exit(1),
}


def main(fault: str) -> None:
    Answering.fault = FAULTS[fault]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
