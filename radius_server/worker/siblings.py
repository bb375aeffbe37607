"""Hands a packet to the worker that holds its EAP conversation, or its station's last one.

Each worker has a Unix datagram socket in a folder that only this server can read. What comes
in is treated exactly as if it had come from the network: it is proven again by its receiver.
A packet of a connection (RadSec) is lent: its reply comes back, because the connection stays.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radius_server.worker.holders import Holders

_RECEIVE_OCTETS = 8192
_HEAD_OCTETS = 2


_LENT, _RETURNED = -1, -2
"""Instead of a listener's number."""

MAXIMUM_LENT = 4096
"""Packets whose reply is waited for; one that never comes is forgotten in time."""


@dataclass(frozen=True, slots=True)
class Borrowed:
    """A packet of a sibling's connection; `sender` takes its reply."""

    nas: str
    source: tuple[Any, ...]
    octets: bytes
    sender: Returned


@dataclass(frozen=True, slots=True)
class Returned:
    """Takes a reply back to the worker that has the connection."""

    siblings: Siblings
    owner: int
    serial: int

    def sendto(self, reply: bytes, _source: object) -> None:
        """Give `reply` back."""
        self.siblings.give_back(self.owner, self.serial, reply)


class Siblings:
    """The hand-over sockets of the workers of one server."""

    def __init__(self, folder: Path | None, number: int, holders: Holders | None = None) -> None:
        """With no `folder` there are no siblings and nothing is handed over.

        Args:
            holders: shared by all of them.
        """
        self.number = number
        self.holders = holders or Holders(b"alone")
        self.borrowed: deque[Borrowed] = deque()
        """What siblings have lent, to be looked at."""
        self._lent: OrderedDict[int, tuple[Any, tuple[Any, ...]]] = OrderedDict()
        self._serial = 0
        self._folder = folder
        self.socket: socket.socket | None = None
        if folder is not None:
            own = self._path(folder, number)
            own.unlink(missing_ok=True)
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.socket.bind(str(own))
            self.socket.setblocking(False)

    def fileno(self) -> int:
        """What becomes readable when something was handed over; -1 without siblings."""
        return -1 if self.socket is None else self.socket.fileno()

    def hand_over(
        self, number: int, listener: int, source: tuple[object, ...], datagram: bytes
    ) -> bool:
        """Give `datagram`, which came to listener `listener` from `source`, to a sibling.

        Returns False when there is no such worker; the NAS then asks again and is told.
        """
        return self._send(number, [listener, *source], datagram)

    def lend(
        self, number: int, nas: str, source: tuple[Any, ...], octets: bytes, sender: Any
    ) -> bool:
        """Give a packet to a sibling that cannot answer on its connection; see `hand_over`.

        Args:
            nas: by which name the certificate of its connection is known.
            sender: its `sendto(reply, source)` is called with the reply, if one comes back.
        """
        self._serial += 1
        head: list[object] = [_LENT, self.number, self._serial, nas, *source[:2]]
        if not self._send(number, head, octets):
            return False
        self._lent[self._serial] = (sender, source)
        if len(self._lent) > MAXIMUM_LENT:
            self._lent.popitem(last=False)
        return True

    def received(self) -> Iterator[tuple[int, tuple[object, ...], bytes]]:
        """(listener, source, datagram) of everything handed over since the last call.

        What was lent is in `borrowed` afterwards; replies to what this worker lent are sent on.
        """
        while self.socket is not None:
            try:
                message = self.socket.recv(_RECEIVE_OCTETS)
            except (BlockingIOError, InterruptedError):
                return
            end = _HEAD_OCTETS + int.from_bytes(message[:_HEAD_OCTETS], "big")
            kind, *rest = json.loads(message[_HEAD_OCTETS:end])
            octets = message[end:]
            if kind == _LENT:
                owner, serial, nas, *source = rest
                back = Returned(self, owner, serial)
                self.borrowed.append(Borrowed(nas, (*source, owner), octets, back))
            elif kind == _RETURNED:
                lent = self._lent.pop(rest[0], None)
                if lent is not None:
                    lent[0].sendto(octets, lent[1])
            else:
                yield kind, tuple(rest), octets

    def _send(self, number: int, head: list[object], octets: bytes) -> bool:
        if self.socket is None or self._folder is None or number == self.number:
            return False
        written = json.dumps(head).encode()
        message = len(written).to_bytes(_HEAD_OCTETS, "big") + written + octets
        try:
            self.socket.sendto(message, str(self._path(self._folder, number)))
        except OSError:
            return False
        return True

    def give_back(self, owner: int, serial: int, reply: bytes) -> None:
        """Send the reply to what `owner` lent; when that has gone, nobody waits for it."""
        self._send(owner, [_RETURNED, serial], reply)

    def close(self) -> None:
        """Take the own socket away."""
        if self.socket is not None and self._folder is not None:
            self.socket.close()
            with contextlib.suppress(OSError):
                self._path(self._folder, self.number).unlink()

    @staticmethod
    def _path(folder: Path, number: int) -> Path:
        return folder / f"worker-{number}.sock"
