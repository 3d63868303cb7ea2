"""S3 on the loopback, as a process of its own: `python -m tests.integration.s3_server`.

Prints the port it was given. One request at a time: moto checks a condition and writes in two
steps, which two threads could interleave, and S3's conditional writes would not be any more.
"""

import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


def main() -> None:
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app))
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
