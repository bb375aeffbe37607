"""Receives many datagrams with one system call, and writes them out with another.

recvmmsg(2) through ctypes: Python's own recvfrom costs more than the kernel does. Each
message lands behind room for its spool header, so that the headers of a whole batch are
filled in by NumPy and nothing is copied before writev(2). Linux on 64-bit machines only.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from typing import Any

import numpy as np

from common.errors import BackendUnavailable, ConfigError
from traffic.collectors.records import (
    HEADER_OCTETS,
    RECORD_MAGIC,
    RecordKind,
    SpoolRecord,
    decode_header,
)
from traffic.decoders.fields import Array

SLOTS = 512
"""Datagrams a call; writev takes at most IOV_MAX (1024) pieces."""

MAX_DATAGRAM = 65_535
_HEADER = HEADER_OCTETS
_STRIDE = 65_664
"""Room for the largest datagram and its header, a multiple of 64. Pages never touched by a
datagram take no memory."""

_CONTROL = 64
_NAME = 32
SO_TIMESTAMPNS = getattr(socket, "SO_TIMESTAMPNS", 35)
SO_RXQ_OVFL = getattr(socket, "SO_RXQ_OVFL", 40)

_MESSAGE = np.dtype(
    [
        ("name", "u8"),
        ("name_octets", "u4"),
        ("pad0", "u4"),
        ("vector", "u8"),
        ("vectors", "u8"),
        ("control", "u8"),
        ("control_octets", "u8"),
        ("flags", "i4"),
        ("pad1", "u4"),
        ("octets", "u4"),
        ("pad2", "u4"),
    ]
)
"""struct mmsghdr of 64-bit Linux."""

_RECORD = np.dtype(
    [
        ("magic", "<u2"),
        ("kind", "u1"),
        ("listener", "u1"),
        ("octets", "<u4"),
        ("received_ns", "<i8"),
        ("port", "<u2"),
        ("pad", "V6"),
        ("address", "u1", (16,)),
    ]
)
"""The header of a spool record, as in traffic.collectors.records."""

_VECTOR = np.dtype([("base", "u8"), ("octets", "u8")])
_STAMP = np.dtype(
    [("octets", "u8"), ("level", "i4"), ("kind", "i4"), ("seconds", "i8"), ("nanoseconds", "i8")]
)
_DROPS = np.dtype([("octets", "u8"), ("level", "i4"), ("kind", "i4"), ("drops", "u4")])
_MSG_DONTWAIT = 0x40
_MSG_TRUNC = 0x20


def prepare(sock: socket.socket) -> None:
    """Ask the kernel for the arrival time and the drop count of each datagram."""
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)


class BatchReceiver:
    """One set of buffers, used for one socket after the other."""

    def __init__(self) -> None:
        if sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) != 8:
            raise ConfigError("the collector needs Linux on a 64-bit machine")
        libc = ctypes.CDLL(None, use_errno=True)
        self._recvmmsg = libc.recvmmsg
        self._writev = libc.writev
        self._writev.restype = ctypes.c_ssize_t
        self._room = np.empty(SLOTS * _STRIDE, np.uint8)
        self._headers: Array = np.ndarray(SLOTS, _RECORD, self._room.data, strides=(_STRIDE,))
        self._names = np.zeros((SLOTS, _NAME), np.uint8)
        self._controls = np.zeros((SLOTS, _CONTROL), np.uint8)
        self._stamps: Array = np.ndarray(SLOTS, _STAMP, self._controls.data, strides=(_CONTROL,))
        self._drops: Array = np.ndarray(
            SLOTS, _DROPS, self._controls.data, offset=_STAMP.itemsize, strides=(_CONTROL,)
        )
        slots = np.arange(SLOTS, dtype=np.uint64)
        start = np.uint64(self._room.ctypes.data)
        self._in = np.zeros(SLOTS, _VECTOR)
        self._in["base"] = start + slots * np.uint64(_STRIDE) + np.uint64(_HEADER)
        self._in["octets"] = MAX_DATAGRAM
        self._out = np.zeros(SLOTS, _VECTOR)
        self._out["base"] = start + slots * np.uint64(_STRIDE)
        self._messages = np.zeros(SLOTS, _MESSAGE)
        self._messages["name"] = self._names.ctypes.data + slots * np.uint64(_NAME)
        self._messages["vector"] = self._in.ctypes.data + slots * np.uint64(_VECTOR.itemsize)
        self._messages["vectors"] = 1
        self._messages["control"] = self._controls.ctypes.data + slots * np.uint64(_CONTROL)
        self._fill(SLOTS)
        self.drops = 0
        """The drop count that came with the last datagram; 0 while its socket never dropped."""
        self.newest_ns = 0

    def receive(self, sock: socket.socket, listener: int, now_ns: int) -> int:
        """Take up to SLOTS waiting datagrams from `sock`; returns how many. Never blocks.

        `now_ns` stands in for arrival times that the kernel does not give.
        """
        count = self._recvmmsg(
            sock.fileno(), ctypes.c_void_p(self._messages.ctypes.data), SLOTS, _MSG_DONTWAIT, None
        )
        if count <= 0:
            number = ctypes.get_errno()
            if number in (0, 11, 4, 111):  # EAGAIN, EINTR, ECONNREFUSED
                return 0
            raise BackendUnavailable("socket", os.strerror(number))
        self._stamp(int(count), sock.family, listener, now_ns)
        return int(count)

    def write(self, handle: int, count: int) -> int:
        """Append the `count` datagrams received last to the file `handle`; octets written."""
        octets = self._messages["octets"][:count].astype(np.uint64)
        self._out["octets"][:count] = octets + np.uint64(_HEADER)
        total = int(octets.sum()) + count * _HEADER
        written = self._writev(handle, ctypes.c_void_p(self._out.ctypes.data), count)
        if written < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        if written < total:
            self._write_rest(handle, count, written)
        self._fill(count)
        return total

    def take(self, count: int) -> list[SpoolRecord]:
        """The `count` datagrams received last, one by one, for those who must look into them."""
        room, found = self._room.data, []
        for slot in range(count):
            start = slot * _STRIDE
            octets = int(self._messages["octets"][slot])
            head = decode_header(bytes(room[start : start + _HEADER]))
            body = memoryview(bytes(room[start + _HEADER : start + _HEADER + octets]))
            found.append(SpoolRecord(*head, body))
        self._fill(count)
        return found

    def _write_rest(self, handle: int, count: int, written: int) -> None:
        """Finish a write that the kernel cut short (a nearly full disk)."""
        room = self._room.data
        for slot in range(count):
            octets = int(self._out["octets"][slot])
            if written >= octets:
                written -= octets
                continue
            start = slot * _STRIDE
            piece = room[start + written : start + octets]
            written = 0
            while piece:
                piece = piece[os.write(handle, piece) :]

    def _fill(self, count: int) -> None:
        self._messages["name_octets"][:count] = _NAME
        self._messages["control_octets"][:count] = _CONTROL

    def _stamp(self, count: int, family: int, listener: int, now_ns: int) -> None:
        """Fill in the spool headers of the first `count` slots."""
        messages, headers = self._messages[:count], self._headers[:count]
        stamps, drops = self._stamps[:count], self._drops[:count]
        stamped = (messages["control_octets"] >= _STAMP.itemsize) & (
            stamps["kind"] == SO_TIMESTAMPNS
        )
        arrived = np.where(
            stamped, stamps["seconds"] * 1_000_000_000 + stamps["nanoseconds"], now_ns
        )
        headers["magic"] = RECORD_MAGIC
        headers["kind"] = np.where(
            messages["flags"] & _MSG_TRUNC, RecordKind.TRUNCATED, RecordKind.DATAGRAM
        )
        headers["listener"] = listener
        headers["octets"] = messages["octets"]
        headers["received_ns"] = arrived
        names = self._names[:count]
        headers["port"] = names[:, 2].astype(np.uint16) << 8 | names[:, 3]
        if family == socket.AF_INET6:
            headers["address"] = names[:, 8:24]
        else:
            headers["address"][:, :10] = 0
            headers["address"][:, 10:12] = 255
            headers["address"][:, 12:] = names[:, 4:8]
        last = count - 1
        reported = messages["control_octets"][last] >= _STAMP.itemsize + _DROPS.itemsize
        reported = reported and drops["kind"][last] == SO_RXQ_OVFL
        self.drops = int(drops["drops"][last]) if reported else 0
        self.newest_ns = int(arrived[last])


def receive_buffer(sock: socket.socket, octets: int) -> int:
    """Ask for `octets` of receive buffer; returns what the kernel gave (Linux doubles it)."""
    for option in (getattr(socket, "SO_RCVBUFFORCE", 33), socket.SO_RCVBUF):
        try:
            sock.setsockopt(socket.SOL_SOCKET, option, octets)
        except OSError:
            continue
        break
    given: Any = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    return int(given) // 2
