"""What an export may hold: whom or what it is about, when, for which case and why.

An export is as narrow as it was asked for. Without a word on whom it is about it takes what was
looked up for the same case; where nothing was, it is the whole period, and says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.clock import to_rfc3339
from common.config import Config
from common.errors import NotFound, UsageError
from common.net import IpAddress, find_mac, format_mac, parse_address, parse_mac
from db.models import AuditEvent, NetworkSession
from traffic.archive.kinds import ADMIN
from traffic.archive.tables import TableArchive
from traffic.collectors.paths import node_name
from traffic.lookup.attribution import Window
from traffic.lookup.holders import is_known_name
from traffic.lookup.question import NUMBERS, format_destination, read_destination, read_moment

LOOKED_UP = ("lookup:run", "lookup:revealed", "flows:read")
"""Audit events of questions that were asked for a case."""

Told = tuple[str, str]
"""Target and detail (JSON) of an audit event of a question."""

NOBODY_NAMED = (
    "nobody was named or looked up for this case: the bundle holds everyone of the period. Give no"
    " more away than was asked for: --address IP (with --port and --protocol), --user NAME or"
    " --mac MAC"
)
"""Said beside an export of the whole period that nobody asked for by --everyone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What all of its records bear on: an address, a person, a device, or several at once."""

    window: Window
    address: IpAddress | None = None
    port: int | None = None
    protocol: str | None = None
    user: str | None = None
    mac: str | None = None
    """Twelve hex digits."""
    session: str | None = None
    """Key of one session."""
    destination: IpAddress | None = None
    destination_port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One export."""

    window: Window
    case: str
    reason: str
    subjects: tuple[Subject, ...]
    request: str | None = None
    """Number of the request in the register."""
    from_case: bool = False
    """The subjects are those that were looked up for the case."""
    unnamed: bool = False
    """Nobody was named or looked up: the whole period without having been asked for."""
    unknown: tuple[str, ...] = ()
    """Names that were looked up for the case and that nobody has."""

    @property
    def is_everyone(self) -> bool:
        """Nobody is named, whether that was asked for or not."""
        return any(
            (one.address, one.user, one.mac, one.session) == (None, None, None, None)
            for one in self.subjects
        )

    def tree(self, zone: str) -> dict[str, Any]:
        """As the manifest shows it."""
        return {
            "from": to_rfc3339(self.window.from_at, zone),
            "to": to_rfc3339(self.window.to_at, zone),
            "from_lookups_of_the_case": self.from_case,
            "subjects": [subject_tree(one, zone) for one in self.subjects],
            **({"nobody_has": list(self.unknown)} if self.unknown else {}),
        }


def subject_tree(subject: Subject, zone: str) -> dict[str, Any]:
    """A subject with what was asked of it; what was not is left out."""
    found: dict[str, Any] = {
        "from": to_rfc3339(subject.window.from_at, zone),
        "to": to_rfc3339(subject.window.to_at, zone),
        "address": None if subject.address is None else str(subject.address),
        "port": subject.port,
        "protocol": subject.protocol,
        "user": subject.user,
        "mac": None if subject.mac is None else format_mac(subject.mac),
        "session": subject.session,
        "destination": None
        if subject.destination is None
        else format_destination(subject.destination, subject.destination_port),
    }
    return {name: value for name, value in found.items() if value is not None}


def read_scope(
    session: Session,
    asked: Mapping[str, Any],
    zone: str,
    archived: Callable[[str], list[Told]],
) -> Scope:
    """The scope in the keys case, reason, request, from, to, address, port, protocol, user, mac,
    everyone.

    Raises:
        UsageError: there is no case, or the period is empty.
        NotFound: all that was looked up for the case are names that nobody has.
    """
    case = str(asked.get("case") or "").strip()
    reason = str(asked.get("reason") or "").strip()
    if not case:
        raise UsageError("give the case this is for: --case TEXT")
    window = _period(asked, zone)
    subject = _named(asked, window)
    subjects, said = [subject] if subject else [], ""
    unknown: tuple[str, ...] = ()
    if not subjects:
        subjects, said = _looked_up(session, archived, case, window)
        unknown = tuple(
            one.user for one in subjects if one.user and not is_known_name(session, one.user)
        )
        subjects = [one for one in subjects if one.user not in unknown]
        if unknown and not subjects:
            raise NotFound(
                f"nobody has a name that was looked up for this case: {', '.join(unknown)}; say"
                " whom it is about (--user, --address or --mac), or --everyone"
            )
    unnamed = not subjects
    if unnamed:
        subjects = [Subject(window=window)]
    return Scope(
        window=window,
        case=case,
        # What the case is about is a reason; a better one is asked for by --help.
        reason=reason or said or case,
        subjects=tuple(subjects),
        request=str(asked.get("request") or "").strip() or None,
        from_case=subject is None and not unnamed,
        unnamed=unnamed,
        unknown=unknown,
    )


def _period(asked: Mapping[str, Any], zone: str) -> Window:
    from_at, to_at = (_moment(asked.get(name), name, zone) for name in ("from", "to"))
    if from_at >= to_at:
        raise UsageError("the period ends before it begins: --from must be earlier than --to")
    return Window(from_at, to_at)


def _moment(value: Any, name: str, zone: str) -> datetime:
    if isinstance(value, datetime):
        return value
    if not value:
        raise UsageError(f"give the period: --{name} TIME is missing")
    return read_moment(str(value), zone, end=name == "to")


def _named(asked: Mapping[str, Any], window: Window) -> Subject | None:
    """The subject that the asker named; None: nobody."""
    address, user, mac = (str(asked.get(name) or "").strip() for name in ("address", "user", "mac"))
    port, protocol = asked.get("port"), asked.get("protocol") or None
    if not address and (port is not None or protocol):
        raise UsageError("a port or protocol narrows an address: give --address IP too")
    if protocol is not None and protocol not in NUMBERS:
        raise UsageError(f"{protocol!r} is not one of tcp, udp, icmp")
    if asked.get("everyone") and (address or user or mac):
        raise UsageError("--everyone does not go together with an address, a person or a device")
    if not (address or user or mac or asked.get("everyone")):
        return None
    return Subject(
        window=window,
        address=parse_address(address) if address else None,
        port=None if port is None else int(port),
        protocol=protocol,
        user=user or None,
        mac=parse_mac(mac) if mac else None,
    )


def archived_lookups(config: Config) -> Callable[[str], list[Told]]:
    """Questions whose audit events have moved into the archive, by a text their detail has."""

    def find(text: str) -> list[Told]:
        archive = TableArchive(config.data_dir / "archive", node_name())
        where = "list_contains(?, action) AND contains(detail, ?)"
        rows = archive.read(ADMIN, where, [list(LOOKED_UP), text], limit=100_000)
        return [(str(row.values["target"]), str(row.values["detail"])) for row in rows]

    return find


def _looked_up(
    session: Session, archived: Callable[[str], list[Told]], case: str, window: Window
) -> tuple[list[Subject], str]:
    """(what was asked for `case` about times in `window`, the reason given last)."""
    text = json.dumps(case, ensure_ascii=False)
    query = (
        select(AuditEvent.target, AuditEvent.detail)
        .where(AuditEvent.action.in_(LOOKED_UP), AuditEvent.detail.contains(text, autoescape=True))
        .order_by(AuditEvent.id)
    )
    subjects: dict[Subject, None] = {}
    reason = ""
    for target, told in [*archived(text), *((row[0], row[1]) for row in session.execute(query))]:
        detail = json.loads(told)
        if detail.get("case") != case:
            continue
        asked_at = Window(*(read_moment(detail[name], "UTC") for name in _BOUNDS))
        if not window.overlaps(asked_at.from_at, asked_at.to_at):
            continue
        part = window.within(asked_at.from_at, asked_at.to_at)
        subjects[_subject_of(session, target, detail, part)] = None
        reason = str(detail.get("reason") or reason)
    return list(subjects), reason


_BOUNDS = ("window_from", "window_to")


def _subject_of(
    session: Session, target: str, detail: Mapping[str, Any], window: Window
) -> Subject:
    """Whom or what a question was about: an address, a device, a session, or a name."""
    mac = find_mac(target)
    if mac is not None:
        return Subject(window=window, mac=mac)
    try:
        address = parse_address(target)
    except UsageError:
        if session.get(NetworkSession, target) is not None:
            return Subject(window=window, session=target)
        # Flows are shown of known names only: another was a session, whose row is gone.
        if "flows" in detail and not is_known_name(session, target):
            return Subject(window=window, session=target)
        return Subject(window=window, user=target)
    there, port = None, None
    if detail.get("destination"):
        there, port = read_destination(detail["destination"])
    return Subject(
        window=window,
        address=address,
        port=detail.get("port"),
        protocol=detail.get("protocol"),
        destination=there,
        destination_port=port,
    )
