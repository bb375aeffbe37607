"""Makes one bundle of evidence: on record before it is made, in the register before it is there.

The order is the point: what the request allows, where one is named; an audit event that says who
wants what for which case; then the records; then exhibit, first custody step, disclosures, the
request's own step and the bundle's SHA-256 in one transaction; and only then the file under its
name.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from common.clock import to_rfc3339
from common.config import Config
from common.errors import BackendUnavailable, Refused, UsageError
from db.engine import Database
from db.models import Exhibit
from identity.office import Office
from identity.services import audit, disclosures, requests
from traffic.evidence import custody, verify
from traffic.evidence.asked_for import not_asked_for
from traffic.evidence.bundle import Written, write_bundle
from traffic.evidence.forms import FORM_TITLE
from traffic.evidence.gathering import Gathered, gather
from traffic.evidence.keys import EvidenceKey, load_key
from traffic.evidence.letters import Facts, Passing, cover_letter, custody_form
from traffic.evidence.papers import paper_items
from traffic.evidence.readme import README
from traffic.evidence.reports import software
from traffic.evidence.scope import Scope, archived_lookups, read_scope
from traffic.lookup.question import read_moment
from traffic.moments import to_milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was made."""

    path: Path
    exhibit: int
    sha256: str
    octets: int
    items: int
    records: int
    fingerprint: str
    gaps: int
    outcomes: tuple[str, ...]
    pdf: bool
    unnamed: bool
    """Nobody was named or looked up: it holds everyone of the period."""
    unknown: tuple[str, ...]
    """Names that were looked up for the case and that nobody has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """One export as it was asked for."""

    config: Config
    scope: Scope
    key: EvidenceKey
    out: Path
    actor: str
    now: datetime
    recipient: str
    reference: str
    notice_version: str
    secret_until: datetime | None


def export(
    database: Database,
    config: Config,
    asked: Mapping[str, Any],
    out: Path,
    actor: str,
    *,
    clock: Callable[[], datetime],
    notice_version: str = "",
) -> Exported:
    """Make the bundle `out`.

    Args:
        asked: what `read_scope` reads, and recipient, reference, secret_until for the papers.
        notice_version: of the notice on personal data that people were shown.

    Raises:
        UsageError: case, reason, period or subject is missing, or the file is there already.
        NotFound: nobody has a name that was given, or there is no such request.
        Refused: the request does not allow it.
        ArchiveError: a record that is needed is altered or cannot be read.
        ConfigError: a key is missing.
        BackendUnavailable: the database or the disk does not answer.
    """
    order = _read(database, config, asked, out, actor, clock(), notice_version)
    with database.write() as session:
        _audit(session, order, "evidence:export_began", clock())
    gathered = gather(database, config, order.scope, actor, order.now)
    items, pdf = _with_papers(order, gathered)
    aside = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
    try:
        written = write_bundle(aside, items, _about(order, gathered), order.key)
        exhibit = _enter(database, order, gathered, written, clock)
        try:
            aside.rename(out)
        except OSError as error:
            raise BackendUnavailable("disk", f"{out}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            aside.unlink()
    return Exported(
        path=out,
        exhibit=exhibit,
        sha256=written.sha256,
        octets=written.octets,
        items=written.items,
        records=_records(gathered),
        fingerprint=order.key.fingerprint,
        gaps=gathered.gaps,
        outcomes=gathered.outcomes,
        pdf=pdf,
        unnamed=order.scope.unnamed,
        unknown=order.scope.unknown,
    )


def _read(
    database: Database,
    config: Config,
    asked: Mapping[str, Any],
    out: Path,
    actor: str,
    now: datetime,
    notice_version: str,
) -> _Order:
    zone = config.site.timezone
    with database.read() as session:
        scope = read_scope(session, asked, zone, archived_lookups(config))
        if scope.request is not None:
            scope = replace(scope, request=_allowed(session, scope, scope.request))
    if out.exists():
        raise UsageError(f"{out} is there already; evidence is never written over")
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent}")
    secret = asked.get("secret_until")
    return _Order(
        config=config,
        scope=scope,
        key=load_key(config.keys_dir),
        out=out,
        actor=actor,
        now=now.replace(microsecond=0),
        recipient=str(asked.get("recipient") or "").strip(),
        reference=str(asked.get("reference") or "").strip(),
        notice_version=notice_version,
        secret_until=read_moment(str(secret), zone, end=True) if secret else None,
    )


def _allowed(session: Session, scope: Scope, number: str) -> str:
    """The number of the request, as the register writes it, when `scope` may leave on it."""
    window = scope.window
    request = requests.authorise_export(session, number, window.from_at, window.to_at)
    if request.about and scope.is_everyone:
        raise Refused(
            f"{request.number} names whom it is about ({', '.join(request.about)}): not everyone"
            " leaves on it; give --address, --user or --mac"
        )
    if request.about and (others := not_asked_for(session, request.about, scope.subjects)):
        raise Refused(
            f"{request.number} is about {', '.join(request.about)}: {', '.join(others)} does not"
            " leave on it; give what it names (--address, --user, --mac), or have a request that"
            " names more"
        )
    return request.number


def _audit(
    session: Session, order: _Order, action: str, now: datetime, **more: str | int | None
) -> None:
    scope = order.scope
    audit.record(
        session,
        now,
        order.actor,
        action,
        order.out.name,
        case=scope.case,
        reason=scope.reason,
        request=scope.request,
        scope=json.dumps(scope.tree("UTC"), ensure_ascii=False),
        recipient=order.recipient or None,
        **more,
    )


def _about(order: _Order, gathered: Gathered) -> dict[str, Any]:
    """What the manifest says beside its list of items."""
    zone = order.config.site.timezone
    return {
        "case": order.scope.case,
        "reason": order.scope.reason,
        "request": order.scope.request,
        "scope": order.scope.tree(zone),
        "created_at": to_rfc3339(order.now, zone),
        "created_ms": to_milliseconds(order.now),
        "created_by": order.actor,
        "site": order.config.site.name,
        "software": software(order.config),
        "notice_version": order.notice_version,
        "coordinator": order.config.office.named("coordinator") or None,
        "records": dict(gathered.counts),
        "lookup_outcomes": list(gathered.outcomes),
        "gaps": gathered.gaps,
        "fingerprint": order.key.fingerprint,
        "seal_key": gathered.proofs.seal_key,
        "segments_proven": gathered.proofs.segments,
    }


def _with_papers(order: _Order, gathered: Gathered) -> tuple[dict[str, bytes], bool]:
    """(all items of the bundle, whether PDF could be made)."""
    facts = _facts(order, gathered)
    created = Passing(
        at=order.now,
        step=custody.Step.CREATED,
        person=order.actor,
        officer_id="",
        document="",
        place="",
        note="",
        hash="",
    )
    items = dict(gathered.items)
    papers = paper_items("letter/cover-letter", cover_letter(facts), "หนังสือส่งพยานหลักฐาน")
    papers |= paper_items(
        "letter/custody-form",
        custody_form(facts, [created]),
        FORM_TITLE,
        wide=True,
    )
    items.update(papers)
    items["README.txt"] = README.encode()
    items["verify.py"] = Path(verify.__file__).read_bytes()
    return items, any(name.endswith(".pdf") for name in papers)


def _facts(order: _Order, gathered: Gathered) -> Facts:
    config, scope = order.config, order.scope
    return Facts(
        office=config.office.name or config.site.name,
        letterhead=config.office,
        zone=config.site.timezone,
        created_at=order.now,
        case=scope.case,
        reason=scope.reason,
        request=scope.request,
        recipient=order.recipient,
        reference=order.reference,
        from_at=scope.window.from_at,
        to_at=scope.window.to_at,
        subjects=scope.subjects,
        file_name=order.out.name,
        counts=gathered.counts,
        gaps=gathered.gaps,
        made_by=order.actor,
        fingerprint=order.key.fingerprint,
    )


def _enter(
    database: Database,
    order: _Order,
    gathered: Gathered,
    written: Written,
    clock: Callable[[], datetime],
) -> int:
    """The number of the exhibit, in the register with everything that belongs to it."""
    scope = order.scope
    office = None
    if scope.request is not None:
        office = replace(Office.open(order.config, database), clock=clock)

    def work(session: Session) -> int:
        exhibit = Exhibit(
            created_at=clock(),
            created_by=order.actor,
            case_reference=scope.case,
            reason=scope.reason,
            request=scope.request,
            from_at=scope.window.from_at,
            to_at=scope.window.to_at,
            scope=json.dumps(scope.tree(order.config.site.timezone), ensure_ascii=False),
            file_name=order.out.name,
            sha256=written.sha256,
            octets=written.octets,
            records=_records(gathered),
            key_fingerprint=order.key.fingerprint,
        )
        custody.enter_exhibit(session, exhibit)
        showing = disclosures.Showing(
            shown_by=order.actor,
            case=scope.case,
            reason=scope.reason,
            means="export",
            recipient=order.recipient,
            exhibit_id=exhibit.id,
            secret_until=order.secret_until,
        )
        disclosures.record(session, exhibit.created_at, showing, gathered.accounts)
        _audit(
            session,
            order,
            "evidence:exported",
            exhibit.created_at,
            exhibit=exhibit.id,
            sha256=written.sha256,
            octets=written.octets,
            records=exhibit.records,
        )
        if office is not None and scope.request is not None:
            note = f"exhibit {exhibit.id}: {order.out.name}"
            requests.record_export(
                session, office, scope.request, written.sha256, note, order.actor
            )
        return exhibit.id

    return custody.in_turn(database, work)


def _records(gathered: Gathered) -> int:
    return sum(count for _, count in gathered.counts)
