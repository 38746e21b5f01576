"""Upstreams over TLS: whom the gateway trusts, what it shows of itself, and the name it expects."""

import datetime
import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from structlog.testing import capture_logs

from sisf.testing import chat_completion
from tests.gateway.conftest import chat, rig

NAME = "model.internal"


@dataclass(frozen=True)
class Pair:
    certificate: Path
    key: Path


class Authority:
    """Issues certificates; `ca` is its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.ca = self._write("ca", self._name, self._key, x509.BasicConstraints(ca=True, path_length=None)).certificate

    def issue(self, name: str) -> Pair:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        key = ec.generate_private_key(ec.SECP256R1())
        return self._write(name, subject, key, x509.SubjectAlternativeName([x509.DNSName(name)]))

    def _write(
        self, name: str, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> Pair:
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(extension, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        pair.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        form = serialization.PrivateFormat.PKCS8
        pair.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
        return pair


class Model(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = chat_completion("behind TLS")
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


class Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Handshakes that fail are what some of these tests are about."""


@contextmanager
def serving(authority: Authority, pair: Pair) -> Iterator[str]:
    """A model that shows `pair` and wants to see a certificate of the authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.ca))
    context.load_cert_chain(pair.certificate, pair.key)
    context.verify_mode = ssl.CERT_REQUIRED
    with Quiet(("127.0.0.1", 0), Model) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def test_tls_both_ways_under_another_name(authority: Authority, tmp_path: Path) -> None:
    shown, own = authority.issue(NAME), authority.issue("gateway")
    right = {
        "ca_file": str(authority.ca),
        "client_cert": str(own.certificate),
        "client_key": str(own.key),
        "tls_server_name": NAME,
    }
    strangers = Authority(tmp_path)
    forged = strangers.issue("gateway")
    wrong: list[dict[str, str]] = [
        {"ca_file": ""},
        {"ca_file": str(strangers.ca)},
        {"tls_server_name": ""},
        {"tls_server_name": "other.internal"},
        {"client_cert": "", "client_key": ""},
        {"client_cert": str(forged.certificate), "client_key": str(forged.key)},
    ]
    with serving(authority, shown) as url:

        def status(options: dict[str, str]) -> int:
            with rig(upstream_url="", upstreams={"model": {"url": url, **options}}) as gateway:
                return gateway.post(chat("hi")).status

        assert status(right) == 200
        assert [status({**right, **change}) for change in wrong] == [502] * len(wrong)


@contextmanager
def speaking_no_tls() -> Iterator[str]:
    """A server that takes the beginning of TLS for a broken request."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(4096)
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        yield f"https://127.0.0.1:{server.getsockname()[1]}/v1"
        server.shutdown(socket.SHUT_RDWR)


def test_operators_are_told_why_there_is_no_connection_and_clients_are_not(authority: Authority) -> None:
    with serving(authority, authority.issue(NAME)) as url, speaking_no_tls() as plain:
        ca = {"ca_file": str(authority.ca)}
        for options, said in (
            ({"url": url}, "its certificate is not trusted: "),
            ({"url": url, **ca}, "its certificate is not trusted: "),
            (
                {"url": plain, **ca},
                ("no TLS could be agreed on: ", "the other side closed"),
            ),
            ({"url": "http://name.invalid/v1"}, "there is no such name"),
            ({"url": "http://127.0.0.1:9/v1"}, "nothing listens there"),
        ):
            with rig(upstream_url="", upstreams={"model": options}) as gateway, capture_logs() as logs:
                answer = gateway.post(chat("hi"))
            told = [line["reason"] for line in logs if line["event"] == "upstream_failed"]
            assert len(told) == 1
            assert told[0].removeprefix(f"{options['url']}: unreachable, ").startswith(said), told
            assert (answer.status, answer.json()["error"]["code"]) == (502, "upstream_unreachable")
            assert options["url"].split("/")[2] not in answer.body.decode()
