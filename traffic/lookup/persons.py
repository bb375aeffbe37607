"""What one person had in a period: sessions, devices, addresses, places (R28)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from common.clock import to_rfc3339, utc_now
from common.config import Config
from common.errors import NotFound, UsageError
from common.net import split_called_station_id
from db.engine import Database
from traffic.lookup.attribution import Window
from traffic.lookup.clock_error import find_clock_error, in_milliseconds
from traffic.lookup.coverage import find_gaps, open_reader
from traffic.lookup.holders import is_known_name, of_person
from traffic.lookup.let_go import find_let_go
from traffic.lookup.question import read_period, require_purpose
from traffic.lookup.sentences import NOT_A_PERSON, interpretation
from traffic.lookup.stays import Stay, find_stays
from traffic.lookup.store import DatabaseStore, record_reading
from traffic.lookup.trees import gap_tree, held_tree
from traffic.lookup.views import UNLOCKED, View, cut_gaps, within_reach


class PersonAnswer(TypedDict, total=False):
    """The JSON object of `yuenyan lookup --user --json`."""

    asked: dict[str, Any]
    sessions: list[dict[str, Any]]
    devices: list[dict[str, Any]]
    addresses: list[dict[str, Any]]
    places: list[dict[str, Any]]
    gaps: list[dict[str, Any]]
    truncated: bool
    clock_error_ms: int
    elapsed_ms: int
    interpretation: dict[str, dict[str, str]]
    sentences: dict[str, str]
    confidentiality: str
    withheld: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonQuestion:
    """Everything known of one account, or of one name as sent, in a period."""

    user: str
    window: Window
    case: str
    reason: str


def read_person_question(tree: Mapping[str, Any], zone: str) -> PersonQuestion:
    """The question in the keys user, from, to, case, reason.

    Raises:
        UsageError: a part is missing or makes no sense.
    """
    case, reason = require_purpose(tree.get("case"), tree.get("reason"))
    user = str(tree.get("user") or "").strip()
    if not user:
        raise UsageError("give the user name that is asked about: --user NAME")
    window = read_period(tree.get("from"), tree.get("to"), zone)
    if window.from_at > window.to_at:
        raise UsageError("the period ends before it begins")
    return PersonQuestion(user=user, window=window, case=case, reason=reason)


def run_person_lookup(
    database: Database,
    config: Config,
    question: PersonQuestion,
    actor: str,
    view: View = UNLOCKED,
) -> PersonAnswer:
    """The sessions of a person, and what they add up to; recorded before it leaves.

    Raises:
        NotFound: nobody has that name, or nobody whom the reader may see.
        BackendUnavailable: the database does not answer; nothing is shown without a record.
    """
    started = time.monotonic()
    zone = config.site.timezone
    store = DatabaseStore(database)
    reader = open_reader(config)
    clock_error = find_clock_error(config, reader.index, question.window)
    window = question.window.widened(clock_error)
    with database.read() as session:
        known = is_known_name(session, question.user)
        wanted = of_person(session, question.user)
        found, truncated = find_stays(session, config, wanted, window) if known else ([], False)
        visible = within_reach(session, view.reach, [one.whole.session_key for one in found])
        stays = [one for one in found if visible is None or one.whole.session_key in visible]
        gaps = find_gaps(store, reader, window, utc_now(), ["radius"])
        gaps += find_let_go(store, config, reader.index, window, utc_now())
    record_reading(
        store,
        utc_now(),
        actor,
        "lookup:revealed" if view.is_reveal else "lookup:run",
        question.user,
        {
            "case": question.case,
            "reason": question.reason,
            "window_from": to_rfc3339(question.window.from_at),
            "window_to": to_rfc3339(question.window.to_at),
            "candidates": len(stays),
            "names": True,
            **view.noted,
        },
    )
    # Whose name it is elsewhere is not told either: for one school both are nobody.
    if not known or (visible is not None and not stays):
        raise NotFound(f"nobody is called {question.user!r}")
    return {
        "asked": {
            "user": question.user,
            "from": to_rfc3339(question.window.from_at, zone),
            "to": to_rfc3339(question.window.to_at, zone),
        },
        "sessions": [_session(one, zone) for one in stays],
        "devices": _devices(stays, zone),
        "addresses": [
            {"address": one.address, "session_id": one.session_key, **held_tree(one, zone)}
            for stay in stays
            for one in stay.addresses
        ],
        "places": _places(stays, zone),
        "gaps": cut_gaps(view, [gap_tree(gap, zone) for gap in gaps]),
        "truncated": truncated,
        "clock_error_ms": in_milliseconds(clock_error),
        "interpretation": {
            "from": interpretation(question.window.from_at, zone),
            "to": interpretation(question.window.to_at, zone),
        },
        "sentences": dict(NOT_A_PERSON),
        "confidentiality": config.lookup.confidentiality[True],
        "withheld": 0,
        "elapsed_ms": round((time.monotonic() - started) * 1000),
    }


def _session(stay: Stay, zone: str) -> dict[str, Any]:
    whole = stay.whole
    _mac, ssid = split_called_station_id(stay.called_station_id or "")
    return {
        "session_id": whole.session_key,
        "account": whole.account,
        "full_name": whole.full_name,
        "user_name": whole.user_name,
        "mac": whole.mac,
        "nas": whole.nas,
        "ssid": ssid,
        **held_tree(whole, zone),
        "addresses": [one.address for one in stay.addresses],
        "input_octets": stay.input_octets,
        "output_octets": stay.output_octets,
        "evidence": list(whole.evidence),
    }


def _devices(stays: Sequence[Stay], zone: str) -> list[dict[str, Any]]:
    groups: dict[str, list[Stay]] = {}
    for one in stays:
        groups.setdefault(one.whole.mac or "", []).append(one)
    return [{"mac": mac or None, **_summary(some, zone)} for mac, some in groups.items()]


def _places(stays: Sequence[Stay], zone: str) -> list[dict[str, Any]]:
    groups: dict[str, list[Stay]] = {}
    for one in stays:
        groups.setdefault(one.whole.nas, []).append(one)
    return [{"nas": nas, **_summary(some, zone)} for nas, some in groups.items()]


def _summary(stays: Sequence[Stay], zone: str) -> dict[str, Any]:
    """How many sessions, from the first's start to when the last was heard or ended."""
    latest = max(one.whole.to_at or one.whole.last_heard_at for one in stays)
    return {
        "sessions": len(stays),
        "first": to_rfc3339(min(one.whole.from_at for one in stays), zone),
        "last": to_rfc3339(latest, zone),
    }
