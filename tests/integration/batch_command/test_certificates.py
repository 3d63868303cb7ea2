"""Whom the command line trusts, on its own way to an API and through a proxy that inspects TLS."""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.integration.batch_command.conftest import Batch
from tests.integration.batch_command.fake_api import JOB

NAMES = ("localhost", "api.example.com")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of both names, with its key; signed by nobody else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ours")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(map(x509.DNSName, NAMES)), critical=False)
        .sign(key, hashes.SHA256())
    )
    written = tmp_path / "certificate.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    written.write_bytes(made.public_bytes(Encoding.PEM) + private)
    return written


@pytest.fixture
def port(certificate: Path) -> Iterator[int]:
    """A server that is the API and the proxy in front of it: it has no job at all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            if self.request.recv(1, socket.MSG_PEEK) == b"\x16":  # TLS begins so, CONNECT not
                self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

        def finish(self) -> None:
            super().finish()
            self.connection.close()

        def do_CONNECT(self) -> None:  # noqa: N802 -- the base class asks for this name
            self.send_response(200)
            self.end_headers()
            self.request = context.wrap_socket(self.connection, server_side=True)
            super().setup()
            self.close_connection = False

        def do_GET(self) -> None:  # noqa: N802 -- as above
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Whoever does not trust it hangs up."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("proxied", [False, True])
def test_who_is_trusted_is_named_by_the_aws_cli_s_variable(
    run: Batch, certificate: Path, port: int, monkeypatch: pytest.MonkeyPatch, proxied: bool
) -> None:
    monkeypatch.setenv("MLOPS_API_TOKEN", "token")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
    url = "https://api.example.com" if proxied else f"https://localhost:{port}"
    monkeypatch.setenv("AWS_CA_BUNDLE", "")
    assert "self-signed certificate" in run("status", JOB, "--url", url).refusal
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    assert "was answered with 404" in run("status", JOB, "--url", url).refusal
    monkeypatch.setenv("AWS_CA_BUNDLE", "gone.pem")
    refusal = run("status", JOB, "--url", url).refusal
    assert refusal == "AWS_CA_BUNDLE: there is no file gone.pem"
    # What does not leave this machine needs nobody's.
    assert "cannot be reached" in run("status", JOB, "--url", "http://127.0.0.1:9").refusal


@pytest.mark.parametrize(
    ("variable", "named"),
    [("AWS_CA_BUNDLE", "AWS_CA_BUNDLE"), ("https_proxy", "HTTPS_PROXY")],
)
def test_a_line_feed_in_a_setting_of_the_connection_is_named(
    run: Batch, monkeypatch: pytest.MonkeyPatch, variable: str, named: str
) -> None:
    monkeypatch.setenv("MLOPS_API_TOKEN", "token")
    monkeypatch.setenv(variable, "http://127.0.0.1:9\n")
    assert run("status", JOB, "--url", "https://api.example.com").refusal == (
        f"{named}: it contains a line feed; set it again without it"
    )
