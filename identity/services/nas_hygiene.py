"""What an officer should know about each NAS: does it sign, and how good is its secret?

Reads what was noted when a secret was set; never a secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from common.errors import ConfigError
from db.models import AuditEvent, AuthEvent, NasClient
from db.models.network import RADSEC_PREFIX
from identity.domain.shared_secret import OLD, Signing, Strength, signing
from identity.office import Office
from identity.services import nas
from identity.services.reach import EVERYWHERE, Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Hygiene:
    """One NAS. Ages are None where nobody noted when the secret was set."""

    transport: str
    """udp | radsec | udp+radsec"""
    signing: Signing
    with_at: datetime | None
    without_at: datetime | None
    strength: Strength | None
    """None: it was set before strengths were noted, see `note_strengths`."""
    secret_age: timedelta | None
    shared_with: tuple[str, ...]
    """Names of the other NAS that have the same secret."""
    requires: bool

    @property
    def secret_is_old(self) -> bool:
        return self.secret_age is not None and self.secret_age > OLD

    @property
    def may_require(self) -> bool:
        """Whether the exception can be closed: it signs all it sends."""
        return not self.requires and self.signing is Signing.ALWAYS

    @property
    def is_cut_off(self) -> bool:
        """Whether its logins get silence because it does not sign."""
        return self.requires and self.signing in (Signing.NEVER, Signing.SOMETIMES)


LOOKED_BACK = timedelta(days=7)
MOST_COUNTED = 1000
ENOUGH = 20
"""So many signed logins in a row, and none without: it will sign the next one, too."""


def signed_in_a_row(session: Session, office: Office, row: NasClient) -> int:
    """How many of its last logins were signed, back to one that was not or seven days ago.

    Every login on record after the last unsigned request was signed. Counts to `MOST_COUNTED`.
    """
    since = office.clock() - LOOKED_BACK
    if row.last_without_message_authenticator_at is not None:
        since = max(since, row.last_without_message_authenticator_at)
    if row.last_with_message_authenticator_at is None:
        return 0
    found = (
        select(AuthEvent.id)
        .where(
            AuthEvent.nas_client_id == row.id, AuthEvent.at > since, AuthEvent.method != "portal"
        )
        .limit(MOST_COUNTED)
        .subquery()
    )
    return session.scalar(select(func.count()).select_from(found)) or 0


def may_be_enforced(row: NasClient, signed: int, now: datetime) -> bool:
    """Whether demanding a Message-Authenticator cuts nobody off, as far as anybody can tell."""
    without = row.last_without_message_authenticator_at
    return signed >= ENOUGH and (without is None or without < now - LOOKED_BACK)


def describe(
    session: Session, office: Office, rows: Sequence[NasClient], reach: Reach = EVERYWHERE
) -> list[Hygiene]:
    """The hygiene of each of `rows`, in their order; one query for all.

    Args:
        reach: whose equipment may be named as sharing a secret.
    """
    prints = {row.secret_fingerprint for row in rows if row.secret_fingerprint}
    shared: dict[str, list[tuple[int, str]]] = {}
    for number, name, known in session.execute(
        select(NasClient.id, NasClient.name, NasClient.secret_fingerprint)
        .where(NasClient.secret_fingerprint.in_(prints), NasClient.enabled, reach.nas())
        .order_by(NasClient.name)
    ):
        shared.setdefault(known or "", []).append((number, name))
    now = office.clock()
    return [_describe(row, shared.get(row.secret_fingerprint or "", []), now) for row in rows]


def _describe(row: NasClient, shared: list[tuple[int, str]], now: datetime) -> Hygiene:
    with_at = row.last_with_message_authenticator_at
    without_at = row.last_without_message_authenticator_at
    transport = "udp" if row.radsec_identity is None else "udp+radsec"
    if row.prefix.startswith(RADSEC_PREFIX):
        transport = "radsec"
    return Hygiene(
        transport=transport,
        signing=signing(with_at, without_at, row.last_seen_at),
        with_at=with_at,
        without_at=without_at,
        strength=Strength(row.secret_strength) if row.secret_strength else None,
        secret_age=None if row.secret_set_at is None else now - row.secret_set_at,
        shared_with=tuple(name for number, name in shared if number != row.id),
        requires=row.require_message_authenticator,
    )


def note_strengths(session: Session, office: Office) -> int:
    """Note the strength of secrets that were set before it was noted; how many there were.

    For whoever may read secrets: `yuenyan init`.
    """
    rows = session.scalars(select(NasClient).where(NasClient.secret_strength.is_(None))).all()
    noted = 0
    for row in rows:
        try:
            secret = nas.secret_of(office, row)
        except ConfigError:  # sealed with a key that is lost; `doctor` tells, and it is set anew
            continue
        noted += 1
        nas.note_secret(office, row, secret)
        row.secret_set_at = session.scalar(
            select(func.max(AuditEvent.at)).where(
                AuditEvent.target == row.name,
                AuditEvent.action.in_(("nas:added", "nas:secret_changed")),
            )
        )
    return noted
