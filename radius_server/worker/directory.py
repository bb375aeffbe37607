"""Accounts and verified passwords a worker keeps in memory, and when it drops them.

Accounts are dropped whenever the database's revision number moves, which is polled, so a
change is seen within `POLL_SECONDS`. A verified password is kept as a keyed hash together
with the stored hash it was checked against: a changed password cannot match.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Collection

from identity.domain.access import AccountSnapshot
from identity.stores.sql import SqlStore

POLL_SECONDS = 0.4
"""Half of the second within which a change must be seen."""

VERIFIED_SECONDS = 3600.0
STATIONS_SECONDS = 1.0
_MAXIMUM_ACCOUNTS = 100_000


class Directory:
    """Snapshots of accounts by stored user name; None for names that do not exist."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self._accounts: dict[str, AccountSnapshot | None] = {}

    def forget(self) -> None:
        """Drop everything; the next questions go to the database."""
        self._accounts.clear()

    def load(self, usernames: Collection[str]) -> dict[str, AccountSnapshot | None]:
        """The snapshots of `usernames`, asking the database once for all it does not have."""
        missing = [name for name in usernames if name not in self._accounts]
        if missing:
            if len(self._accounts) + len(missing) > _MAXIMUM_ACCOUNTS:
                self._accounts.clear()
                missing = list(usernames)
            found = self._store.accounts(missing)
            for name in missing:
                self._accounts[name] = found.get(name)
        return self._accounts


class OpenStations:
    """Which stations of an account are on line, remembered for a second.

    A session shows up in accounting seconds after its login anyway, so a second of memory
    cannot widen that race, and it spares the database most of the questions of a busy hour.
    """

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self._stations: dict[int, set[str]] = {}
        self._until = 0.0

    def load(self, account_ids: Collection[int]) -> dict[int, set[str]]:
        """The open stations of each account, asking the database once for all it does not have."""
        now = time.monotonic()
        if now >= self._until:
            self._stations.clear()
            self._until = now + STATIONS_SECONDS
        missing = [number for number in account_ids if number not in self._stations]
        if missing:
            self._stations.update(self._store.open_stations(missing))
        return self._stations


class VerifiedPasswords:
    """Passwords that argon2 has confirmed, so that it need not again for a while.

    The key is random in each process and nothing is written anywhere.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._verified: dict[int, tuple[bytes, float]] = {}

    def confirms(self, account: AccountSnapshot, password: bytes, now: float) -> bool:
        """Whether this very password was confirmed for this very stored hash."""
        known = self._verified.get(account.account_id)
        if known is None or known[1] < now or account.password_hash is None:
            return False
        return hmac.compare_digest(known[0], self._digest(account, password))

    def remember(self, account: AccountSnapshot, password: bytes, now: float) -> None:
        """Note that argon2 confirmed `password`; `now` is monotonic seconds."""
        if len(self._verified) >= _MAXIMUM_ACCOUNTS:
            self._verified.clear()
        digest = self._digest(account, password)
        self._verified[account.account_id] = (digest, now + VERIFIED_SECONDS)

    def _digest(self, account: AccountSnapshot, password: bytes) -> bytes:
        stored = (account.password_hash or "").encode()
        hasher = hashlib.blake2b(stored, key=self._key, digest_size=32)
        hasher.update(account.account_id.to_bytes(8, "big") + password)
        return hasher.digest()
