"""TCP sockets that several workers share, as `radius_server.udp` does for UDP."""

from __future__ import annotations

import errno
import socket
import time

from common.errors import ConfigError
from common.net import parse_listen

_BACKLOG = 256
_LOOK_AGAIN_SECONDS = 0.2
_SEND_OCTETS = 128 << 10
"""Left to itself the kernel would hold megabytes for a client that does not read."""

_KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
"""A client behind a NAT that forgot it is noticed within two minutes."""


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
