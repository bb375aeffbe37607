"""Looks names up with an end: getaddrinfo has no time-out, and a DNS that hangs holds its thread.

Whoever asks waits for as long as it likes, and the thread goes on alone; one for a name, however
many ask for it meanwhile. Nothing is kept once a look-up is over.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

MAXIMUM_UNDER_WAY = 64
"""Names being looked up at once; each that hangs is a thread for half a minute."""

Address = tuple[socket.AddressFamily, tuple[Any, ...]]
"""The family of a socket, and what it connects to."""


class LookUps:
    """The addresses of hosts, for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, int], Future[list[Address]]] = {}

    def find(self, host: str, port: int, seconds: float) -> Sequence[Address]:
        """The TCP addresses of `host`, in the order in which they are to be tried.

        Raises:
            OSError: it has none, or nobody could say within `seconds`.
        """
        key = (host, port)
        with self._lock:
            found = self._under_way.get(key)
            if found is None:
                if len(self._under_way) >= MAXIMUM_UNDER_WAY:
                    raise OSError(f"too many names are being looked up; {host} has to wait")
                found = self._under_way[key] = Future()
                # Of its own and a daemon: a pool's thread would be waited for at the end.
                threading.Thread(
                    target=self._look_up, args=(key, found), name="look-up", daemon=True
                ).start()
        try:
            return found.result(seconds)
        except TimeoutError as late:
            raise TimeoutError(f"{host} was not looked up within {seconds:g} s") from late

    def _look_up(self, key: tuple[str, int], found: Future[list[Address]]) -> None:
        try:
            told = socket.getaddrinfo(*key, type=socket.SOCK_STREAM)
            addresses: list[Address] = [(family, address) for family, _, _, _, address in told]
        except Exception as error:  # whoever waits is told; UnicodeError for an impossible name
            self._end(key)
            found.set_exception(error if isinstance(error, OSError) else OSError(str(error)))
        else:
            self._end(key)
            found.set_result(addresses)

    def _end(self, key: tuple[str, int]) -> None:
        with self._lock:
            del self._under_way[key]
