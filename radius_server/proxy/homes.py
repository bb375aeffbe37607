"""The home servers of a configuration: one way to each, and whether it is alive."""

from __future__ import annotations

import secrets
import selectors
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from common.config import Config
from common.config_access import HomeServer
from common.errors import ConfigError
from common.logging import get_logger
from common.metrics import Counters
from radius_server.packet.codes import Code
from radius_server.packet.forming import form_request
from radius_server.packet.hiding import Hop
from radius_server.packet.packet import Packet
from radius_server.proxy.links import (
    Channel,
    Link,
    Ticket,
    TlsLink,
    UdpLink,
    Unreachable,
    Where,
)
from radius_server.proxy.liveness import Liveness, Patience
from radius_server.proxy.names import LookUp, Names, look_up
from radius_server.radsec.contexts import Contexts, TlsFiles, client_context
from radius_server.radsec.stream import TlsFailure

AUTH_PORT, RADSEC_PORT = 1812, 2083
WATCH_SECONDS = 30.0
"""A silent RadSec connection is asked whether it still lives, RFC 3539 section 3.4.1."""

COMPLAINT_SECONDS = 60.0
_PROBE = object()
_HINTS = {
    "no_message_authenticator": "update it, or let it sign its answers; "
    "else allow_missing_message_authenticator",
    "bad_response_authenticator": "compare the secret on both sides",
    "bad_message_authenticator": "compare the secret on both sides",
}


@dataclass(slots=True)
class Arrived:
    """A reply to `what`."""

    what: Any
    reply: Packet
    ticket: Ticket


class Home:
    """One port of one home server."""

    def __init__(
        self, name: str, link: Link, liveness: Liveness, counters: Counters, watched: bool
    ) -> None:
        self.name = name
        self.link = link
        self.liveness = liveness
        self._counters = counters
        self._watched = watched and link.is_stream
        self._heard_at = 0.0
        self._probe: Ticket | None = None
        self._next_complaint: dict[str, float] = {}
        self._log = get_logger("radius.proxy")

    def ask(
        self, code: int, hop: Hop, pairs: list[tuple[int, bytes]], what: Any, now: float
    ) -> Ticket | None:
        """Send one request; None when it cannot be sent.

        Raises:
            MalformedPacket: it does not fit in a packet.
        """
        try:
            return self.link.send(lambda number: form_request(code, number, hop, pairs), what, now)
        except (TlsFailure, OSError) as failure:
            self._broke(str(failure), now)
            return None

    def ready(self, mask: int, data: Any, now: float) -> Iterator[Arrived]:
        """What has come."""
        try:
            for what, reply, ticket in self.link.ready(mask, data, now):
                self._heard_at = now
                if self.liveness.answered(now):
                    self._log.info("home_server_alive", server=self.name)
                if what is _PROBE:
                    self._probe = None
                else:
                    yield Arrived(what, reply, ticket)
        except (Unreachable, TlsFailure, OSError) as failure:
            self._broke(str(failure), now)
        if isinstance(data, Channel) and data.complaints:
            self._complain(data, now)

    def _complain(self, channel: Channel, now: float) -> None:
        """Answers come and cannot be believed: the commonest mistake of all, so say what to do."""
        for which in channel.complaints:
            if now >= self._next_complaint.get(which, 0.0):
                self._next_complaint[which] = now + COMPLAINT_SECONDS
                hint = _HINTS.get(which)
                self._log.error(
                    "home_server_not_believed", server=self.name, check=which, hint=hint
                )
        channel.complaints.clear()

    def timed_out(self, asked_at: float, now: float) -> None:
        """A request was not answered in time."""
        self._counters.add("proxy_timeouts", server=self.name)
        if self.liveness.timed_out(asked_at, now):
            self._log.warning("home_server_dead", server=self.name, reason="no answer")

    def tick(self, now: float) -> None:
        """Twice a second: send Status-Server where that is due, notice who does not answer."""
        try:
            self.link.tick(now)
        except (Unreachable, TlsFailure, OSError) as failure:
            self._broke(str(failure), now)
        if self.liveness.tick(now):
            self._log.warning("home_server_dead", server=self.name, reason="no answer")
            if isinstance(self.link, TlsLink):
                self.link.broken(now)
        idle = self._watched and self._heard_at and now - self._heard_at > WATCH_SECONDS
        if self.liveness.wants_probe(now) or idle:
            self._heard_at = now
            self._send_probe(now)

    def _send_probe(self, now: float) -> None:
        if self._probe is not None:
            self.link.drop(self._probe)
        hop = Hop(self.link.secret, secrets.token_bytes(16))
        self._probe = self.ask(Code.STATUS_SERVER, hop, [], _PROBE, now)
        self.liveness.probed(now)

    def _broke(self, why: str, now: float) -> None:
        if isinstance(self.link, TlsLink):
            self.link.broken(now)
        if self.liveness.failed(now):
            self._log.warning("home_server_dead", server=self.name, reason=why)


class Homes:
    """All of them by name; accounting over UDP has a port, and a life, of its own."""

    def __init__(
        self,
        config: Config,
        selector: selectors.BaseSelector,
        counters: Counters,
        look_up: LookUp = look_up,
    ) -> None:
        """Raises ConfigError when a secret or a certificate cannot be read."""
        proxy = config.proxy
        self.names = Names(look_up)
        self._patience = Patience(
            answer=proxy.answer_seconds, probe=proxy.probe_seconds, revive=proxy.revive_seconds
        )
        self._selector = selector
        self._counters = counters
        self._contexts: Contexts | None = None
        self._auth: dict[str, Home] = {}
        self._acct: dict[str, Home] = {}
        for name, server in proxy.server.items():
            if server.transport == "radsec":
                self._auth[name] = self._acct[name] = self._radsec(config, name, server)
            else:
                secret = secret_of(name, server)
                self._auth[name] = self._udp(name, server, server.port or AUTH_PORT, secret)
                self._acct[name] = self._udp(f"{name}/acct", server, server.acct_port, secret)

    def named(self, names: tuple[str, ...], *, accounting: bool) -> list[Home]:
        """Those of a route, the one to be asked first in front."""
        table = self._acct if accounting else self._auth
        return sorted((table[name] for name in names), key=lambda home: home.liveness.state)

    def all(self) -> list[Home]:
        """Each once."""
        return list(
            {id(home): home for home in (*self._auth.values(), *self._acct.values())}.values()
        )

    def of(self, link: Link) -> Home:
        """Whose way this is."""
        return next(home for home in self.all() if home.link is link)

    def close(self) -> None:
        self.names.stop()
        for home in self.all():
            home.link.close()

    def _where(self, host: str, port: int) -> Where:
        self.names.add(host)
        return lambda: self.names.addresses(host, port)

    def _udp(self, name: str, server: HomeServer, port: int, secret: bytes) -> Home:
        signed = not server.allow_missing_message_authenticator
        where = self._where(server.host, port)
        link = UdpLink(where, secret, self._selector, self._counters, signed=signed)
        return self._home(name, server, link)

    def _radsec(self, config: Config, name: str, server: HomeServer) -> Home:
        if self._contexts is None:
            files, lowest = TlsFiles.of(config), config.radsec.tls_min
            self._contexts = Contexts(lambda crl: client_context(files, crl, lowest), files)
        link = TlsLink(
            self._where(server.host, server.port or RADSEC_PORT),
            server.certificate_name or server.host,
            self._contexts,
            self._selector,
            self._counters,
        )
        return self._home(name, server, link)

    def _home(self, name: str, server: HomeServer, link: Link) -> Home:
        liveness = Liveness(self._patience, takes_status=server.status_server)
        return Home(name, link, liveness, self._counters, server.status_server)


def check(config: Config) -> None:
    """Raise ConfigError when a secret or a certificate cannot be read; before workers start."""
    with selectors.DefaultSelector() as selector:
        Homes(config, selector, Counters()).close()


def secret_of(name: str, server: HomeServer) -> bytes:
    """The shared secret of a home server over UDP.

    Raises:
        ConfigError: its file cannot be read, or is empty.
    """
    key = f"proxy.server.{name}.secret_file"
    if server.secret_file is None:
        return server.secret.encode()
    try:
        secret = server.secret_file.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"cannot read {server.secret_file}: {error.strerror}", key) from error
    if not secret:
        raise ConfigError(f"{server.secret_file} is empty", key)
    return secret
