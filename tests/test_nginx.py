"""The shipped configuration of the proxy, run by the proxy before two sites that echo."""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DEPLOY = Path(__file__).parents[1] / "deploy"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


class _Echo(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        told = {name.lower(): value for name, value in self.headers.items()}
        body = json.dumps({"path": self.path, **told}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _authority() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    return _certificate("authority", None)


def _certificate(
    name: str, by: tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(by[1].subject if by else called)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(by[0] if by else key, hashes.SHA256())
    )
    return key, made


def _write(
    folder: Path, stem: str, pair: tuple[ec.EllipticCurvePrivateKey, x509.Certificate]
) -> None:
    key, certificate = pair
    (folder / f"{stem}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{stem}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


@contextmanager
def _echoing() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


class Proxy:
    """The shipped configuration, with its ports and folders put elsewhere."""

    def __init__(self, folder: Path, staff: int, kiosk: int) -> None:
        self.folder, self.tls = folder, folder / "tls"
        self.staff_port, self.kiosk_port = _free_port(), _free_port()
        self.tls.mkdir()
        self.authority = _authority()
        for name in ("staff", "kiosk"):
            _write(self.tls, name, _certificate(f"{name}.counterfoil.internal", self.authority))
        _write(self.tls, "terminals-ca", self.authority)
        _write(self.tls, "terminal", _certificate("wing-b-1", self.authority))
        _write(self.tls, "stranger", _certificate("stranger", _authority()))
        shipped = (DEPLOY / "nginx" / "counterfoil.conf").read_text("utf-8")
        for old, new in (
            ("127.0.0.1:8001", f"127.0.0.1:{staff}"),
            ("127.0.0.1:8002", f"127.0.0.1:{kiosk}"),
            ("listen 443 ", f"listen 127.0.0.1:{self.staff_port} "),
            ("listen 8443 ", f"listen 127.0.0.1:{self.kiosk_port} "),
            ("/etc/counterfoil/tls", str(self.tls)),
            ("/var/log/nginx", str(folder)),
        ):
            assert old in shipped, old
            shipped = shipped.replace(old, new)
        (folder / "sites.conf").write_text(shipped)
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(
            f"user root;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
            f"http {{\n{temporary}include {folder}/sites.conf;\n}}\n"
        )
        self.command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")]

    def ask(self, port: int, path: str, *, showing: str = "", name: str) -> tuple[int, bytes]:
        """Give the status and the body."""
        trusting = ssl.create_default_context(cafile=str(self.tls / "terminals-ca.crt"))
        if showing:
            trusting.load_cert_chain(self.tls / f"{showing}.crt", self.tls / f"{showing}.key")
        raw = socket.create_connection(("127.0.0.1", port), 5)
        with trusting.wrap_socket(raw, server_hostname=name) as line:
            asked = HTTPSConnection(name, context=trusting)
            asked.sock = line
            asked.request("GET", path, headers={"X-Terminal-Certificate": "forged"})
            answer = asked.getresponse()
            assert line.version() == "TLSv1.3"
            return answer.status, answer.read()


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    with _echoing() as staff, _echoing() as kiosk:
        made = Proxy(tmp_path, staff, kiosk)
        running = subprocess.Popen([*made.command, "-g", "daemon off;"], stderr=subprocess.PIPE)
        try:
            until = time.monotonic() + 20
            while time.monotonic() < until:
                with suppress(OSError):
                    socket.create_connection(("127.0.0.1", made.kiosk_port), 1).close()
                    break
                assert running.poll() is None, running.communicate()
                time.sleep(0.05)
            yield made
        finally:
            running.terminate()
            running.wait(20)


STAFF, KIOSK = "staff.counterfoil.internal", "kiosk.counterfoil.internal"


def test_the_proxy_lets_staff_through_and_says_who_asks(proxy: Proxy) -> None:
    status, body = proxy.ask(proxy.staff_port, "/pages/abc?x=1", name=STAFF)
    told = json.loads(body)
    assert (status, told["path"], told["host"]) == (200, "/pages/abc?x=1", STAFF)
    assert (told["x-forwarded-for"], told["x-forwarded-proto"]) == ("127.0.0.1", "https")
    for hidden in ("/health", "/health/ready", "/metrics"):
        assert proxy.ask(proxy.staff_port, hidden, name=STAFF)[0] == 404


def test_only_a_terminal_of_ours_reaches_the_kiosk_and_cannot_forge_who_it_is(
    proxy: Proxy,
) -> None:
    status, body = proxy.ask(proxy.kiosk_port, "/", showing="terminal", name=KIOSK)
    shown = json.loads(body)["x-terminal-certificate"]
    assert status == 200
    assert shown.startswith("-----BEGIN%20CERTIFICATE-----")
    assert proxy.ask(proxy.kiosk_port, "/metrics", showing="terminal", name=KIOSK)[0] == 404
    for path in ("/", "/touch", "/enrol/../touch", "/enrolled", "/enrol/xyz", "/alive/x"):
        assert proxy.ask(proxy.kiosk_port, path, name=KIOSK)[0] == 403, path
    with suppress(ssl.SSLError, ConnectionError):
        assert proxy.ask(proxy.kiosk_port, "/", showing="stranger", name=KIOSK)[0] == 400


def test_a_terminal_without_a_certificate_may_only_ask_for_one_and_who_is_there(
    proxy: Proxy,
) -> None:
    for path in ("/alive", "/enrol", f"/enrol/{'0a' * 32}"):
        status, body = proxy.ask(proxy.kiosk_port, path, name=KIOSK)
        assert status == 200
        told = json.loads(body)
        assert (told["path"], told.get("x-terminal-certificate", "")) == (path, "")


def test_the_log_of_the_proxy_holds_no_address(proxy: Proxy) -> None:
    proxy.ask(proxy.staff_port, "/pages/secret-id", name=STAFF)
    until = time.monotonic() + 10
    log = proxy.folder / "counterfoil-staff.log"
    while not log.read_text() and time.monotonic() < until:
        time.sleep(0.05)
    assert re.fullmatch(r"\S+ 200 [\d.]+ \d+\n", log.read_text())


def test_the_proxy_of_the_compose_file_understands_what_it_is_given(tmp_path: Path) -> None:
    """Its names are of that network alone, so only the words are looked at, not the addresses."""
    told = (DEPLOY / "compose.yaml").read_text("utf-8")
    edits = re.findall(r"-e '(s/.*?)'", told)
    assert len(edits) == 3
    shipped = (DEPLOY / "nginx" / "counterfoil.conf").read_text("utf-8")
    turned = subprocess.run(
        ["sed", *(part for each in edits for part in ("-e", each))],
        input=shipped, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "server staff:8001" in turned
    assert "server kiosk:8002 resolve" in turned
    assert "127.0.0.1:800" not in turned
