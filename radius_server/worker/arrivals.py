"""What arrives at a worker in one turn, and from where."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from radius_server.process.accounting import AccountingRecord
from radius_server.worker.clients import NasClient
from radius_server.worker.exchange import Exchange
from radius_server.worker.questions import Login


class Sender(Protocol):
    """Whatever takes a reply: a socket, or a RadSec connection."""

    def sendto(self, reply: bytes, target: Any, /) -> object:
        """Send `reply` to where the request came from; may drop it, must not block."""


@dataclass(slots=True)
class Listener:
    """Where packets come from and replies go out; `index` is -1 for what was delivered."""

    socket: Any
    accounting: bool
    index: int


@dataclass(slots=True)
class Delivered:
    """A packet of another transport, see `Worker.deliver`."""

    datagram: bytes
    source: tuple[Any, ...]
    nas: NasClient
    sender: Sender
    accounting: bool


@dataclass(slots=True)
class Turn:
    """What came in together."""

    received_at: datetime
    now: float
    logins: list[Login] = field(default_factory=list)
    accounting: list[tuple[Exchange, AccountingRecord]] = field(default_factory=list)
    received: int = 0
