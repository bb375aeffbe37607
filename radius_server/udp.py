"""UDP sockets that several workers share.

With SO_REUSEPORT the kernel spreads sources over the workers and keeps one source with one
worker, so that its duplicates are always seen.
"""

from __future__ import annotations

import errno
import socket
import time

from common.errors import ConfigError
from common.net import parse_listen

RECEIVE_BUFFER_OCTETS = 8 << 20
"""A second of a busy district; the kernel caps it at net.core.rmem_max without root."""

_SO_RCVBUFFORCE = 33


_LOOK_AGAIN_SECONDS = 0.2


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
    bound = socket.socket(family, socket.SOCK_DGRAM)
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
    return bound


def _address(listen: str) -> tuple[socket.AddressFamily, tuple[str, int]]:
    host, port = parse_listen(listen)
    return (socket.AF_INET6 if ":" in host else socket.AF_INET), (host, port)
