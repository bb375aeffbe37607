"""A RADIUS client: one server after another, the same octets again, and no answer unproven.

An answer without Message-Authenticator decides no login, whoever sends it (CVE-2024-3596).
"""

from __future__ import annotations

import secrets
import select
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from captive_portal.gateway.attributes import Device, access_pairs, read_grant
from captive_portal.gateway.clients import Grant
from common.config_gateway import Gateway
from common.errors import BackendUnavailable, MalformedPacket, NotAuthentic
from common.logging import get_logger
from common.metrics import Counters
from radius_server.packet.authenticator import SharedSecret
from radius_server.packet.codes import Attribute, Code
from radius_server.packet.forming import form_request, read_reply
from radius_server.packet.hiding import Hop, Pair
from radius_server.packet.packet import MAXIMUM_OCTETS, Packet

SEND_AFTER = (0.0, 1.0, 2.5)
SERVER_SECONDS = 5.0
"""For one server, its copies included; a password hash and a busy day have room in it."""

_ANSWERS = {
    Code.ACCESS_REQUEST: frozenset({Code.ACCESS_ACCEPT, Code.ACCESS_REJECT, Code.ACCESS_CHALLENGE}),
    Code.ACCOUNTING_REQUEST: frozenset({Code.ACCOUNTING_RESPONSE}),
}

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Rejected:
    """The server says no; `text` is its Reply-Message."""

    text: str = ""


class RadiusClient:
    """Asks the servers of `settings`; the one that answered last is asked first.

    Usable by several threads: each exchange has a socket of its own.
    """

    def __init__(self, settings: Gateway, secret: bytes, counters: Counters) -> None:
        self._settings = settings
        self._secret = secret
        self._hiding = SharedSecret(secret)
        self._counters = counters
        self._lock = threading.Lock()
        self._preferred: dict[Sequence[Place], Place] = {}
        self._log = get_logger(__name__)

    def log_in(
        self, device: Device, username: str, password: str, session_id: str
    ) -> Grant | Rejected:
        """Whether this one-time token lets this device in. Blocks for seconds.

        Raises:
            BackendUnavailable: no server answered.
        """
        authenticator = secrets.token_bytes(16)
        hidden = self._hiding.hide_password(password.encode()[:128], authenticator)
        pairs = [
            *access_pairs(self._settings, device, username, session_id),
            (Attribute.USER_PASSWORD, hidden),
        ]
        hop = Hop(self._secret, authenticator)
        reply = self._exchange(Code.ACCESS_REQUEST, hop, pairs, self._settings.access)
        if reply.code != Code.ACCESS_ACCEPT:
            return Rejected(reply.text(Attribute.REPLY_MESSAGE) or "")
        try:
            return read_grant(self._settings, username, reply)
        except MalformedPacket as error:
            raise BackendUnavailable("RADIUS", f"its Access-Accept is broken: {error}") from error

    def account(self, pairs: Iterable[Pair]) -> None:
        """Tell a server of a session; BackendUnavailable when none has taken it."""
        hop = Hop(self._secret, bytes(16))
        self._exchange(Code.ACCOUNTING_REQUEST, hop, list(pairs), self._settings.accounting)

    def _exchange(
        self, code: Code, hop: Hop, pairs: Sequence[Pair], places: Sequence[Place]
    ) -> Packet:
        with self._lock:
            first = self._preferred.get(places)
        problem = "no server is configured"
        for place in sorted(places, key=lambda one: one != first):
            request = form_request(code, secrets.randbelow(256), hop, pairs)
            try:
                reply = self._ask(place, request)
            except OSError as error:
                problem = f"{place[0]}: {error}"
                continue
            if reply is not None:
                with self._lock:
                    self._preferred[places] = place
                return reply
            problem = f"{place[0]} port {place[1]} does not answer; check address and secret"
        self._count("radius_unanswered")
        raise BackendUnavailable("RADIUS", problem)

    def _ask(self, place: Place, request: bytes) -> Packet | None:
        """The proven answer of one server, or None when none came in time."""
        family, kind, protocol, _, address = socket.getaddrinfo(*place, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as channel:
            # Connected: the kernel lets nothing in that another sends.
            channel.connect(address)
            begun = time.monotonic()
            for at, until in zip(SEND_AFTER, (*SEND_AFTER[1:], SERVER_SECONDS), strict=True):
                assert time.monotonic() >= begun + at, "sent when the wait before it was over"
                channel.send(request)
                reply = self._hear(channel, request, begun + until)
                if reply is not None:
                    return reply
        return None

    def _hear(self, channel: socket.socket, request: bytes, until: float) -> Packet | None:
        while (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select([channel], [], [], left)
            if not ready:
                continue
            datagram = channel.recv(MAXIMUM_OCTETS)
            try:
                reply = read_reply(
                    datagram, request, self._secret, signed=request[0] == Code.ACCESS_REQUEST
                )
            except (MalformedPacket, NotAuthentic) as error:
                self._count("radius_answers_dropped")
                self._log.warning("radius_answer_dropped", reason=str(error))
                continue
            if reply.code in _ANSWERS[Code(request[0])]:
                return reply
        return None

    def _count(self, name: str) -> None:
        with self._lock:
            self._counters.add(f"gateway_{name}")
