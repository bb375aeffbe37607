"""What is known of IPFIX exporters beside their templates: sessions, and when they were started.

RFC 7011 section 10.3: over UDP a transport session is an address and a port; over TCP it is a
connection, and is over with it. Its message
header has no uptime, so flows told in uptime need the moment the exporter was started.
"""

from __future__ import annotations

from typing import TypeVar

VERSION = 10

MAX_KNOWN = 20_000
"""Over all exporters; a forger could otherwise fill the memory with ports."""

UNKNOWN = -1
"""The uptime of an exporter that does not tell it."""

STALE_MS = 3_600_000
"""No exporter tells of a flow that ended an hour ago: it was restarted instead."""

STREAM = "ipfix-tcp"
"""Of our listeners the one whose sessions are connections."""

_PORT = " port "
_MODULUS = 1 << 32
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def session_name(exporter: str, port: int, listener: str = "") -> str:
    """A transport session as it stands in keys and in the source of a gap."""
    return f"{exporter}{_PORT}{'tcp/' if listener == STREAM else ''}{port}"


def exporter_of(sender: str) -> str:
    """The exporter's address in the name of a session; any other sender is an address."""
    return sender.partition(_PORT)[0]


def version_of(sender: str) -> int:
    """The version of a sender's datagrams that need templates."""
    return VERSION if _PORT in sender else 9


class StartTimes:
    """When exporters were started, by what they say or else by what their flows prove."""

    def __init__(self) -> None:
        self.told: dict[tuple[str, int], int] = {}
        """(session, domain) -> milliseconds since 1970, from systemInitTimeMilliseconds."""
        self.reckoned: dict[tuple[str, int], int] = {}
        """The latest it can have been, for those that do not say."""

    def tell(self, key: tuple[str, int], init_ms: int) -> None:
        """An options record said when the exporter was started."""
        _bounded(self.told, key)[key] = init_ms

    def forget(self, session: str) -> None:
        """A session is over; the next of that name is another exporter's, or another start's."""
        for table in (self.told, self.reckoned):
            for key in [key for key in table if key[0] == session]:
                del table[key]

    def uptime_ms(self, key: tuple[str, int], exported_ms: int) -> int:
        """The exporter's uptime when it sent a message; UNKNOWN when it never told its start."""
        init_ms = self.told.get(key)
        return UNKNOWN if init_ms is None else max(exported_ms - init_ms, 0)

    def reckon(self, key: tuple[str, int], exported_ms: int, latest: int) -> int:
        """The uptime of an exporter that never told its start, from its flows.

        A flow that is told in a message ended before it was sent, at the uptime `latest`: the
        smallest distance ever seen is the nearest to the truth, and errs only by as long as
        the exporter waits before it tells of a flow.
        """
        most = exported_ms - latest
        known = self.reckoned.get(key)
        if known is None or most < known or (most - known) % _MODULUS > STALE_MS:
            known = _bounded(self.reckoned, key)[key] = most
        return exported_ms - known


class NewSessions:
    """Notices that an exporter's domain goes on in another session: it may have begun anew."""

    def __init__(self) -> None:
        self.latest: dict[tuple[str, int], tuple[str, int]] = {}
        """(exporter, domain) -> (session, milliseconds since 1970) heard last."""

    def follow(
        self, exporter: str, session: str, domain: int, received_ms: int, *, known: bool
    ) -> int | None:
        """When the exporter was last heard before this session, if it is one of a restart."""
        key = (exporter, domain)
        before = self.latest.get(key)
        _bounded(self.latest, key)[key] = (session, received_ms)
        if known or before is None or before[0] == session:
            return None
        return before[1]


def _bounded(table: dict[_Key, _Value], key: _Key) -> dict[_Key, _Value]:
    """`table` with room for `key`: the oldest entry goes when there is none."""
    if key not in table and len(table) >= MAX_KNOWN:
        del table[next(iter(table))]
    return table
