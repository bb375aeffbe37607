"""What the relay knows of one request, while it is under way and when it is over."""

from __future__ import annotations

from dataclasses import dataclass, field

from common.errors import UsageError
from common.net import parse_address
from common.printable import printable
from identity.domain.access import Reason
from radius_server.packet.codes import Code
from radius_server.packet.hiding import Hop
from radius_server.process.realms import Foreign, Route
from radius_server.proxy.homes import Home
from radius_server.proxy.links import Ticket
from radius_server.worker.exchange import Exchange

_SHOWN = 120


@dataclass(slots=True)
class Pending:
    """A request under way. `asked_at` and `began_at` are monotonic seconds."""

    exchange: Exchange
    foreign: Foreign
    route: Route
    began_at: float
    asked: list[str] = field(default_factory=list)
    """Names of the servers it was sent to; the last is waited for."""
    tickets: list[tuple[Home, Ticket]] = field(default_factory=list)
    hops: dict[int, Hop] = field(default_factory=dict)
    """By the number of its ticket object."""
    asked_at: float = 0.0
    was_repeated: bool = False


@dataclass(slots=True)
class Concluded:
    """What came of a request. `code` None: nobody answered, or it was not sent at all."""

    exchange: Exchange
    foreign: Foreign
    trace: list[str]
    code: Code | None = None
    attributes: bytes = b""
    reference: str | None = None
    """What our own Class among the attributes says."""
    is_of_share: bool = False
    """It was under way, and its place is free again."""
    reason: Reason | None = Reason.BACKEND
    """Of a refusal of our own; None: nobody is told, and the NAS asks again."""


def shown(text: str) -> str:
    """Text from outside as a trace may hold it."""
    return printable(text)[:_SHOWN]


def plain(host: str) -> str:
    try:
        return str(parse_address(host.partition("%")[0]))
    except UsageError:
        return host
