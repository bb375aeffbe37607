"""Real peers of witnesses on loopback: an HTTPS server, an SMTP server, an RFC 3161 authority.

The authority is `openssl ts` behind HTTP; certificates are made here for each test.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.programs import require


@dataclass
class Authority:
    """A certificate authority in a folder, and what it issues."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"CA {self.folder.name}")])
        self._name = name
        self._issue("ca", name, self._key, authority=True)

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    def server(self, *, days: int = 30) -> ssl.SSLContext:
        """A TLS server on 127.0.0.1 with a certificate of this authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "witness")])
        self._issue("server", name, key, days=days)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        return context

    def stamper(self, *, purpose: bool = True) -> tuple[Path, Path]:
        """Certificate and key for time-stamps; without `purpose` it is for servers only."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stamper")])
        self._issue("stamper", name, key, stamps=purpose)
        return self.folder / "stamper.pem", self.folder / "stamper.key"

    def _issue(
        self,
        file: str,
        name: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        authority: bool = False,
        stamps: bool = False,
        days: int = 30,
    ) -> None:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=authority,
                    crl_sign=authority,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if stamps:
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
            builder = builder.add_extension(usage, critical=True)
        elif not authority:
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
            builder = builder.add_extension(usage, critical=False)
            names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
            builder = builder.add_extension(names, critical=False)
        made = builder.sign(self._key, hashes.SHA256())
        (self.folder / f"{file}.pem").write_bytes(made.public_bytes(Encoding.PEM))
        (self.folder / f"{file}.key").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )


@dataclass
class Posted:
    """What an HTTP peer was sent, and what it answers."""

    bodies: list[bytes] = field(default_factory=list)
    status: int = 200
    port: int = 0
    answer: bytes = b""


@contextmanager
def http_server(posted: Posted, tls: ssl.SSLContext | None = None) -> Iterator[Posted]:
    """An HTTP server that keeps what is posted to it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.bodies.append(body)
            answer = respond(body) if respond else posted.answer
            self.send_response(posted.status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_arguments: object) -> None:
            pass

    respond = getattr(posted, "respond", None)
    server = ThreadingHTTPServer(("127.0.0.1", posted.port), Handler)
    server.handle_error = lambda *_arguments: None  # type: ignore[method-assign]
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    posted.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield posted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Stamping(Posted):
    """A time-stamping authority: `openssl ts` answers what is posted."""

    def __init__(self, folder: Path, certificate: Path, key: Path) -> None:
        super().__init__()
        self._openssl = require("openssl", "openssl")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.frozen: bytes | None = None
        """An answer that is given to every request, as a replay would."""
        (folder / "serial").write_text("01\n")
        (folder / "ts.cnf").write_text(
            f"""[tsa]
default_tsa = here
[here]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {certificate}
signer_key = {key}
signer_digest = sha256
default_policy = 1.3.6.1.4.1.32473.1
digests = sha256
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
"""
        )

    def respond(self, query: bytes) -> bytes:
        if self.frozen is not None:
            return self.frozen
        number = len(self.bodies)
        asked, said = self._folder / f"{number}.tsq", self._folder / f"{number}.tsr"
        asked.write_bytes(query)
        subprocess.run(
            [
                *(self._openssl, "ts", "-reply", "-config", self._folder / "ts.cnf"),
                *("-queryfile", asked, "-out", said),
            ],
            check=True,
            capture_output=True,
            timeout=20,
        )
        return said.read_bytes()


@dataclass
class Letters:
    """A mail server that takes letters, over TLS where it has a certificate."""

    context: ssl.SSLContext | None = None
    password: str = ""
    letters: list[bytes] = field(default_factory=list)
    receivers: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    port: int = 0

    @contextmanager
    def running(self) -> Iterator[Letters]:
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        thread = threading.Thread(target=self._serve, args=(listener,))
        thread.start()
        try:
            yield self
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.settimeout(10)
            with contextlib.suppress(OSError), contextlib.ExitStack() as opened:
                opened.callback(client.close)
                self._talk(client, opened)

    def _talk(self, client: socket.socket, opened: contextlib.ExitStack) -> None:
        stream = opened.enter_context(client.makefile("rwb"))
        secure = False

        def say(text: str) -> None:
            stream.write(text.encode() + b"\r\n")
            stream.flush()

        say("220 lab ESMTP")
        while line := stream.readline():
            word = line.decode().strip()
            verb = word.upper().split(" ")[0]
            if verb == "EHLO":
                say("250-lab")
                if self.context and not secure:
                    say("250-STARTTLS")
                say("250 AUTH PLAIN")
            elif verb == "STARTTLS" and self.context:
                say("220 go ahead")
                client = self.context.wrap_socket(client, server_side=True)
                opened.callback(client.close)
                stream, secure = opened.enter_context(client.makefile("rwb")), True
            elif verb == "AUTH":
                self.logins.append(word)
                say("235 ok" if not self.password or self._knows(word) else "535 no")
            elif verb == "RCPT":
                self.receivers.append(word)
                say("250 ok")
            elif verb == "DATA":
                say("354 go on")
                letter = b""
                while (more := stream.readline()) != b".\r\n":
                    letter += more[1:] if more.startswith(b"..") else more
                self.letters.append(letter)
                say("250 kept")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")

    def _knows(self, word: str) -> bool:
        return base64.b64decode(word.split(" ")[2]).decode().split("\0")[2] == self.password
