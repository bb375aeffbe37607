"""UDP sockets that several workers share.

With SO_REUSEPORT the kernel spreads sources over the workers and keeps one source with one
worker, so that its duplicates are always seen.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import time
from typing import Any

from common.errors import ConfigError
from common.logging import get_logger
from common.net import parse_listen
from radius_server.addresses import AddressWatch, local_addresses

RECEIVE_BUFFER_OCTETS = 8 << 20
"""A second of a busy district; the kernel caps it at net.core.rmem_max without root."""

_SO_RCVBUFFORCE = 33


_LOOK_AGAIN_SECONDS = 0.2


_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - it is compared, not bound
_IP_PKTINFO = 8
_INFO_OCTETS = 128
_V4_INFO = struct.Struct("=i4s4s")
"""struct in_pktinfo, ip(7): interface, our address, the address in the header."""

_V6_INFO = struct.Struct("=16si")
"""struct in6_pktinfo, RFC 3542 section 6."""


class EverywhereSocket(socket.socket):
    """A UDP socket on every address of the machine that answers from the one that was asked.

    The kernel would choose by the route, and a NAS drops what comes from another address than
    it asked. Where a family
    has one address only, it is the one, and the socket is a plain one; from the moment a second
    one comes (a virtual address that moves over from another node) each source is one element
    longer, our address, which `sendto` takes off again. A sibling may have seen that one sooner and
    hand a longer source over, so `sendto` takes either from the beginning.
    """

    _watch: AddressWatch | None = None

    def begin(self) -> None:
        """Look at the addresses now and whenever they change."""
        # On the object: what is looked up at each reply is found at once, and the family is known.
        is_v6 = self.family == socket.AF_INET6
        self.__dict__["sendto"] = self._send_v6 if is_v6 else self._send_v4
        try:
            self._watch = AddressWatch(self._look)
            self._watch.start()
            self._look()
        except OSError as error:
            get_logger("radius").warning("addresses_not_watched", error=str(error))

    def close(self) -> None:
        """Close it, and end the watch."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.stop()
        super().close()

    def _look(self) -> None:
        with contextlib.suppress(OSError):
            if len(local_addresses(socket.AddressFamily(self.family))) > 1:
                self._answer_as_asked()

    def _answer_as_asked(self) -> None:
        """From now on, and for good: what is under way has its source in the longer form."""
        if "recvfrom" in self.__dict__:
            return
        # A plain socket asks the kernel for no more than one does.
        if self.family == socket.AF_INET6:
            self.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            self.__dict__["recvfrom"] = self._receive_v6
        else:
            self.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            self.__dict__["recvfrom"] = self._receive_v4
        get_logger("radius").info("answers_from_the_address_asked", family=self.family.name)

    def _receive_v4(self, octets: int) -> tuple[bytes, tuple[Any, ...]]:
        datagram, told, _, source = self.recvmsg(octets, _INFO_OCTETS)
        for level, kind, value in told:
            if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
                return datagram, (*source, socket.inet_ntoa(_V4_INFO.unpack(value)[1]))
        return datagram, source

    def _send_v4(self, reply: bytes, source: tuple[Any, ...]) -> int:
        if len(source) == 2:
            return super().sendto(reply, source)
        info = _V4_INFO.pack(0, socket.inet_aton(source[2]), bytes(4))
        told = [(socket.IPPROTO_IP, _IP_PKTINFO, info)]
        return self.sendmsg([reply], told, 0, tuple(source[:2]))

    def _receive_v6(self, octets: int) -> tuple[bytes, tuple[Any, ...]]:
        datagram, told, _, source = self.recvmsg(octets, _INFO_OCTETS)
        for level, kind, value in told:
            if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
                own = socket.inet_ntop(socket.AF_INET6, _V6_INFO.unpack(value)[0])
                return datagram, (*source, own)
        return datagram, source

    def _send_v6(self, reply: bytes, source: tuple[Any, ...]) -> int:
        if len(source) == 4:
            return super().sendto(reply, source)
        info = _V6_INFO.pack(socket.inet_pton(socket.AF_INET6, source[4]), 0)
        told = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info)]
        return self.sendmsg([reply], told, 0, tuple(source[:4]))


def claim(listen: str, patience_seconds: float = 0.0) -> None:
    """Raise ConfigError when somebody else listens there already.

    Without this check SO_REUSEPORT would let two servers share a port and each see half.

    Args:
        patience_seconds: how long the port may stay taken; the workers of a server that was
            killed keep it while they drain.
    """
    family, address = _address(listen)
    deadline = time.monotonic() + patience_seconds
    while True:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(address)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
                    raise ConfigError(
                        f"cannot listen on {listen}: {error.strerror}", "radius"
                    ) from error
            else:
                return
        time.sleep(_LOOK_AGAIN_SECONDS)


def bind(listen: str) -> socket.socket:
    """A bound, non-blocking socket that other workers may share."""
    family, address = _address(listen)
    kind = EverywhereSocket if address[0] in _EVERYWHERE else socket.socket
    bound = kind(family, socket.SOCK_DGRAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        bound.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_OCTETS)
    except PermissionError:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_OCTETS)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise ConfigError(f"cannot listen on {listen}: {error.strerror}", "radius") from error
    bound.setblocking(False)
    if isinstance(bound, EverywhereSocket):
        bound.begin()
    return bound


def _address(listen: str) -> tuple[socket.AddressFamily, tuple[str, int]]:
    host, port = parse_listen(listen)
    return (socket.AF_INET6 if ":" in host else socket.AF_INET), (host, port)
