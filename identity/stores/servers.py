"""The servers of one directory: which is asked, which is left alone, what is kept open.

A server that failed is left alone for a while. When all have failed, one question in a few
seconds tries them again and every other fails at once: threads that wait for a directory
that is gone would keep everybody else waiting too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from common.errors import BackendUnavailable
from identity.stores.ldap_adapter import Address, Link

DEAD_SECONDS = 30.0
"""Until a server that failed is tried again while another one answers."""

ALL_DEAD_SECONDS = 3.0
"""Until all are tried again when none answers; so soon is a return noticed at the latest."""

IDLE_SECONDS = 120.0
MOST_IDLE = 8
"""Connections that are kept open; Active Directory closes them after 15 minutes itself."""

_HUNG = 0.9
"""Of its time-out: a server that used so much of it and then failed did not answer at all."""

_T = TypeVar("_T")


class Servers:
    """Runs questions on connections to the first server that answers. For many threads."""

    def __init__(
        self,
        directory: str,
        addresses: tuple[Address, ...],
        prepare: Callable[[Link], None],
        monotonic: Callable[[], float] = time.monotonic,
        connect: Callable[[Address], Link] = Link,
    ) -> None:
        """`prepare` makes a new connection ready to be kept: it binds the search account."""
        self._directory = directory
        self._addresses = addresses
        self._prepare = prepare
        self._monotonic = monotonic
        self._connect = connect
        self._lock = threading.Lock()
        self._dead_until = dict.fromkeys(addresses, 0.0)
        self._all_dead_until = 0.0
        self._why = ""
        self._idle: list[tuple[float, Link]] = []

    def kept(self, ask: Callable[[Link], _T]) -> _T:
        """The answer of `ask` on a prepared connection, which is kept open afterwards.

        Raises:
            BackendUnavailable: no server answers.
        """
        if (link := self._take_idle()) is not None:
            began = self._monotonic()
            try:
                answer = ask(link)
            except BackendUnavailable as error:
                link.close()
                self._drop_idle(link.address)
                # Closed long ago it says nothing of the server; but one that hangs is dead.
                if self._monotonic() - began >= link.address.timeout_seconds * _HUNG:
                    self._failed(link.address, str(error))
            except BaseException:
                link.close()
                raise
            else:
                self._give_back(link)
                return answer

        def fresh(link: Link) -> _T:
            self._prepare(link)
            return ask(link)

        return self._on_some_server(fresh, keep=True)

    def single(self, ask: Callable[[Link], _T]) -> _T:
        """The answer of `ask` on a connection of its own, which is closed afterwards.

        Raises:
            BackendUnavailable: no server answers.
        """
        return self._on_some_server(ask, keep=False)

    def close(self) -> None:
        """Close what is kept open."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, link in idle:
            link.close()

    def _on_some_server(self, ask: Callable[[Link], _T], keep: bool) -> _T:
        for address in self._candidates():
            link = None
            try:
                link = self._connect(address)
                answer = ask(link)
            except BackendUnavailable as error:
                if link is not None:
                    link.close()
                self._failed(address, str(error))
                continue
            except BaseException:
                if link is not None:
                    link.close()
                raise
            self._works(address)
            if keep:
                self._give_back(link)
            else:
                link.close()
            return answer
        raise BackendUnavailable(f"directory:{self._directory}", self._why)

    def _candidates(self) -> list[Address]:
        """Whom to try, in order; nobody while all are known to be dead."""
        now = self._monotonic()
        with self._lock:
            alive = [address for address in self._addresses if self._dead_until[address] <= now]
            if alive and now >= self._all_dead_until:
                for address in alive:
                    if self._dead_until[address]:
                        # It failed before: one question finds out, the others do not wait.
                        self._dead_until[address] = now + DEAD_SECONDS
                return alive + [one for one in self._addresses if one not in alive]
            if now < self._all_dead_until:
                return []
            self._all_dead_until = now + ALL_DEAD_SECONDS
            return list(self._addresses)

    def _failed(self, address: Address, why: str) -> None:
        now = self._monotonic()
        with self._lock:
            self._why = why.partition(": ")[2] or why
            self._dead_until[address] = now + DEAD_SECONDS
            if all(until > now for until in self._dead_until.values()):
                self._all_dead_until = now + ALL_DEAD_SECONDS

    def _works(self, address: Address) -> None:
        with self._lock:
            self._dead_until[address] = 0.0
            self._all_dead_until = 0.0

    def _take_idle(self) -> Link | None:
        now = self._monotonic()
        old: list[Link] = []
        try:
            with self._lock:
                while self._idle:
                    since, link = self._idle.pop()
                    if since + IDLE_SECONDS > now:
                        return link
                    old.append(link)
            return None
        finally:
            for link in old:
                link.close()

    def _drop_idle(self, address: Address) -> None:
        """Close what is kept open to a server: it went the way of the one that failed."""
        with self._lock:
            gone = [link for _, link in self._idle if link.address is address]
            self._idle = [(since, link) for since, link in self._idle if link not in gone]
        for link in gone:
            link.close()

    def _give_back(self, link: Link) -> None:
        with self._lock:
            if len(self._idle) < MOST_IDLE:
                self._idle.append((self._monotonic(), link))
                return
        link.close()
