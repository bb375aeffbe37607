"""The addresses of this machine, and word when they change. Linux's rtnetlink(7)."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

_HEADER = struct.Struct("=IHHII")
_MESSAGE = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_NEW_ADDRESS, _GET_ADDRESS, _DONE, _ERROR = 20, 22, 3, 2
_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_GROUPS = 0x10 | 0x100  # RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR
_RECEIVE_OCTETS = 1 << 16
_ANSWER_SECONDS = 5.0

Ip = IPv4Address | IPv6Address


def local_addresses(family: socket.AddressFamily) -> set[Ip]:
    """Every address of this machine but the loopback's and, of IPv6, those of one link only.

    Raises:
        OSError: the kernel does not tell.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asking:
        asking.settimeout(_ANSWER_SECONDS)
        body = _MESSAGE.pack(family, 0, 0, 0, 0)
        asking.send(_HEADER.pack(_HEADER.size + len(body), _GET_ADDRESS, _DUMP, 1, 0) + body)
        found: set[Ip] = set()
        while True:
            octets = asking.recv(_RECEIVE_OCTETS)
            while octets:
                size, kind, *_ = _HEADER.unpack_from(octets)
                if kind in (_DONE, _ERROR) or size < _HEADER.size:
                    return {one for one in found if not (one.is_loopback or one.is_link_local)}
                if kind == _NEW_ADDRESS:
                    found |= _of_message(octets[_HEADER.size : size], family)
                octets = octets[(size + 3) & ~3 :]


def _of_message(octets: bytes, family: socket.AddressFamily) -> set[Ip]:
    if octets[0] != family:
        return set()
    values, at = {}, _MESSAGE.size
    while at + _ATTRIBUTE.size <= len(octets):
        size, kind = _ATTRIBUTE.unpack_from(octets, at)
        if size < _ATTRIBUTE.size:
            break
        values[kind] = octets[at + _ATTRIBUTE.size : at + size]
        at += (size + 3) & ~3
    # On a point-to-point link IFA_ADDRESS is the other end's.
    own = values.get(_IFA_LOCAL) or values.get(_IFA_ADDRESS)
    if own is None:
        return set()
    return {IPv4Address(own) if len(own) == 4 else IPv6Address(own)}


class AddressWatch:
    """Calls `changed` from a thread of its own whenever an address comes or goes."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._heard = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._heard.bind((0, _GROUPS))
        self._wake_in, self._wake_out = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="addresses", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._wake_in.close()
        self._thread.join(_ANSWER_SECONDS)
        self._wake_out.close()
        self._heard.close()

    def _run(self) -> None:
        waiting = select.poll()
        waiting.register(self._heard, select.POLLIN)
        waiting.register(self._wake_out, select.POLLIN | select.POLLHUP)
        while all(number != self._wake_out.fileno() for number, _ in waiting.poll()):
            with contextlib.suppress(OSError):  # it has missed some: then it looks all the more
                self._heard.recv(_RECEIVE_OCTETS)
            self._changed()
