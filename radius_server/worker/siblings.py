"""Hands a datagram to the worker that holds its EAP conversation, or its station's last one.

Each worker has a Unix datagram socket in a folder that only this server can read. What comes
in is treated exactly as if it had come from the network: it is proven again by its receiver.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

from radius_server.worker.holders import Holders

_RECEIVE_OCTETS = 8192
_HEAD_OCTETS = 2


class Siblings:
    """The hand-over sockets of the workers of one server."""

    def __init__(self, folder: Path | None, number: int, holders: Holders | None = None) -> None:
        """With no `folder` there are no siblings and nothing is handed over.

        Args:
            holders: shared by all of them.
        """
        self.number = number
        self.holders = holders or Holders(b"alone")
        self._folder = folder
        self.socket: socket.socket | None = None
        if folder is not None:
            own = self._path(folder, number)
            own.unlink(missing_ok=True)
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.socket.bind(str(own))
            self.socket.setblocking(False)

    def hand_over(
        self, number: int, listener: int, source: tuple[object, ...], datagram: bytes
    ) -> bool:
        """Give `datagram`, which came to listener `listener` from `source`, to a sibling.

        Returns False when there is no such worker; the NAS then asks again and is told.
        """
        if self.socket is None or self._folder is None or number == self.number:
            return False
        head = json.dumps([listener, *source]).encode()
        message = len(head).to_bytes(_HEAD_OCTETS, "big") + head + datagram
        try:
            self.socket.sendto(message, str(self._path(self._folder, number)))
        except OSError:
            return False
        return True

    def received(self) -> Iterator[tuple[int, tuple[object, ...], bytes]]:
        """(listener, source, datagram) of everything handed over since the last call."""
        while self.socket is not None:
            try:
                message = self.socket.recv(_RECEIVE_OCTETS)
            except (BlockingIOError, InterruptedError):
                return
            end = _HEAD_OCTETS + int.from_bytes(message[:_HEAD_OCTETS], "big")
            listener, *source = json.loads(message[_HEAD_OCTETS:end])
            yield listener, tuple(source), message[end:]

    def close(self) -> None:
        """Take the own socket away."""
        if self.socket is not None and self._folder is not None:
            self.socket.close()
            with contextlib.suppress(OSError):
                self._path(self._folder, self.number).unlink()

    @staticmethod
    def _path(folder: Path, number: int) -> Path:
        return folder / f"worker-{number}.sock"
