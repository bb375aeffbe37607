"""Where home servers are, asked of the DNS aside: the relay's thread never waits for a name.

A name has a thread of its own, so that one dead zone keeps no other name waiting. What was
found last stays good while nobody answers. Addresses written as such need no asking.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from common.logging import get_logger

REFRESH_SECONDS = 60.0
"""getaddrinfo does not tell how long an answer holds; the resolver's own cache does."""

RETRY_SECONDS = 5.0
"""After a failure."""

Address = tuple[socket.AddressFamily, Any]
"""A family, and what `connect` takes."""

LookUp = Callable[[str, int], list[Address]]


def look_up(host: str, port: int) -> list[Address]:
    """What the resolver knows; may block for long.

    Raises:
        OSError: nobody answers, or there is no such name.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    return [(family, address) for family, _, _, _, address in found]


class Names:
    """The addresses of the home servers' names. Any thread may ask."""

    def __init__(self, look_up: LookUp = look_up) -> None:
        self._look_up = look_up
        self._found: dict[str, list[Address]] = {}
        self._failing: set[str] = set()
        self._wake: Callable[[], None] = lambda: None
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._log = get_logger("radius.proxy")

    def add(self, host: str) -> None:
        """A name that will be asked for; before `start`."""
        if host in self._found or any(thread.name == _named(host) for thread in self._threads):
            return
        if _is_address(host):
            self._found[host] = self._look_up(host, 0)
            return
        self._threads.append(
            threading.Thread(target=self._run, args=(host,), name=_named(host), daemon=True)
        )

    def start(self, wake: Callable[[], None]) -> None:
        """Begin to ask; `wake` is called when a name has other addresses than before."""
        self._wake = wake
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask no more; an answer that never comes is not waited for."""
        self._stopping.set()

    def addresses(self, host: str, port: int) -> list[Address]:
        """The last good answer, the best first; nothing when there was none yet."""
        return [(family, (address[0], port, *address[2:])) for family, address in self._of(host)]

    def hosts(self) -> set[str]:
        """Every address of every name, as text."""
        return {str(address[0]) for found in list(self._found.values()) for _, address in found}

    def _of(self, host: str) -> list[Address]:
        return self._found.get(host, [])

    def _run(self, host: str) -> None:
        while not self._stopping.is_set():
            self._stopping.wait(REFRESH_SECONDS if self._ask(host) else RETRY_SECONDS)

    def _ask(self, host: str) -> bool:
        try:
            found = self._look_up(host, 0)
        except (OSError, UnicodeError) as error:
            if host not in self._failing:
                self._failing.add(host)
                self._log.warning(
                    "home_server_name_unknown",
                    name=host,
                    error=str(error),
                    kept=[address[0] for _, address in self._of(host)],
                )
            return False
        self._failing.discard(host)
        if found and set(found) != set(self._of(host)):  # in another order it is no other answer
            self._found[host] = found
            self._log.info(
                "home_server_name_found", name=host, addresses=[item[1][0] for item in found]
            )
            self._wake()
        return bool(found)


def _named(host: str) -> str:
    return f"name {host}"


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
