"""TCP sockets that several workers share, as `radius_server.udp` does for UDP."""

from __future__ import annotations

import errno
import fcntl
import resource
import socket
import time

from common.errors import ConfigError
from common.logging import get_logger
from common.net import parse_listen

_BACKLOG = 256
_LOOK_AGAIN_SECONDS = 0.2
_SEND_OCTETS = 128 << 10
"""Left to itself the kernel would hold megabytes for a client that does not read."""

_KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
"""A client behind a NAT that forgot it is noticed within two minutes."""


_SPARE_DESCRIPTORS = 256
"""For the database, files, home servers, and connections that are being closed."""


_LOW_DESCRIPTORS, _HIGH_DESCRIPTORS = 512, 1024
"""select(2), by which a ledger waits for its database, knows none from 1024 on: connections
leave the low ones to others."""


def places(wanted: int) -> int:
    """How many connections there are descriptors for, `wanted` at most.

    A process is given 1024 of them unless it asks for more, which it may up to a hard limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _SPARE_DESCRIPTORS
    if needed > _LOW_DESCRIPTORS:
        needed += _HIGH_DESCRIPTORS
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    found = max(1, min(wanted, soft - _SPARE_DESCRIPTORS))
    if found < wanted:
        get_logger("radius.radsec").warning(
            "radsec_descriptors_short", wanted=wanted, connections=found, hint="raise LimitNOFILE"
        )
    return found


def claim(listen: str, patience_seconds: float = 0.0) -> None:
    """Raise ConfigError when somebody else listens there already; as `udp.claim`."""
    deadline = time.monotonic() + patience_seconds
    while True:
        with _socket(listen) as probe:
            try:
                probe.bind(_address(listen)[1])
                probe.listen(1)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
                    raise _refused(listen, error) from error
            else:
                return
        time.sleep(_LOOK_AGAIN_SECONDS)


def bind(listen: str) -> socket.socket:
    """A listening, non-blocking socket that other workers may share."""
    bound = _socket(listen)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        bound.bind(_address(listen)[1])
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise _refused(listen, error) from error
    bound.setblocking(False)
    return bound


def out_of_the_way(connected: socket.socket) -> socket.socket:
    """The same connection, under a high number when the low ones become few."""
    if connected.fileno() < _LOW_DESCRIPTORS:
        return connected
    try:
        number = fcntl.fcntl(connected.fileno(), fcntl.F_DUPFD_CLOEXEC, _HIGH_DESCRIPTORS)
    except OSError:  # there are no such numbers
        return connected
    with connected:
        return socket.socket(connected.family, connected.type, connected.proto, number)


def prepare(connected: socket.socket) -> None:
    """Make a connection non-blocking, prompt, and aware of a peer that is gone."""
    connected.setblocking(False)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_OCTETS)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        connected.setsockopt(socket.IPPROTO_TCP, option, value)


def _socket(listen: str) -> socket.socket:
    family, _ = _address(listen)
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made


def _address(listen: str) -> tuple[socket.AddressFamily, tuple[str, int]]:
    host, port = parse_listen(listen)
    return (socket.AF_INET6 if ":" in host else socket.AF_INET), (host, port)


def _refused(listen: str, error: OSError) -> ConfigError:
    return ConfigError(f"cannot listen on {listen}: {error.strerror}", "radius.radsec")
