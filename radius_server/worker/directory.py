"""Accounts and open stations a worker keeps in memory, and when it drops them.

Accounts are dropped whenever the database's revision number moves, which is polled, so a
change is seen within a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from identity.domain.access import AccountSnapshot
from identity.domain.spellings import spellings
from identity.stores.sql import KeptSecret, SqlStore

STATIONS_SECONDS = 1.0
STATIONS_SHARE = 20
STATIONS_LONGEST_SECONDS = 5.0
"""What took long to read is remembered for so many times as long, and no longer than this: a
worker spends a twentieth of its time on it at most."""

RECENT_SECONDS = 300.0
MAXIMUM_RECENT = 2048
"""Accounts whose stations are read again together; some ten milliseconds for all of them."""

_MAXIMUM_ACCOUNTS = 100_000

_Found = TypeVar("_Found")


class Directory:
    """Snapshots of accounts by stored user name; None for names that do not exist."""

    def __init__(self, store: SqlStore, stored: Callable[[str], str] = str) -> None:
        """`stored` takes what is not part of an account's name, a realm of ours, off a name."""
        self._store = store
        self._stored = stored
        self.accounts: dict[str, AccountSnapshot | None] = {}
        """What is in memory now; `load` fetches what is not."""
        self._account_ids: dict[str, int | None] = {}
        """Of names that accounting alone has told of: whole snapshots would be many megabytes."""
        self._kept: dict[int, KeptSecret | None] = {}

    def forget(self) -> None:
        """Drop everything; the next questions go to the database."""
        self.accounts.clear()
        self._account_ids.clear()
        self._kept.clear()

    def stored(self, username: str) -> str:
        """The name of an account as the database has it."""
        return self._stored(username.strip().casefold())

    def _spellings(self, username: str) -> tuple[str, ...]:
        """How its account may be stored: as it is spelled, else as new accounts are."""
        return spellings(self.stored(username))

    def drop(self, *usernames: str) -> None:
        """Forget these names: something has just changed them, which the revision tells later."""
        for username in usernames:
            name = username.strip().casefold()
            self.accounts.pop(name, None)
            self._account_ids.pop(name, None)

    def load(self, usernames: Collection[str]) -> dict[str, AccountSnapshot | None]:
        """The snapshots of `usernames`, asking the database once for all it does not have."""
        missing = [name for name in usernames if name not in self.accounts]
        if missing:
            if len(self.accounts) + len(missing) > _MAXIMUM_ACCOUNTS:
                self.accounts.clear()
                missing = list(usernames)
            spellings = {name: self._spellings(name) for name in missing}
            found = self._store.accounts([one for both in spellings.values() for one in both])
            for name in missing:
                self.accounts[name] = _first(found, spellings[name])
        return self.accounts

    def account_ids(self, usernames: Collection[str]) -> dict[str, int | None]:
        """The account's number of each of `usernames`, None where there is none; as `load`."""
        found: dict[str, int | None] = {}
        missing: list[str] = []
        for name in usernames:
            if name in self._account_ids:
                found[name] = self._account_ids[name]
            elif name in self.accounts:
                account = self.accounts[name]
                found[name] = None if account is None else account.account_id
            else:
                missing.append(name)
        if missing:
            if len(self._account_ids) + len(missing) > _MAXIMUM_ACCOUNTS:
                self._account_ids.clear()
            spellings = {name: self._spellings(name) for name in missing}
            numbers = self._store.account_ids([one for both in spellings.values() for one in both])
            asked = {name: _first(numbers, spellings[name]) for name in missing}
            self._account_ids.update(asked)
            found.update(asked)
        return found

    def kept_secrets(self, account_ids: Collection[int]) -> dict[int, KeptSecret | None]:
        """What these accounts keep in recoverable form, sealed as in the database; None: nothing.

        Raises:
            BackendUnavailable: some of them are not in memory, and the database does not answer.
        """
        missing = [number for number in account_ids if number not in self._kept]
        if missing:
            if len(self._kept) + len(missing) > _MAXIMUM_ACCOUNTS:
                self._kept.clear()
                missing = list(account_ids)
            self._kept.update(self._store.recoverable(missing))
        return {number: self._kept[number] for number in account_ids}


def _first(found: Mapping[str, _Found], spellings: Sequence[str]) -> _Found | None:
    return next((found[name] for name in spellings if name in found), None)


class OpenStations:
    """Which stations of an account are on line, remembered for a second.

    A session shows up in accounting seconds after its login anyway, so a second of memory
    cannot widen that race, and it spares the database most of the questions of a busy hour.
    When the second is over, the next question is asked for every account that came in the
    last minutes: who has logged in comes again, because stations roam, and one question for
    thousands costs what two for one do.
    """

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self._stations: dict[int, set[str]] = {}
        self._asked: dict[int, float] = {}
        """When each account was last asked for, monotonic seconds."""
        self._until = 0.0

    def known(self, account_id: int, now: float, default: object) -> object:
        """The open stations of one account when they are in memory, else `default`."""
        if now >= self._until:
            return default
        stations = self._stations.get(account_id)
        if stations is None:
            return default
        self._asked[account_id] = now
        return stations

    def load(self, account_ids: Collection[int]) -> dict[int, set[str]]:
        """The open stations of each account, asking the database once for all it does not have."""
        now = time.monotonic()
        self._asked.update(dict.fromkeys(account_ids, now))
        if now < self._until:
            missing = [number for number in account_ids if number not in self._stations]
            if missing:
                self._stations.update(self._store.open_stations(missing))
            return self._stations
        self._keep_recent(now)
        self._stations = dict(self._store.open_stations(list(self._asked)))
        took = time.monotonic() - now
        longer = min(STATIONS_SHARE * took, STATIONS_LONGEST_SECONDS)
        self._until = now + max(STATIONS_SECONDS, longer)
        return self._stations

    def _keep_recent(self, now: float) -> None:
        since = now - RECENT_SECONDS
        recent = [(at, number) for number, at in self._asked.items() if at >= since]
        if len(recent) > MAXIMUM_RECENT:
            recent = sorted(recent)[-MAXIMUM_RECENT:]
        self._asked = {number: at for at, number in recent}
