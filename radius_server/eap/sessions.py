"""Which account a TLS session belongs to, so that it can be resumed without a password.

A session is known by the secret that only its two ends hold (a digest of it is kept), so no
ticket and no identifier that somebody saw on the air can stand for another account. Policy
is not decided here: whoever resumes a session looks at the account again.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from identity.domain.access import AccountSnapshot, Method
from radius_server.eap.packet import Type

LIFETIME = timedelta(hours=8)
"""A school day: a phone that leaves and comes back proves its password once a day."""

MAXIMUM_SESSIONS = 20_000
"""Some 10 MB; beyond it the oldest go, and their owners log in in full."""


@dataclass(frozen=True, slots=True)
class TlsSession:
    """A login that may be taken up again."""

    kind: Type
    username: str
    """As the account's own name stands."""
    revision: bytes = field(repr=False)
    """What the account was when it proved itself, see `revision_of`."""
    method: Method
    ends_at: datetime


class TlsSessions:
    """The sessions of one worker."""

    def __init__(self, maximum: int = MAXIMUM_SESSIONS) -> None:
        self._maximum = maximum
        self._sessions: OrderedDict[bytes, TlsSession] = OrderedDict()

    def remember(self, secrets: Iterable[bytes], session: TlsSession) -> None:
        """Let each of `secrets` take up `session`."""
        for secret in secrets:
            if secret:
                self._sessions[_digest(secret)] = session
        while len(self._sessions) > self._maximum:
            self._sessions.popitem(last=False)

    def find(self, secret: bytes, kind: Type, now: datetime) -> TlsSession | None:
        """The session that `secret` proves, if it was made by the same EAP type and still runs."""
        session = self._sessions.get(_digest(secret))
        if session is None or session.kind != kind or session.ends_at <= now:
            return None
        return session

    def forget(self, secret: bytes) -> None:
        """Let `secret` take up nothing any more."""
        self._sessions.pop(_digest(secret), None)

    def clear(self) -> None:
        """Forget them all, as when the certificates change."""
        self._sessions.clear()

    def __len__(self) -> int:
        return len(self._sessions)


def revision_of(account: AccountSnapshot) -> bytes:
    """Another password, another state or another account under the same name: another value."""
    facts = (account.account_id, account.kind, account.state, account.password_hash)
    return hashlib.sha256(repr(facts).encode("utf-8", "surrogatepass")).digest()


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
