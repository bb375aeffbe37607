"""Every question there is, asked one way: by command, page and API alike (R28).

A question has a kind and a tree of plain values; in its canonical spelling (`Asked.tree`) it
can be kept, compared with an approval, and asked again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from common.clock import to_rfc3339
from common.config import Config
from common.errors import NotFound, UsageError
from common.net import format_mac, parse_address
from db.engine import Database
from traffic.lookup.attribution import Window
from traffic.lookup.flows import DEFAULT_LIMIT, FlowQuestion, find_flows, period_of_session
from traffic.lookup.holders import find_addresses, is_known_name
from traffic.lookup.persons import PersonQuestion, read_person_question, run_person_lookup
from traffic.lookup.question import (
    Question,
    format_destination,
    read_period,
    read_question,
    require_purpose,
)
from traffic.lookup.service import run_lookup
from traffic.lookup.stations import StationQuestion, read_station_question, run_station_lookup
from traffic.lookup.views import View, within_reach

Value = str | int | float | None


class Kind(StrEnum):
    """What is asked about."""

    ADDRESS = "address"
    MAC = "mac"
    PERSON = "person"
    FLOWS = "flows"


NAMED = frozenset({Kind.PERSON, Kind.FLOWS})
"""Who is asked about is known before: there is nothing to show under a pseudonym."""

_SHOWN_FLOWS = 1000
"""On a page or by the API at a time; the command gives them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question, understood."""

    kind: Kind
    question: Question | StationQuestion | PersonQuestion | FlowQuestion
    tree: Mapping[str, Value]
    """Canonical: times in UTC, addresses as they are written."""

    @property
    def case(self) -> str:
        return self.question.case

    @property
    def reason(self) -> str:
        return self.question.reason


def read_asked(kind: Kind, tree: Mapping[str, Any], zone: str, database: Database) -> Asked:
    """The question in `tree`; docs/lookup.md has the keys of each kind.

    Raises:
        UsageError: a part is missing or makes no sense.
        NotFound: it is about a session that does not exist.
    """
    # Dropped in silence they would have the asker believe that a whole period was looked at.
    if kind in (Kind.ADDRESS, Kind.MAC) and (tree.get("from") or tree.get("to")):
        raise UsageError(
            f"from and to go with {Kind.PERSON} and {Kind.FLOWS}; an address or a device is asked"
            " about at one moment: at"
        )
    if kind is Kind.PERSON and tree.get("at"):
        raise UsageError("what a person had is asked over a period: from and to, and not at")
    if kind is Kind.ADDRESS:
        return asked_address(read_question(tree, zone))
    if kind is Kind.MAC:
        station = read_station_question(tree, zone)
        named: dict[str, Value] = {
            "mac": format_mac(station.mac),
            "at": to_rfc3339(station.at),
            "tolerance_seconds": station.tolerance.total_seconds(),
        }
        return Asked(kind=kind, question=station, tree=named)
    if kind is Kind.PERSON:
        person = read_person_question(tree, zone)
        return Asked(
            kind=kind, question=person, tree={"user": person.user, **_period(person.window)}
        )
    return asked_flows(_read_flows(tree, zone, database))


def asked_address(question: Question) -> Asked:
    """A question about an address in its canonical spelling."""
    destination = None
    if question.destination is not None:
        destination = format_destination(question.destination, question.destination_port)
    named: dict[str, Value] = {
        "address": str(question.address),
        "port": question.port,
        "protocol": question.protocol,
        "destination": destination,
        "at": to_rfc3339(question.at),
        "tolerance_seconds": question.tolerance.total_seconds(),
    }
    return Asked(kind=Kind.ADDRESS, question=question, tree=named)


def asked_flows(question: FlowQuestion) -> Asked:
    """A question about flows in its canonical spelling; which page of them is not part of it."""
    named: dict[str, Value] = {
        "address": None if question.address is None else str(question.address),
        "user": question.user,
        "session": question.session,
        **_period(question.window),
    }
    return Asked(kind=Kind.FLOWS, question=question, tree=named)


def run_asked(
    asked: Asked, database: Database, config: Config, actor: str, view: View
) -> dict[str, Any]:
    """The answer as `view` may see it, on record before it leaves.

    Raises:
        NotFound: there is nobody and nothing of that name in the reader's reach.
        ArchiveError: a segment that is needed cannot be read.
        BackendUnavailable: the database does not answer.
    """
    question = asked.question
    if isinstance(question, Question):
        return dict(run_lookup(database, config, question, actor, view))
    if isinstance(question, StationQuestion):
        return dict(run_station_lookup(database, config, question, actor, view))
    if isinstance(question, PersonQuestion):
        return dict(run_person_lookup(database, config, question, actor, view))
    _require_reach(database, config, question, view)
    return dict(find_flows(database, config, question, actor, view.noted))


def _require_reach(database: Database, config: Config, question: FlowQuestion, view: View) -> None:
    """Refuse flows that may be another school's.

    An inside address is one device at one school and another at the next, and a flow does not
    say which: flows of an address alone are for who sees all schools.
    """
    if view.reach.is_whole:
        return
    if question.address is not None:
        raise UsageError("ask for the flows of a session or a person; an address may be anybody's")
    with database.read() as session:
        if question.session is not None:
            keys: list[str | None] = [question.session]
        else:
            user = question.user or ""
            held = find_addresses(session, config, user, question.window)
            keys = [one.session_key for one in held] if is_known_name(session, user) else []
        visible = within_reach(session, view.reach, keys) or frozenset()
    if not keys or not set(keys) <= visible:
        raise NotFound("there is nobody and no session of that name in your organisation")


def _read_flows(tree: Mapping[str, Any], zone: str, database: Database) -> FlowQuestion:
    case, reason = require_purpose(tree.get("case"), tree.get("reason"))
    address, user, key = (str(tree.get(name) or "").strip() for name in _FLOW_SUBJECTS)
    if key and not tree.get("from") and not tree.get("to"):
        window = period_of_session(database, key)
    else:
        window = read_period(tree.get("from"), tree.get("to"), zone)
    return FlowQuestion(
        address=parse_address(address) if address else None,
        user=user or None,
        session=key or None,
        window=window,
        case=case,
        reason=reason,
        limit=min(max(int(tree.get("limit") or _SHOWN_FLOWS), 1), DEFAULT_LIMIT),
        offset=max(int(tree.get("offset") or 0), 0),
    )


_FLOW_SUBJECTS = ("address", "user", "session")


def _period(window: Window) -> dict[str, Value]:
    return {"from": to_rfc3339(window.from_at), "to": to_rfc3339(window.to_at)}
