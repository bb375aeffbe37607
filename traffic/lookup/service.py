"""Runs a look-up: reads the archive and the database, attributes, records, answers.

The answer leaves only after the audit event that says who asked what and why is stored.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from common.clock import to_rfc3339, utc_now
from common.config import Config
from db.engine import Database
from traffic.archive.reading import FlowReader, Translation
from traffic.archive.tables import TableArchive
from traffic.lookup.attribution import (
    Attribution,
    Binding,
    Candidate,
    GapSpan,
    Holder,
    Window,
    attribute,
)
from traffic.lookup.blocks import find_blocks
from traffic.lookup.clock_error import find_clock_error, in_milliseconds
from traffic.lookup.coverage import find_gaps, find_pending, open_reader
from traffic.lookup.holders import find_holders, is_client_address
from traffic.lookup.let_go import find_let_go
from traffic.lookup.logs import LogEvidence
from traffic.lookup.missing import EXPORT_DELAY
from traffic.lookup.question import (
    LookupAnswer,
    Question,
    format_destination,
    read_question,
)
from traffic.lookup.sentences import NOT_A_PERSON as SENTENCES
from traffic.lookup.sentences import interpretation
from traffic.lookup.store import DatabaseStore, Store, record_reading
from traffic.lookup.tolerance import Limits, edges_of, find_limits, seconds
from traffic.lookup.translations import bindings_of
from traffic.lookup.trees import gap_tree, held_tree, ms_text
from traffic.lookup.views import UNLOCKED, View, cut, cut_gaps
from traffic.moments import to_milliseconds

NAT_LOOK_BACK = timedelta(hours=24)
"""How long a translation may have been open before the time asked for."""

LOOKED_BEYOND = 4
LOOKED_AT_LEAST = timedelta(minutes=10)
"""How far beyond the asked tolerance it is told what would change: clocks that are off are off
by minutes, seldom more."""

MAX_NAMELESS = 20
"""Inside addresses of nobody known that an answer shows: enough to look for the equipment."""

MAX_TRANSLATIONS = 2000
"""Inside addresses listed behind one public address; beyond it the answer says so."""

NOT_A_PERSON = "The answer names an account or device, not who was at the keyboard."
NO_DESTINATIONS = (
    "Of some senders the outside ends of connections are not kept; who shared an outside port at"
    " the same time cannot be told apart there."
)
NO_PORT = "Without a port, everyone behind this public address is a candidate."
LATER = (
    "A gap after the time asked for counts too: equipment reports a flow up to 30 minutes after it"
    " took place."
)
"""The minutes of `coverage.EXPORT_DELAY`."""
EARLY = (
    "Not told yet is not nobody: equipment reports a connection when it ends, or up to 30 minutes"
    " after it took place. Ask again then."
)
UNPROVEN = (
    "The stop of a session never came: after its last report the device may have left, and"
    " another may have had the address."
)
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
    is_public: bool = False
    """Translations could be told of it."""


def run_lookup(
    database: Database,
    config: Config,
    question: Question | Mapping[str, Any],
    actor: str,
    view: View = UNLOCKED,
) -> LookupAnswer:
    """Answer one question and record that it was asked.

    Args:
        view: how much of it the asker may see.

    Raises:
        UsageError: the question has no case or reason, or makes no sense.
        ArchiveError: a segment that is needed cannot be read.
        BackendUnavailable: the database does not answer; there is no answer without a record.
    """
    started = time.monotonic()
    zone = config.site.timezone
    if not isinstance(question, Question):
        question = read_question(question, zone)
    reader = open_reader(config)
    now = utc_now()
    clock_error = find_clock_error(config, reader.index, question.window)
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
    limits = None
    if not evidence.truncated:
        limits = _limits(database, store, config, question, evidence, reader, now, clock_error)
    found, truncated, pending = evidence.translations, evidence.truncated, evidence.pending
    with database.read() as session:
        candidates, withheld = cut(
            session,
            view,
            question.case,
            [_candidate(one, question, zone) for one in result.candidates],
        )
    shown = {one["inside_address"] for one in candidates}
    if not view.reach.is_whole:
        found = [one for one in found if one.inside_address in shown]
    answer: LookupAnswer = {
        "outcome": str(result.outcome),
        "asked": {
            "address": str(question.address),
            "port": question.port,
            "protocol": question.protocol,
            "destination": None
            if question.destination is None
            else format_destination(question.destination, question.destination_port),
            "from": to_rfc3339(question.window.from_at, zone),
            "to": to_rfc3339(question.window.to_at, zone),
        },
        "candidates": candidates,
        "translations": [_translation(one, zone) for one in found],
        "nameless": [_seen(one, zone) for one in _nameless(evidence, result, window, clock_error)]
        if view.reach.is_whole
        else [],
        "gaps": cut_gaps(view, [gap_tree(gap, zone) for gap in result.gaps]),
        "warnings": _warnings(config, question, window, evidence, result, now),
        "pending_until": None if pending is None else to_rfc3339(pending.to_at, zone),
        "truncated": truncated,
        "clock_error_ms": in_milliseconds(clock_error),
        "interpretation": interpretation(question.at, zone),
        "tolerance": tolerance_tree(limits),
        "sentences": dict(SENTENCES),
        "confidentiality": config.lookup.confidentiality[view.names],
        "names": view.names,
        "withheld": withheld,
    }
    record_reading(
        store,
        utc_now(),
        actor,
        "lookup:revealed" if view.is_reveal else "lookup:run",
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
            "destination": answer["asked"]["destination"],
            "names": view.names,
            "withheld": withheld or None,
            **view.noted,
        },
    )
    answer["elapsed_ms"] = round((time.monotonic() - started) * 1000)
    return answer


def _nameless(
    evidence: _Evidence, result: Attribution, window: Window, clock_error: timedelta
) -> Sequence[Binding]:
    """What stood behind the address then, where nobody known stood there."""
    if result.candidates:
        return ()
    open_then = [
        one
        for one in evidence.bindings
        if window.overlaps(one.from_at - clock_error, one.to_at + clock_error)
    ]
    return open_then[:MAX_NAMELESS]


def _limits(
    database: Database,
    store: Store,
    config: Config,
    question: Question,
    evidence: _Evidence,
    reader: FlowReader,
    now: datetime,
    clock_error: timedelta,
) -> Limits | None:
    """How the answer changes with the tolerance: within the asked one, or a little beyond it."""
    looked_to = max(question.tolerance * LOOKED_BEYOND, LOOKED_AT_LEAST)
    wider = replace(question, tolerance=looked_to)
    with database.read() as session:
        more = _gather(
            session, store, config, wider, wider.window.widened(clock_error), reader, now
        )
    if more.truncated:
        more, looked_to = evidence, question.tolerance

    def judge(window: Window) -> Attribution:
        return attribute(
            window.widened(clock_error),
            own=more.own,
            bindings=more.bindings,
            holders=more.holders,
            gaps=(),
            margin=clock_error,
        )

    edges = edges_of(question.at, [*more.own, *more.holders], more.bindings, clock_error)
    return find_limits(question.at, judge, edges, looked_to)


def tolerance_tree(limits: Limits | None) -> dict[str, float | None]:
    """The limits for an answer, in seconds; all null where there is too much to tell."""
    return {
        "found_from_seconds": seconds(limits.found_from) if limits else None,
        "ambiguous_from_seconds": seconds(limits.ambiguous_from) if limits else None,
        "looked_to_seconds": seconds(limits.looked_to) if limits else None,
    }


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
    logs = LogEvidence(session, config, reader, window)
    own = logs.holders([address], find_holders(session, config, [address], window))
    let_go = find_let_go(store, config, reader.index, window, now, address)
    if reader.inside.has(question.address):
        gaps = find_gaps(store, reader, window, now, ["radius"])
        return _Evidence(own=own, gaps=[*gaps, *logs.lease_gaps(store, now), *let_go])
    found, truncated = _translations(reader, question, window)
    blocks, more = find_blocks(
        TableArchive(config.data_dir / "archive", ""),
        reader.index,
        address,
        question.asked_port,
        question.protocol_numbers,
        window,
    )
    found, truncated = [*found, *blocks], truncated or more
    logged = logs.translations(question)
    if not found and not logged.bindings and is_client_address(session, address):
        # Clients have it themselves, and nothing was seen behind it.
        gaps = find_gaps(store, reader, window, now, ["radius"])
        return _Evidence(own=own, gaps=[*gaps, *logs.lease_gaps(store, now), *let_go])
    bindings = bindings_of(found, window.from_at - NAT_LOOK_BACK, window.to_at + NAT_LOOK_BACK)
    bindings += logged.bindings
    inside = {one.inside_address for one in bindings}
    gaps = find_gaps(store, reader, window, now, ["collector", "radius"])
    gaps += [*logs.gaps(store, now, address), *let_go]
    pending = find_pending(config, reader, window, now)
    return _Evidence(
        own=own,
        translations=[*found, *logged.translations],
        truncated=truncated or logged.truncated,
        bindings=bindings,
        holders=logs.holders(inside, find_holders(session, config, inside, window)),
        gaps=gaps if pending is None else [*gaps, pending],
        pending=pending,
        is_public=True,
    )


def _translations(
    reader: FlowReader, question: Question, window: Window
) -> tuple[list[Translation], bool]:
    """What stood behind the public address, by flows and by NAT events."""
    port, protocols = question.asked_port, question.protocol_numbers
    back = NAT_LOOK_BACK // timedelta(milliseconds=1)
    from_ms, to_ms = to_milliseconds(window.from_at), to_milliseconds(window.to_at)
    flows, more = reader.find_translations(
        question.address,
        port,
        protocols,
        from_ms,
        to_ms,
        MAX_TRANSLATIONS,
        destination=question.destination,
        destination_port=question.destination_port,
    )
    events, more_events = reader.find_translations(
        question.address,
        port,
        protocols,
        from_ms - back,
        to_ms + back,
        MAX_TRANSLATIONS,
        events=True,
        destination=question.destination,
        destination_port=question.destination_port,
    )
    return [*flows, *events], more or more_events


def _warnings(
    config: Config,
    question: Question,
    window: Window,
    evidence: _Evidence,
    result: Attribution,
    now: datetime,
) -> list[str]:
    warnings = [NOT_A_PERSON]
    if evidence.translations and question.port is None:
        warnings.append(NO_PORT)
    if evidence.translations and config.collector.without_destinations:
        warnings.append(NO_DESTINATIONS)
    if evidence.truncated:
        warnings.append(CUT)
    if any(_is_unproven(one, result.candidates) for one in result.candidates):
        warnings.append(UNPROVEN)
    if any(gap.from_at > window.to_at for gap in result.gaps):
        warnings.append(LATER)
    if evidence.is_public and not result.candidates and now < window.to_at + EXPORT_DELAY:
        warnings.append(EARLY)
    return warnings


def _is_unproven(one: Candidate, candidates: Sequence[Candidate]) -> bool:
    """True for a session that may have ended unheard, beside somebody nobody knows."""
    return (
        one.holder is not None
        and one.holder.certain_to is not None
        and any(other.holder is None for other in candidates)
    )


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
    else:
        span = question.window if binding is None else binding
        tree["from"] = to_rfc3339(span.from_at, zone)
        tree["to"] = to_rfc3339(span.to_at, zone)
    return tree


def _seen(one: Binding, zone: str) -> dict[str, Any]:
    return {
        "inside_address": one.inside_address,
        "inside_port": one.inside_port,
        "from": to_rfc3339(one.from_at, zone),
        "to": to_rfc3339(one.to_at, zone),
        "evidence": list(one.evidence),
    }


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
