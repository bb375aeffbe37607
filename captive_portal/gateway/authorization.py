"""The server for Disconnect- and CoA-Requests (RFC 5176): one thread over UDP.

A copy of what was answered gets the same octets again. Whatever is not authentic gets nothing.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from captive_portal.gateway.clients import Cause
from captive_portal.gateway.doorkeeper import Doorkeeper
from captive_portal.gateway.dynamic import Change, End, Refuse, decide, is_fresh
from captive_portal.gateway.times import Times
from common.config_gateway import Gateway
from common.errors import BackendUnavailable, MalformedPacket, NotAuthentic, UsageError
from common.logging import get_logger
from common.metrics import Counters
from common.net import IpNetwork, parse_address, parse_listen, parse_prefix
from radius_server.packet.answering import encode_answer, read_request
from radius_server.packet.dynamic import DynamicCode, ErrorCause
from radius_server.packet.packet import MAXIMUM_OCTETS, Packet

_REMEMBERED = 256
_RESOLVE_SECONDS = 300.0
_ASKED = frozenset({DynamicCode.DISCONNECT_REQUEST, DynamicCode.COA_REQUEST})


def open_sockets(listen: Sequence[str]) -> list[socket.socket]:
    """A bound socket for each address; OSError when one is taken."""
    opened = []
    for text in listen:
        host, port = parse_listen(text)
        is_v6 = ip_address(host).version == 6
        channel = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_DGRAM)
        channel.bind((host, port))
        channel.setblocking(False)
        opened.append(channel)
    return opened


class Authorization:
    """Hears on `sockets` what is to be done about sessions, and has `keeper` do it."""

    def __init__(
        self,
        settings: Gateway,
        secret: bytes,
        keeper: Doorkeeper,
        times: Times,
        counters: Counters,
        sockets: Sequence[socket.socket],
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._keeper = keeper
        self._times = times
        self._counters = counters
        self._sockets = sockets
        self._answered: OrderedDict[tuple[object, bytes], bytes] = OrderedDict()
        self._allowed: Sequence[IpNetwork] = ()
        self._resolved_at: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateway-coa", daemon=True)
        self._log = get_logger(__name__)

    def start(self) -> None:
        """Begin to hear."""
        self._thread.start()

    def stop(self) -> None:
        """Hear no more."""
        self._stopping.set()
        self._thread.join(15)

    def _run(self) -> None:
        with selectors.DefaultSelector() as waiting:
            for channel in self._sockets:
                waiting.register(channel, selectors.EVENT_READ, channel)
            while not self._stopping.is_set():
                for key, _ in waiting.select(0.5):
                    self._serve(key.data)

    def _serve(self, channel: Any) -> None:
        try:
            datagram, source = channel.recvfrom(MAXIMUM_OCTETS)
            answer = self.hear(datagram, (str(source[0]), int(source[1])))
            if answer:
                channel.sendto(answer, source)
        except (BlockingIOError, InterruptedError):
            return
        except Exception:
            # One request, whatever was in it, does not end the service for the others.
            self._log.exception("request_not_served")

    def hear(self, datagram: bytes, source: tuple[str, int]) -> bytes | None:
        """The answer to what came from `source`, or None for what gets no answer."""
        if not self._is_allowed(source[0]):
            self._drop("stranger", source)
            return None
        known = self._answered.get((source, datagram[:MAXIMUM_OCTETS]))
        if known is not None:
            return known
        try:
            packet = read_request(datagram, self._secret)
            if packet.code not in _ASKED:
                self._drop("unexpected_code", source)
                return None
            if not is_fresh(packet, int(self._times.calendar())):
                # RFC 5176 section 6.3: silently. Here or there a clock is wrong.
                self._drop("old_or_wrong_clock", source)
                return None
            refusal = self._do(packet)
        except NotAuthentic as error:
            self._drop(error.which, source)
            return None
        except MalformedPacket:
            self._drop("malformed", source)
            return None
        answer = encode_answer(packet, self._secret, refusal)
        if refusal is not ErrorCause.RESOURCES_UNAVAILABLE:
            self._answered[source, datagram] = answer
            while len(self._answered) > _REMEMBERED:
                self._answered.popitem(last=False)
        outcome = "done" if refusal is None else refusal.name.lower()
        self._counters.add("gateway_dynamic", outcome=outcome)
        self._log.info("dynamic_request", source=source[0], code=packet.code, outcome=outcome)
        return answer

    def _do(self, packet: Packet) -> ErrorCause | None:
        decision = decide(packet, self._settings.nas_identifier, self._keeper.clients())
        if isinstance(decision, Refuse):
            return decision.cause
        try:
            if isinstance(decision, End):
                ended = self._keeper.end(decision.mac, Cause.ADMIN_RESET, decision.session_id)
                is_done = ended is not None
            else:
                assert isinstance(decision, Change), "there is no third"
                is_done = self._keeper.change(decision.mac, decision.session_id, decision.grant)
        except BackendUnavailable as error:
            self._log.error("dynamic_request_not_done", reason=str(error))
            return ErrorCause.RESOURCES_UNAVAILABLE
        return None if is_done else ErrorCause.SESSION_CONTEXT_NOT_FOUND

    def _is_allowed(self, host: str) -> bool:
        try:
            address = parse_address(host.partition("%")[0])
        except UsageError:
            return False
        return any(address in prefix for prefix in self._prefixes())

    def _prefixes(self) -> Sequence[IpNetwork]:
        if self._settings.coa_clients:
            return [parse_prefix(text) for text in self._settings.coa_clients]
        now = time.monotonic()
        if self._resolved_at is None or now - self._resolved_at > _RESOLVE_SECONDS:
            found = set()
            for host, _ in self._settings.access:
                try:
                    found |= {entry[4][0] for entry in socket.getaddrinfo(host, None)}
                except OSError:
                    self._log.warning("server_has_no_address", host=host)
            if found or self._resolved_at is None:
                self._allowed = [parse_prefix(str(parse_address(str(one)))) for one in found]
            self._resolved_at = now
        return self._allowed

    def _drop(self, reason: str, source: tuple[str, int]) -> None:
        self._counters.add("gateway_dynamic_dropped", reason=reason)
        self._log.warning("dynamic_request_dropped", source=source[0], reason=reason)
