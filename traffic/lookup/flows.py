"""Lists the flows of one address, or of one person through the addresses they had."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network
from typing import Any

from common.clock import to_rfc3339, utc_now
from common.config import Config
from common.errors import NotFound, UsageError
from common.net import IpAddress
from db.engine import Database
from identity.services import audit
from traffic.archive.orientation import Inside
from traffic.archive.reading import Asked, FlowReader
from traffic.lookup.attribution import Holder, Window
from traffic.lookup.coverage import find_gaps, find_pending
from traffic.lookup.holders import find_addresses, is_known_name
from traffic.lookup.question import FlowsAnswer
from traffic.lookup.service import CLOCK_ERROR, CLOCK_ERROR_MS
from traffic.lookup.trees import flow_tree, gap_tree, held_tree, milliseconds

DEFAULT_LIMIT = 100_000
"""Flows in one answer; beyond it the answer says that it was cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowQuestion:
    """Either an address or a user name, and a period."""

    address: IpAddress | None
    user: str | None
    window: Window
    case: str
    reason: str
    limit: int = DEFAULT_LIMIT
    offset: int = 0


def find_flows(
    database: Database, config: Config, question: FlowQuestion, actor: str
) -> FlowsAnswer:
    """The flows asked for, and the record that they were read.

    Raises:
        UsageError: not exactly one of address and user, or the period is empty.
        NotFound: nobody has that name.
        ArchiveError: a segment that is needed cannot be read.
        BackendUnavailable: the database does not answer; nothing is shown without a record.
    """
    started = time.monotonic()
    if (question.address is None) == (question.user is None):
        raise UsageError("give either --address or --user")
    if question.window.from_at > question.window.to_at:
        raise UsageError("the period ends before it begins")
    zone = config.site.timezone
    window = question.window.widened(CLOCK_ERROR)
    reader = FlowReader(config.data_dir / "archive", Inside(config.collector.inside))
    now = utc_now()
    held: list[Holder] = []
    with database.read() as session:
        if question.user is not None:
            if not is_known_name(session, question.user):
                raise NotFound(f"nobody is called {question.user!r}")
            held = find_addresses(session, question.user, window)
        processes = ["collector"] if question.user is None else ["collector", "radius"]
        gaps = find_gaps(session, reader.entries, window, now, processes)
    pending = find_pending(config, window, now)
    flows, truncated = reader.find_flows(
        _asked(question, held, window), question.limit, question.offset
    )
    with database.write() as session:
        audit.record(
            session,
            utc_now(),
            actor,
            "flows:read",
            question.user or str(question.address),
            case=question.case,
            reason=question.reason,
            window_from=to_rfc3339(question.window.from_at),
            window_to=to_rfc3339(question.window.to_at),
            flows=len(flows),
            truncated=truncated,
        )
    return {
        "asked": _asked_tree(question, zone),
        "addresses": [_held(one, zone) for one in held],
        "flows": [flow_tree(flow, zone) for flow in flows],
        "truncated": truncated,
        "gaps": [gap_tree(gap, zone) for gap in [*gaps, *([pending] if pending else [])]],
        "pending_until": None if pending is None else to_rfc3339(pending.to_at, zone),
        "clock_error_ms": CLOCK_ERROR_MS,
        "elapsed_ms": round((time.monotonic() - started) * 1000),
    }


def _asked(question: FlowQuestion, held: Sequence[Holder], window: Window) -> list[Asked]:
    if question.address is not None:
        spans = [(str(question.address), window)]
    else:
        spans = [
            (one.address, window.within(one.from_at - CLOCK_ERROR, _later(one.to_at)))
            for one in held
        ]
    return [
        Asked(ip_network(address), milliseconds(span.from_at), milliseconds(span.to_at))
        for address, span in dict.fromkeys(spans)
    ]


def _later(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment + CLOCK_ERROR


def _asked_tree(question: FlowQuestion, zone: str) -> dict[str, Any]:
    return {
        "address": None if question.address is None else str(question.address),
        "user": question.user,
        "from": to_rfc3339(question.window.from_at, zone),
        "to": to_rfc3339(question.window.to_at, zone),
        "limit": question.limit,
        "offset": question.offset,
    }


def _held(holder: Holder, zone: str) -> dict[str, Any]:
    return {
        "address": holder.address,
        "account": holder.account,
        "session_id": holder.session_key,
        "mac": holder.mac,
        "nas": holder.nas,
        **held_tree(holder, zone),
    }
