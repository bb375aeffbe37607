"""Finds the sessions, addresses and flows that bear on what an export is about.

Addresses are resolved by the look-up itself, so that a bundle cannot say anything else than
the answer did; persons and devices by their sessions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Network, ip_network
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.config import Config
from common.errors import NotFound, UsageError
from db.engine import Database
from db.models import NetworkSession
from traffic.archive.reading import UNTOLD, WITH_PORTS, Asked, FlowReader, FlowRecord
from traffic.evidence.scope import Scope, Subject
from traffic.lookup.attribution import Holder, Window
from traffic.lookup.holders import alive, find_addresses, find_station, holders_of, is_known_name
from traffic.lookup.question import CLOCK_ERROR, NUMBERS, Question
from traffic.lookup.service import run_lookup
from traffic.moments import from_milliseconds, to_milliseconds

MAX_FLOWS = 100_000
"""Of one subject. Beyond it an export is refused rather than cut: half a list is no evidence."""

_PIECE = 400
"""Parameters of one statement; SQLite takes a limited number."""

_EVERYTHING = IPv4Network("0.0.0.0/0")


@dataclass(slots=True)
class Found:
    """What bears on one subject."""

    subject: Subject
    window: Window
    """The period, wider by the error of clocks."""
    everyone: bool = False
    """Nobody is named: the whole period was asked for."""
    sessions: set[str] = field(default_factory=set)
    """Keys."""
    references: set[str] = field(default_factory=set)
    """What Class carried in those sessions: it names the login that each came of."""
    spans: list[tuple[str, Window]] = field(default_factory=list)
    """Inside addresses of those sessions, each only for as long as it was theirs."""
    flows: list[FlowRecord] = field(default_factory=list)
    answer: dict[str, Any] | None = None
    """The look-up, where an address was named."""
    narrowed: bool = False
    """A person or device was named beside the address: the others behind it do not count."""

    @property
    def cited(self) -> set[str]:
        """Records that the answer rests on, whenever they came."""
        answer = self.answer or {}
        told = [
            one
            for name in ("candidates", "translations", "nameless")
            for one in answer.get(name, ())
        ]
        return {record for one in told for record in one["evidence"]}

    @property
    def addresses(self) -> set[str]:
        """The inside addresses that matter."""
        return {address for address, _ in self.spans}


def find(
    database: Database,
    config: Config,
    reader: FlowReader,
    scope: Scope,
    subject: Subject,
    actor: str,
) -> Found:
    """Everything about `subject`.

    Raises:
        NotFound: nobody has that name.
        UsageError: it is more than one bundle can hold.
        ArchiveError: a segment that is needed cannot be read.
    """
    found = Found(subject, subject.window.widened(CLOCK_ERROR))
    held = _held(database, config, subject, found.window)
    if subject.address is not None:
        _find_address(database, config, reader, scope, found, held, actor)
    elif held is not None:
        found.sessions = {one.session_key for one in held}
        if subject.session is not None:
            # Its packets may be in the archive when its row is gone.
            found.sessions.add(subject.session)
        found.spans = [(one.address, _span(found.window, one.from_at, one.to_at)) for one in held]
        asked = [_asked(ip_network(address), span) for address, span in found.spans]
        found.flows = _flows(reader, asked)
    else:
        found.everyone = True
        with database.read() as session:
            found.sessions = _heard_of(session, found.window)
        found.flows = _flows(reader, [_asked(_EVERYTHING, found.window)])
    with database.read() as session:
        found.references = _references(session, found.sessions)
    return found


def _find_address(
    database: Database,
    config: Config,
    reader: FlowReader,
    scope: Scope,
    found: Found,
    held: list[Holder] | None,
    actor: str,
) -> None:
    """Fill in `found` from the look-up, narrowed to `held` where a person or device is named."""
    subject = found.subject
    assert subject.address is not None
    answer: dict[str, Any] = dict(run_lookup(database, config, _question(scope, subject), actor))
    keys = None if held is None else {one.session_key for one in held}
    kept = [one for one in answer["candidates"] if keys is None or one["session_id"] in keys]
    found.sessions = {one["session_id"] for one in kept if one["session_id"]}
    for one in kept:
        from_at, to_at = (
            None if one[name] is None else datetime.fromisoformat(one[name])
            for name in ("from", "to")
        )
        span = _span(found.window, from_at or found.window.from_at, to_at)
        found.spans.append((one["inside_address"], span))
    if keys is None:
        found.answer = answer
        if reader.inside.has(subject.address):
            found.spans.append((str(subject.address), found.window))
    else:
        # The others whom it names were not asked for.
        found.narrowed = True
        told = [one for one in answer["translations"] if one["inside_address"] in found.addresses]
        found.answer = {
            **answer, "candidates": kept, "translations": told, "nameless": [], "narrowed": True
        }  # fmt: skip
    flows = _flows(reader, [_asked(ip_network(subject.address), found.window)])
    found.flows = [flow for flow in flows if _bears(flow, found)]
    # Translations begin before the period and end after it.
    found.flows += reader.of_records(found.cited - {flow.record for flow in found.flows})


def _held(
    database: Database, config: Config, subject: Subject, window: Window
) -> list[Holder] | None:
    """Addresses that the person, device or session had; None when none of them is named."""
    if subject.user is None and subject.mac is None and subject.session is None:
        return None
    parts: list[list[Holder]] = []
    with database.read() as session:
        if subject.session is not None:
            had = holders_of(session, config, {subject.session})
            parts.append([one for one in had if window.overlaps(one.from_at, one.to_at)])
        if subject.user is not None:
            if not is_known_name(session, subject.user):
                raise NotFound(f"nobody is called {subject.user!r}")
            parts.append(find_addresses(session, config, subject.user, window))
        if subject.mac is not None:
            parts.append(find_station(session, config, subject.mac, window))
    shared = set.intersection(*({one.session_key for one in part} for part in parts))
    return [one for one in parts[0] if one.session_key in shared]


def _question(scope: Scope, subject: Subject) -> Question:
    assert subject.address is not None
    half = (subject.window.to_at - subject.window.from_at + timedelta(microseconds=1)) / 2
    return Question(
        address=subject.address,
        port=subject.port,
        protocol=subject.protocol,
        at=subject.window.from_at + half,
        tolerance=half,
        case=scope.case,
        reason=scope.reason,
        destination=subject.destination,
        destination_port=subject.destination_port,
    )


def _asked(network: Any, window: Window) -> Asked:
    return Asked(network, to_milliseconds(window.from_at), to_milliseconds(window.to_at))


def _span(window: Window, from_at: datetime, to_at: datetime | None) -> Window:
    """The part of `window` in which an address was held, wider by the error of clocks."""
    until = None if to_at is None else to_at + CLOCK_ERROR
    return window.within(from_at - CLOCK_ERROR, until)


def _heard_of(session: Session, window: Window) -> set[str]:
    return set(session.scalars(select(NetworkSession.session_key).where(*alive(window))))


def _references(session: Session, keys: set[str]) -> set[str]:
    found: set[str] = set()
    listed = sorted(keys)
    for start in range(0, len(listed), _PIECE):
        query = select(NetworkSession.session_ref).where(
            NetworkSession.session_key.in_(listed[start : start + _PIECE])
        )
        found.update(reference for reference in session.scalars(query) if reference)
    return found


def _flows(reader: FlowReader, asked: Iterable[Asked]) -> list[FlowRecord]:
    flows, more = reader.find_flows(list(dict.fromkeys(asked)), MAX_FLOWS)
    if more:
        raise UsageError(
            f"more than {MAX_FLOWS} flows bear on it: ask for a shorter period, or with a port"
        )
    return flows


def _bears(flow: FlowRecord, found: Found) -> bool:
    """Whether a flow of the address is one that was asked for."""
    subject = found.subject
    numbers = NUMBERS.get(subject.protocol or "", ())
    # What a record leaves out stays, as in the look-up.
    if numbers and flow.protocol not in (*numbers, UNTOLD):
        return False
    ports = {subject.port, UNTOLD} if flow.protocol in WITH_PORTS else {subject.port}
    ends = {
        (flow.src, flow.src_port),
        (flow.dst, flow.dst_port),
        (flow.nat_src, flow.nat_src_port),
        (flow.nat_dst, flow.nat_dst_port),
    }
    if (
        subject.port is not None
        and subject.protocol != "icmp"
        and not any((str(subject.address), port) in ends for port in ports)
    ):
        return False
    if subject.destination is not None and flow.dst is not None:
        there = {port for address, port in ends if address == str(subject.destination)}
        wanted = {subject.destination_port, 0} if subject.destination_port is not None else there
        if not there & wanted:
            return False
    if not found.narrowed:
        return True
    begins, ends_at = from_milliseconds(flow.start_ms), from_milliseconds(flow.end_ms)
    return any(
        address in {one for one, _ in ends} and span.overlaps(begins, ends_at)
        for address, span in found.spans
    )
