"""A running site with RadSec, and a client of RADIUS over TLS built from the RFCs alone."""

from __future__ import annotations

import itertools
import secrets
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pytest

from tests.certificates import Authority, Issued
from tests.conftest import free_port
from tests.integration.radius_packets import access_request, accounting_request, attribute
from tests.integration.radius_site import LiveSite, Server, running_radius, site_of_kind

TLS_SECRET = b"radsec"
IDENTITY = "ap.school-1.example"
_RADSEC = """\
[radsec]
ca = "{ca}"
crl = "{crl}"
"""


@dataclass(frozen=True, slots=True)
class RadSecSite:
    """A site, the authority of its clients, and where it listens."""

    live: LiveSite
    authority: Authority
    server_ca: Path
    """The issuer of the server's certificate."""
    port: int
    revoked: Path

    def enrol(self, name: str, identity: str = IDENTITY) -> Issued:
        """A NAS that is known by its certificate, and that certificate."""
        self.live.yuenyan("nas", "add", name, f"radsec:{identity}")
        return self.authority.issue(name, [identity])

    def client(self, issued: Issued | None, **more: object) -> RadSecClient:
        """A client that knows the site's certificate authority."""
        return RadSecClient(self.port, self.server_ca, issued, **more)  # type: ignore[arg-type]


@contextmanager
def running_radsec(
    request: pytest.FixtureRequest,
    folder: Path,
    kind: str,
    more: str = "[database]",
    *,
    server_name: str = "",
    workers: int = 2,
) -> Iterator[tuple[RadSecSite, Server]]:
    """A RADIUS server with RadSec; its clients' authority has an empty revocation list.

    Args:
        more: sections of the configuration, up to and with "[database]".
        workers: how many, on PostgreSQL.
        server_name: what the server's certificate says, of the same authority; else the
            site's own is used.
    """
    (folder / "clients").mkdir()
    authority = Authority(folder / "clients")
    revoked = folder / "clients" / "revoked.crl"
    authority.write_list(revoked)
    own = ""
    if server_name:
        issued = authority.issue("server", [server_name])
        own = f'certificate = "{issued.chain}"\nprivate_key = "{issued.key}"\n'
    port = free_port()
    changes = {
        "[database]": _RADSEC.format(ca=authority.ca, crl=revoked) + own + more,
        "[radius]\n": f'[radius]\nradsec = ["127.0.0.1:{port}"]\n',
        "workers = 2\n": f"workers = {workers}\n",
    }
    live = site_of_kind(request, folder, kind, changes)
    with running_radius(live) as server:
        server_ca = authority.ca if server_name else live.site.data_dir / "ca" / "ca.pem"
        yield RadSecSite(live, authority, server_ca, port, revoked), server


class RadSecClient:
    """One connection. `application` is what ALPN agreed on."""

    def __init__(
        self,
        port: int,
        ca: Path,
        issued: Issued | None,
        *,
        alpn: tuple[str, ...] = (),
        version: ssl.TLSVersion | None = None,
        receive_octets: int | None = None,
    ) -> None:
        context = ssl.create_default_context(cafile=str(ca))
        context.check_hostname = False
        if version is not None:
            context.minimum_version = context.maximum_version = version
        if issued is not None:
            context.load_cert_chain(issued.chain, issued.key)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        plain = socket.socket()
        if receive_octets is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_octets)
        plain.settimeout(10)
        try:
            plain.connect(("127.0.0.1", port))
            self.tls = context.wrap_socket(plain, server_hostname=None)
        except BaseException:
            plain.close()
            raise
        self.application = self.tls.selected_alpn_protocol()
        self._identifiers = itertools.cycle(range(256))
        self._rest = b""

    def __enter__(self) -> RadSecClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.tls.close()

    def access(self, name: str, password: str) -> bytes:
        """Send an Access-Request of RADIUS/1.0; returns it."""
        octets = access_request(
            next(self._identifiers), TLS_SECRET, name.encode(), password.encode()
        )
        self.tls.sendall(octets)
        return octets

    def account(self, status: int, session: str, name: str) -> bytes:
        """Send an Accounting-Request of RADIUS/1.0; returns it."""
        octets = accounting_request(
            next(self._identifiers), TLS_SECRET, status, session.encode(), name=name.encode()
        )
        self.tls.sendall(octets)
        return octets

    def modern(self, code: int, *attributes: tuple[int, bytes]) -> bytes:
        """Send a request of RADIUS/1.1; returns its Token."""
        token = secrets.token_bytes(4)
        body = b"".join(attribute(kind, value) for kind, value in attributes)
        head = struct.pack("!BBH", code, 0, 20 + len(body))
        self.tls.sendall(head + token + bytes(12) + body)
        return token

    def receive(self) -> bytes:
        """The next packet; nothing when the server has closed."""
        while len(self._rest) < 4 or len(self._rest) < int.from_bytes(self._rest[2:4], "big"):
            try:
                octets = self.tls.recv(65536)
            except ConnectionResetError:
                octets = b""
            if not octets:
                assert not self._rest, "the last packet is cut off"
                return b""
            self._rest += octets
        length = int.from_bytes(self._rest[2:4], "big")
        packet, self._rest = self._rest[:length], self._rest[length:]
        return packet
