"""The API at a URL of this machine, for commands that know it by nothing but a URL.

MiniStack tells APIs apart by the header Host, which no such command sets; and to this machine they
send no signature. Both are added here.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.rehearsal.deployment import Api

# Of one connection alone, or about content that has been decoded; or sent anew.
NOT_PASSED_ON = {"connection", "content-encoding", "content-length", "date", "server"} | {
    "transfer-encoding"
}


@contextmanager
def forwarded(api: Api) -> Iterator[str]:
    """Its URL, so long as it lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802 -- the base class asks for this name
            self._forward(None)

        def do_POST(self) -> None:  # noqa: N802 -- as above
            self._forward(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _forward(self, body: object) -> None:
            answer = api.request(self.command, self.path, body)
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in NOT_PASSED_ON:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: object) -> None:
            """The tests look at what the commands say."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
