"""Runs a look-up: reads the archive and the database, attributes, records, answers.

The answer leaves only after the audit event that says who asked what and why is stored.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from common.clock import to_rfc3339, utc_now
from common.config import Config
from db.engine import Database
from traffic.archive.inside import Inside
from traffic.archive.reading import FlowReader, Translation
from traffic.lookup.attribution import (
    Binding,
    Candidate,
    GapSpan,
    Holder,
    Window,
    attribute,
)
from traffic.lookup.clock_error import find_clock_error, in_milliseconds
from traffic.lookup.coverage import find_gaps, find_pending
from traffic.lookup.holders import find_holders, is_client_address
from traffic.lookup.question import (
    NUMBERS,
    LookupAnswer,
    Question,
    read_question,
)
from traffic.lookup.store import DatabaseStore, Store, record_reading
from traffic.lookup.translations import bindings_of
from traffic.lookup.trees import gap_tree, held_tree, ms_text
from traffic.moments import to_milliseconds

NAT_LOOK_BACK = timedelta(hours=24)
"""How long a translation may have been open before the time asked for."""

MAX_TRANSLATIONS = 2000
"""Inside addresses listed behind one public address; beyond it the answer says so."""

NOT_A_PERSON = "The answer names an account or device, not who was at the keyboard."
NO_PORT = "Without a port, everyone behind this public address is a candidate."
LATER = (
    "A gap after the time asked for counts too: equipment reports a flow up to 30 minutes after it"
    " took place."
)
"""The minutes of `coverage.EXPORT_DELAY`."""
CUT = "There are more candidates than are shown; ask with a port, protocol or shorter time."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    """What attribution judges."""

    own: Sequence[Holder] = ()
    translations: Sequence[Translation] = ()
    truncated: bool = False
    bindings: Sequence[Binding] = ()
    holders: Sequence[Holder] = ()
    gaps: Sequence[GapSpan] = ()
    pending: GapSpan | None = None


def run_lookup(
    database: Database, config: Config, question: Question | Mapping[str, Any], actor: str
) -> LookupAnswer:
    """Answer one question and record that it was asked.

    Raises:
        UsageError: the question has no case or reason, or makes no sense.
        ArchiveError: a segment that is needed cannot be read.
        BackendUnavailable: the database does not answer; there is no answer without a record.
    """
    started = time.monotonic()
    zone = config.site.timezone
    if not isinstance(question, Question):
        question = read_question(question, zone)
    reader = FlowReader(config.data_dir / "archive", Inside(config.collector.inside))
    now = utc_now()
    clock_error = find_clock_error(config, reader.entries, question.window)
    window = question.window.widened(clock_error)
    store = DatabaseStore(database)
    with database.read() as session:
        evidence = _gather(session, store, config, question, window, reader, now)
    result = attribute(
        window,
        own=evidence.own,
        bindings=evidence.bindings,
        holders=evidence.holders,
        gaps=evidence.gaps,
        margin=clock_error,
        complete=not evidence.truncated,
    )
    found, truncated, pending = evidence.translations, evidence.truncated, evidence.pending
    answer: LookupAnswer = {
        "outcome": str(result.outcome),
        "asked": {
            "address": str(question.address),
            "port": question.port,
            "protocol": question.protocol,
            "from": to_rfc3339(question.window.from_at, zone),
            "to": to_rfc3339(question.window.to_at, zone),
        },
        "candidates": [_candidate(one, question, zone) for one in result.candidates],
        "translations": [_translation(one, zone) for one in found],
        "gaps": [gap_tree(gap, zone) for gap in result.gaps],
        "warnings": _warnings(question, window, evidence, result.gaps),
        "pending_until": None if pending is None else to_rfc3339(pending.to_at, zone),
        "truncated": truncated,
        "clock_error_ms": in_milliseconds(clock_error),
    }
    record_reading(
        store,
        utc_now(),
        actor,
        "lookup:run",
        str(question.address),
        {
            "case": question.case,
            "reason": question.reason,
            "port": question.port,
            "protocol": question.protocol,
            "window_from": to_rfc3339(question.window.from_at),
            "window_to": to_rfc3339(question.window.to_at),
            "outcome": str(result.outcome),
            "candidates": len(result.candidates),
        },
    )
    answer["elapsed_ms"] = round((time.monotonic() - started) * 1000)
    return answer


def _gather(
    session: Session,
    store: Store,
    config: Config,
    question: Question,
    window: Window,
    reader: FlowReader,
    now: datetime,
) -> _Evidence:
    """Everything the archive and the database have on the question."""
    address = str(question.address)
    own = find_holders(session, config, [address], window)
    if reader.inside.has(question.address):
        gaps = find_gaps(store, reader.entries, window, now, ["radius"])
        return _Evidence(own=own, gaps=gaps)
    found, truncated = _translations(reader, question, window)
    if not found and is_client_address(session, address):
        # Clients have it themselves, and nothing was seen behind it.
        gaps = find_gaps(store, reader.entries, window, now, ["radius"])
        return _Evidence(own=own, gaps=gaps)
    bindings = bindings_of(found, window.from_at - NAT_LOOK_BACK, window.to_at + NAT_LOOK_BACK)
    gaps = find_gaps(store, reader.entries, window, now, ["collector", "radius"])
    pending = find_pending(config, window, now)
    return _Evidence(
        own=own,
        translations=found,
        truncated=truncated,
        bindings=bindings,
        holders=find_holders(session, config, {one.inside_address for one in bindings}, window),
        gaps=gaps if pending is None else [*gaps, pending],
        pending=pending,
    )


def _translations(
    reader: FlowReader, question: Question, window: Window
) -> tuple[list[Translation], bool]:
    """What stood behind the public address, by flows and by NAT events."""
    protocols = NUMBERS.get(question.protocol or "", ())
    port = None if question.protocol == "icmp" else question.port
    back = NAT_LOOK_BACK // timedelta(milliseconds=1)
    from_ms, to_ms = to_milliseconds(window.from_at), to_milliseconds(window.to_at)
    flows, more = reader.find_translations(
        question.address, port, protocols, from_ms, to_ms, MAX_TRANSLATIONS
    )
    events, more_events = reader.find_translations(
        question.address,
        port,
        protocols,
        from_ms - back,
        to_ms + back,
        MAX_TRANSLATIONS,
        events=True,
    )
    return [*flows, *events], more or more_events


def _warnings(
    question: Question, window: Window, evidence: _Evidence, gaps: Sequence[GapSpan]
) -> list[str]:
    warnings = [NOT_A_PERSON]
    if evidence.translations and question.port is None:
        warnings.append(NO_PORT)
    if evidence.truncated:
        warnings.append(CUT)
    if any(gap.from_at > window.to_at for gap in gaps):
        warnings.append(LATER)
    return warnings


def _candidate(one: Candidate, question: Question, zone: str) -> dict[str, Any]:
    holder, binding = one.holder, one.binding
    address = binding.inside_address if binding else str(question.address)
    tree: dict[str, Any] = {
        "account": holder.account if holder else None,
        "full_name": holder.full_name if holder else "",
        "user_name": holder.user_name if holder else None,
        "session_id": holder.session_key if holder else None,
        "mac": holder.mac if holder else None,
        "inside_address": address,
        "inside_port": binding.inside_port if binding else question.port,
        "nas": holder.nas if holder else None,
        "from": None,
        "to": None,
        "last_heard_at": None,
        "closed": None,
        "evidence": list(one.evidence),
    }
    if holder is not None:
        tree |= held_tree(holder, zone)
    elif binding is not None:
        tree["from"] = to_rfc3339(binding.from_at, zone)
        tree["to"] = to_rfc3339(binding.to_at, zone)
    return tree


def _translation(one: Translation, zone: str) -> dict[str, Any]:
    return {
        "inside_address": one.inside_address,
        "inside_port": one.inside_port or None,
        "protocol": one.protocol,
        "from": ms_text(one.from_ms, zone),
        "to": ms_text(one.to_ms, zone),
        "records": one.flows,
        "evidence": list(one.records),
    }
