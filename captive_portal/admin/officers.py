"""The person at the admin portal, read anew at every request.

An account that was suspended, expired, lost its level or got another password is out at its
next request, because nothing but an account number and a fingerprint is in the cookie.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from captive_portal.admin.permissions import ALLOWED, BY_TOKEN, WHOLE_SITE, Permission
from db.models import Account, Credential
from identity.domain.levels import Level
from identity.office import Office
from identity.services.api_tokens import Bearer
from identity.services.officers import levels_of
from identity.services.reach import Reach, reach_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Officer:
    """Somebody who is signed in, in the form Flask-Login wants."""

    account_id: int
    username: str
    full_name: str
    levels: tuple[Level, ...]
    reach: Reach
    """Which organisations they see."""
    organisation: str
    """The name of their own; empty: of none."""
    fingerprint: str
    """Of the password hash: a changed password ends every session."""
    bearer: Bearer | None = None
    """The token by which a program speaks for them; None for the person at a browser."""

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        """What the signed cookie holds."""
        return f"{self.account_id}:{self.fingerprint}"

    def may(self, permission: Permission | str) -> bool:
        """Whether one of this officer's levels has the permission."""
        wanted = Permission(permission)
        if wanted in WHOLE_SITE and not self.reach.is_whole:
            return False
        if self.bearer is not None and not self._token_may(wanted):
            return False
        return any(level in ALLOWED[wanted] for level in self.levels)

    def _token_may(self, wanted: Permission) -> bool:
        assert self.bearer is not None
        return wanted in BY_TOKEN and (wanted is not Permission.REVEAL or self.bearer.names)

    @property
    def noted(self) -> dict[str, int]:
        """For the record: by which token, if by one."""
        return {} if self.bearer is None else {"token": self.bearer.token_id}


class Nobody:
    """A visitor who has not signed in."""

    username = ""
    full_name = ""
    is_authenticated = False
    is_active = False
    is_anonymous = True

    def get_id(self) -> None:
        """Nothing to put into a cookie."""

    def may(self, permission: Permission | str) -> bool:
        """Never."""
        return False


def officer_of(session: Session, office: Office, account_id: int) -> Officer | None:
    """The officer behind an account, or None when it may not be in this portal now."""
    account = session.get(Account, account_id)
    if account is None or account.kind != "person" or account.state != "active":
        return None
    if account.expires_at is not None and account.expires_at <= office.clock():
        return None
    levels = levels_of(session, account_id)
    if not levels:
        return None
    credential = session.get(Credential, account_id)
    if credential is None:
        return None
    return Officer(
        account_id=account.id,
        username=account.username,
        full_name=account.full_name,
        levels=levels,
        reach=reach_of(session, account),
        organisation=account.organisation.name if account.organisation else "",
        fingerprint=hashlib.sha256(credential.password_hash.encode()).hexdigest()[:24],
    )


def officer_by_token(session: Session, office: Office, bearer: Bearer) -> Officer | None:
    """The officer for whom a token speaks: no more than they are, and no more than it is."""
    owner = officer_of(session, office, bearer.account_id)
    if owner is None:
        return None
    return replace(owner, levels=bearer.levels, reach=bearer.reach, bearer=bearer)


def load_officer(office: Office, cookie_id: str) -> Officer | None:
    """The officer a cookie names, or None when they are no longer welcome."""
    number, _, fingerprint = cookie_id.partition(":")
    if not number.isdigit():
        return None
    with office.database.read() as session:
        officer = officer_of(session, office, int(number))
    if officer is None or not hmac.compare_digest(officer.fingerprint, fingerprint):
        return None
    return officer
