"""Lists the flows of one address, or of one person through the addresses they had."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from common.clock import utc_now
from common.config import Config
from common.errors import NotFound, UsageError
from common.net import IpAddress
from traffic.archive.reading import Asked, FlowRecord
from traffic.lookup.attribution import Holder, Window
from traffic.lookup.clock_error import find_clock_error, in_milliseconds
from traffic.lookup.coverage import find_gaps, find_pending, open_reader
from traffic.lookup.flows_answer import flows_answer, reading_detail
from traffic.lookup.let_go import find_let_go
from traffic.lookup.question import FlowsAnswer
from traffic.lookup.sentences import LEFT_OUT
from traffic.lookup.store import DatabaseStore, Store, open_store, record_reading
from traffic.lookup.trees import flow_tree, held_tree, in_zone
from traffic.moments import to_milliseconds

if TYPE_CHECKING:
    from db.engine import Database

DEFAULT_LIMIT = 100_000
"""Flows in one answer; beyond it the answer says that it was cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowQuestion:
    """An address, a user name or a session, and a period; a session has its own."""

    address: IpAddress | None
    user: str | None
    window: Window
    case: str
    reason: str
    limit: int = DEFAULT_LIMIT
    offset: int = 0
    session: str | None = None

    @property
    def subject(self) -> str:
        """What it is about, in one word."""
        return self.user or self.session or str(self.address)


def find_flows(
    database: Database | None,
    config: Config,
    question: FlowQuestion,
    actor: str,
    noted: Mapping[str, str | int | bool | None] = MappingProxyType({}),
) -> FlowsAnswer:
    """The flows asked for, and the record that they were read.

    Args:
        database: None to open the configured one, only as far as the question needs it.

    Raises:
        UsageError: not exactly one of address, user and session, or the period is empty.
        NotFound: nobody has that name, or no session that key.
        ArchiveError: a segment that is needed cannot be read.
        BackendUnavailable: the database does not answer; nothing is shown without a record.
    """
    started = time.monotonic()
    if [question.address, question.user, question.session].count(None) != 2:
        raise UsageError("give one of --address, --user and --session")
    if question.window.from_at > question.window.to_at:
        raise UsageError("the period ends before it begins")
    zone = config.site.timezone
    reader = open_reader(config)
    clock_error = find_clock_error(config, reader.index, question.window)
    window = question.window.widened(clock_error)
    now = utc_now()
    opened: AbstractContextManager[Store] = (
        nullcontext(DatabaseStore(database)) if database is not None else open_store(config)
    )
    with opened as store:
        is_person = question.address is None
        held = _addresses(database, config, question, window) if is_person else []
        processes = ["collector", "radius"] if is_person else ["collector"]
        gaps = find_gaps(store, reader, window, now, processes)
        gaps += find_let_go(store, config, reader.index, window, now)
        pending = find_pending(config, reader, window, now)
        flows, truncated = reader.find_flows(
            _asked(question, held, window, clock_error), question.limit, question.offset
        )
        record_reading(
            store,
            utc_now(),
            actor,
            "flows:read",
            question.subject,
            {
                **reading_detail(
                    question.case, question.reason, question.window, len(flows), truncated
                ),
                **noted,
            },
        )
    answer = flows_answer(
        address=None if question.address is None else str(question.address),
        user=question.user,
        session=question.session,
        window=question.window,
        limit=question.limit,
        offset=question.offset,
        addresses=[_held(one, zone) for one in held],
        flows=[flow_tree(flow, zone) for flow in flows],
        truncated=truncated,
        gaps=gaps,
        pending=[pending] if pending else [],
        clock_error_ms=in_milliseconds(clock_error),
        warnings=_warnings(config, flows),
        confidentiality=config.lookup.confidentiality[True],
        local=in_zone(zone),
    )
    answer["elapsed_ms"] = round((time.monotonic() - started) * 1000)
    return answer


def _warnings(config: Config, flows: Sequence[FlowRecord]) -> list[str]:
    """Said where outside ends are not kept now, or were not when these were stored."""
    is_missing = any(flow.src is None or flow.dst is None for flow in flows)
    return [LEFT_OUT] if is_missing or config.collector.without_destinations else []


def period_of_session(database: Database, key: str) -> Window:
    """From the start of a session to its end, or to now while it is open.

    Raises:
        NotFound: there is no such session.
    """
    from db.models import NetworkSession

    with database.read() as session:
        row = session.get(NetworkSession, key)
    if row is None:
        raise NotFound(f"there is no session {key!r}; see: yuenyan session list")
    ended = row.stop_at if row.stop_seen else row.closed_at
    return Window(row.started_at, max(ended or utc_now(), row.started_at))


def _addresses(
    database: Database | None, config: Config, question: FlowQuestion, window: Window
) -> list[Holder]:
    """Every address that the session, or sessions of the user, had; NotFound without any such."""
    from db.engine import Database
    from db.models import NetworkSession
    from traffic.lookup.holders import find_addresses, holders_of, is_known_name

    opened = database or Database(config.database_url)
    try:
        with opened.read() as session:
            if question.session is not None:
                if session.get(NetworkSession, question.session) is None:
                    raise NotFound(
                        f"there is no session {question.session!r}; see: yuenyan session list"
                    )
                held = holders_of(session, config, {question.session})
                return [one for one in held if window.overlaps(one.from_at, one.to_at)]
            user = question.user or ""
            if not is_known_name(session, user):
                raise NotFound(f"nobody is called {user!r}")
            return find_addresses(session, config, user, window)
    finally:
        if database is None:
            opened.dispose()


def _asked(
    question: FlowQuestion, held: Sequence[Holder], window: Window, clock_error: timedelta
) -> list[Asked]:
    if question.address is not None:
        spans = [(str(question.address), window)]
    else:
        spans = [
            (
                one.address,
                window.within(
                    one.from_at - clock_error,
                    None if one.to_at is None else one.to_at + clock_error,
                ),
            )
            for one in held
        ]
    return [
        Asked(ip_network(address), to_milliseconds(span.from_at), to_milliseconds(span.to_at))
        for address, span in dict.fromkeys(spans)
    ]


def _held(holder: Holder, zone: str) -> dict[str, Any]:
    return {
        "address": holder.address,
        "account": holder.account,
        "session_id": holder.session_key,
        "mac": holder.mac,
        "nas": holder.nas,
        **held_tree(holder, zone),
    }
