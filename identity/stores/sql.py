"""The questions of a RADIUS worker to the database, each for a whole batch of logins.

Values come out, never ORM rows. Every method may raise BackendUnavailable, those that are asked
about names ValueRefused: the database cannot hold one of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Executable, bindparam, func, or_, select, text, update
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.orm import Session

from common.errors import BackendUnavailable, ValueRefused
from common.net import IpNetwork
from db.models import (
    Credential,
    NasClient,
    PortalToken,
    Revision,
    UsageDay,
    Voucher,
)
from db.models.base import from_micros
from identity.domain.access import (
    UNCHANGED,
    AccountSnapshot,
    Decision,
    Denied,
    RoleProfile,
    Vouched,
)
from identity.domain.central import CentralTerms, NotSent, Proven
from identity.domain.directory import NtProof
from identity.domain.quota import DayUsage, first_day
from identity.domain.sessions import SessionState
from identity.domain.stations import NO_WORDS, StationWords
from identity.domain.tokens import TokenFacts
from identity.office import Office
from identity.services import central, directory_login, login, nas, recoverable, vouchers
from identity.services.snapshots import FACTS, of_row
from identity.services.voucher_terms import USERNAME_PREFIX, is_of_voucher, profiles_by_account
from identity.stores.patience import Patience

_Told = TypeVar("_Told")


@dataclass(frozen=True, slots=True, kw_only=True)
class NasFacts:
    """A NAS client as the packet path needs it."""

    nas_client_id: int
    name: str
    network: IpNetwork | None
    """None: it is known by its certificate only."""
    vendor: str
    require_message_authenticator: bool
    secret: bytes = field(repr=False)
    station_words: StationWords = NO_WORDS
    radsec_identity: str | None = None
    """As `identity.services.nas` stores it: without case."""
    central: CentralTerms | NotSent | None = None
    """How devices that nobody knows are sent to the portal; else they are refused."""


@dataclass(frozen=True, slots=True)
class KeptSecret:
    """A secret as the database holds it: nt-hash or password, of this account, sealed."""

    account_id: int
    kind: str
    sealed: bytes = field(repr=False)


class StoredSession(NamedTuple):
    """What tells when a session ended, and whose login it was."""

    state: SessionState
    closed_at: datetime | None


_AMONG_NAMES = {
    "postgresql": "username = ANY (CAST(:usernames AS text[]))",
    "sqlite": "username IN (SELECT value FROM json_each(:usernames))",
}
_ACCOUNTS = {
    dialect: FACTS.where(text(f"account.{among}")) for dialect, among in _AMONG_NAMES.items()
}
_ACCOUNT_IDS = {
    dialect: text(f"SELECT username, id FROM account WHERE {among}")  # noqa: S608 - ours
    for dialect, among in _AMONG_NAMES.items()
}
"""One text for any number of names, as below."""
_RECOVERABLE = select(
    Credential.account_id, Credential.recoverable_kind, Credential.recoverable
).where(
    Credential.account_id.in_(bindparam("account_ids", expanding=True)),
    Credential.recoverable.is_not(None),
)
_TOKENS = select(
    PortalToken.id,
    PortalToken.username,
    PortalToken.token,
    PortalToken.expires_at,
    PortalToken.consumed_at,
    PortalToken.client_mac,
    PortalToken.nas_client_id,
).where(PortalToken.username.in_(bindparam("usernames", expanding=True)))
_OPEN_STATIONS = {
    dialect: text(
        "SELECT DISTINCT account_id, COALESCE(NULLIF(calling_station_id, ''), session_key)"  # noqa: S608
        f" FROM network_session WHERE {among} AND stop_seen = 0 AND closed_at IS NULL"
    )
    for dialect, among in {
        "postgresql": "account_id = ANY (CAST(:account_ids AS bigint[]))",
        "sqlite": "account_id IN (SELECT value FROM json_each(:account_ids))",
    }.items()
}
"""One text for any number of accounts: a thousand parameters cost more than their answer. The
stations of an access point that sends no stops are told once, not once a session."""
_SESSIONS = {
    dialect: text(
        "SELECT session_key, session_ref, started_at, last_heard_at, session_seconds,"  # noqa: S608
        f" stop_seen, stop_at, closed_at FROM network_session WHERE session_key {among}"
    )
    for dialect, among in {
        "postgresql": "= ANY (CAST(:keys AS text[]))",
        "sqlite": "IN (SELECT value FROM json_each(:keys))",
    }.items()
}
_USAGE = (
    select(UsageDay.account_id, UsageDay.day, func.sum(UsageDay.octets), func.sum(UsageDay.seconds))
    .where(
        UsageDay.account_id.in_(bindparam("account_ids", expanding=True)),
        or_(
            UsageDay.day >= bindparam("since"),
            # A voucher's quota is for its whole life.
            UsageDay.account_id.in_(
                select(Voucher.account_id).where(
                    Voucher.account_id.in_(bindparam("account_ids", expanding=True))
                )
            ),
        ),
    )
    .group_by(UsageDay.account_id, UsageDay.day)
)
_VOUCHERS = select(Voucher.code_hmac, Voucher.account_id).where(
    Voucher.code_hmac.in_(bindparam("hashes", expanding=True)), Voucher.account_id.is_not(None)
)
_REVISION = select(Revision.number)


def _stored_session(row: Any) -> StoredSession:
    state = SessionState(
        session_key=row.session_key,
        nas_client_id=0,
        acct_session_id="",
        user_name="",
        session_ref=row.session_ref,
        started_at=from_micros(row.started_at),
        last_heard_at=from_micros(row.last_heard_at),
        session_seconds=row.session_seconds,
        stop_seen=row.stop_seen,
        stop_at=None if row.stop_at is None else from_micros(row.stop_at),
    )
    return StoredSession(state, None if row.closed_at is None else from_micros(row.closed_at))


class SqlStore:
    """Reads for one worker.

    `revision`, `accounts`, `voucher_accounts`, `tokens`, `recoverable`, `open_stations` and
    `sessions` share one connection, kept open, and belong to the worker's own thread. The
    others may be called from any thread.
    """

    def __init__(self, office: Office) -> None:
        self._office = office
        self._database = office.database
        self.zone = ZoneInfo(office.config.site.timezone)
        """Whose days and hours count."""
        passwords = office.config.passwords
        self._refuses_unchanged = (
            passwords.change_first and passwords.unchanged_by_radius == "refuse"
        )
        self._connection: Connection | None = None
        self._patience = Patience()
        self.is_away = False
        """Whoever watches the database knows that it does not answer: nothing is asked of it."""
        self._descriptor = -1
        """Of the connection's socket; SQLite has none, and its reads wait for nobody."""

    def close(self) -> None:
        """Give the kept connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._patience.stop()

    def _rows(self, statement: Executable, values: dict[str, Any]) -> Sequence[Any]:
        """The rows of one read, outside any transaction that would hold on to a snapshot."""
        return self._ask(lambda connection: connection.execute(statement, values).all())

    def _ask(self, question: Callable[[Connection], _Told]) -> _Told:
        """What a question over the worker's own connection is answered, or its end in time."""
        hung = False
        if self.is_away:
            raise BackendUnavailable("database", "no answer")
        try:
            if self._connection is None:
                self._connection = self._connect()
            if self._descriptor >= 0:
                self._patience.begin(self._descriptor)
            try:
                told = question(self._connection)
                self._connection.rollback()
            finally:
                hung = self._descriptor >= 0 and self._patience.end()
        except (DataError, UnicodeEncodeError) as error:
            if self._connection is not None:
                self._connection.rollback()
            raise ValueRefused("database", str(error)) from error
        except DBAPIError as error:
            if self._connection is not None:
                self._connection.invalidate()
                self._connection.close()
                self._connection = None
            if hung:
                # The idle connections of the pool hang as this one did, and none says so.
                self._database.engine.dispose()
            raise BackendUnavailable("database", str(error.orig)) from error
        return told

    def _connect(self) -> Connection:
        connection = self._database.engine.connect().execution_options(
            isolation_level="AUTOCOMMIT",
            read_only=True,  # on SQLite a read must not wait for whoever writes
        )
        fileno = getattr(connection.connection.driver_connection, "fileno", None)
        self._descriptor = -1 if fileno is None else fileno()
        return connection

    def revision(self) -> int:
        """A number that rises whenever an account, role or NAS changes."""
        (row,) = self._rows(_REVISION, {})
        return int(row.number)

    def nas_clients(self) -> Sequence[NasFacts]:
        """Every enabled NAS with its secret."""
        with self._database.read() as session:
            return [
                NasFacts(
                    nas_client_id=row.id,
                    name=row.name,
                    network=row.network,
                    vendor=row.vendor,
                    require_message_authenticator=row.require_message_authenticator,
                    secret=nas.secret_of(self._office, row),
                    station_words=nas.station_words(self._office, row),
                    radsec_identity=row.radsec_identity,
                    central=central.terms_of(self._office, row),
                )
                for row in session.scalars(select(NasClient).where(NasClient.enabled)).unique()
            ]

    def accounts(self, usernames: Collection[str]) -> dict[str, AccountSnapshot]:
        """The accounts among `usernames`, which are in stored form; unknown ones are absent."""
        found = {
            row.username: of_row(row, self._state(row)) for row in self._named(_ACCOUNTS, usernames)
        }
        guests = {
            account.account_id: name
            for name, account in found.items()
            if is_of_voucher(account.kind, name)
        }
        if guests:
            for account_id, profile in self._voucher_profiles(guests).items():
                name = guests[account_id]
                found[name] = replace(found[name], role=profile)
        return found

    def account_ids(self, usernames: Collection[str]) -> dict[str, int]:
        """The number of each account among `usernames`, as `accounts`, and nothing else of it."""
        return {row.username: row.id for row in self._named(_ACCOUNT_IDS, usernames)}

    def _named(self, statements: Mapping[str, Executable], names: Collection[str]) -> Sequence[Any]:
        dialect = self._database.engine.dialect.name
        listed = list(names)
        value = listed if dialect == "postgresql" else json.dumps(listed)
        return self._rows(statements[dialect], {"usernames": value})

    def _voucher_profiles(self, account_ids: Collection[int]) -> dict[int, RoleProfile]:
        def read(connection: Connection) -> dict[int, RoleProfile]:
            with Session(connection) as session:
                return profiles_by_account(session, account_ids)

        return self._ask(read)

    def _state(self, row: Any) -> str:
        if (
            self._refuses_unchanged
            and row.must_change
            and row.state == "active"
            and row.origin is None
        ):
            return UNCHANGED
        state: str = row.state
        return state

    def voucher_accounts(self, codes: Collection[str]) -> dict[str, int]:
        """The accounts behind voucher codes that have been used; for accounting."""
        hashes = {self._office.vault.lookup_hash(code): code for code in codes}
        rows = self._rows(_VOUCHERS, {"hashes": list(hashes)})
        return {hashes[row.code_hmac]: row.account_id for row in rows}

    def tokens(self, usernames: Collection[str]) -> dict[str, list[TokenFacts]]:
        """The one-time tokens of these names that housekeeping has not dropped yet."""
        found: dict[str, list[TokenFacts]] = {name: [] for name in usernames}
        for row in self._rows(_TOKENS, {"usernames": list(usernames)}):
            found[row.username].append(
                TokenFacts(
                    token_id=row.id,
                    token=row.token,
                    expires_at=row.expires_at,
                    spent=row.consumed_at is not None,
                    client_mac=row.client_mac,
                    nas_client_id=row.nas_client_id,
                )
            )
        return found

    def recoverable(self, account_ids: Collection[int]) -> dict[int, KeptSecret | None]:
        """What each account keeps in recoverable form; None where that is nothing."""
        found: dict[int, KeptSecret | None] = dict.fromkeys(account_ids)
        for row in self._rows(_RECOVERABLE, {"account_ids": list(account_ids)}):
            found[row.account_id] = KeptSecret(
                row.account_id, row.recoverable_kind, row.recoverable
            )
        return found

    def open_secret(self, secret: KeptSecret) -> bytes:
        """The NT hash or password itself.

        Raises:
            ConfigError: it was sealed with another key than this site's.
        """
        return recoverable.open_sealed(
            self._office.vault, secret.account_id, secret.kind, secret.sealed
        )

    def open_stations(self, account_ids: Collection[int]) -> dict[int, set[str]]:
        """For each account, the stations that have an open session.

        A session without a station counts as one of its own.
        """
        found: dict[int, set[str]] = {account_id: set() for account_id in account_ids}
        dialect = self._database.engine.dialect.name
        head, tail = "{}" if dialect == "postgresql" else "[]"
        numbers = head + ",".join(map(str, account_ids)) + tail
        rows = self._rows(_OPEN_STATIONS[dialect], {"account_ids": numbers})
        for account_id, station in rows:
            found[account_id].add(station)
        return found

    def sessions(self, keys: Collection[str]) -> dict[str, StoredSession]:
        """The sessions of these keys, which are hex digits; unknown ones are absent."""
        if self._database.engine.dialect.name == "postgresql":
            listed = "{" + ",".join(keys) + "}"
            rows = self._rows(_SESSIONS["postgresql"], {"keys": listed})
        else:
            rows = self._rows(_SESSIONS["sqlite"], {"keys": json.dumps(list(keys))})
        return {row.session_key: _stored_session(row) for row in rows}

    def usage(self, account_ids: Collection[int]) -> dict[int, tuple[DayUsage, ...]]:
        """What each account has used since the first day any quota looks at, by local day.

        An account that used nothing has no days.
        """
        since = first_day(self._office.clock().astimezone(self.zone).date())
        found: dict[int, list[DayUsage]] = {account_id: [] for account_id in account_ids}
        rows = self._rows(_USAGE, {"account_ids": list(account_ids), "since": since})
        for account_id, day, octets, seconds in rows:
            found[account_id].append(DayUsage(day, int(octets), int(seconds)))
        return {account_id: tuple(days) for account_id, days in found.items()}

    def spend_token(self, token_id: int, station: str | None = None) -> bool | Denied:
        """Use up a token; False when it was spent before, Denied when its voucher has no room.

        A gateway whose redirect names no device is the first to tell which one it is.
        """
        with self._database.write() as session:
            spent = session.execute(
                update(PortalToken)
                .where(PortalToken.id == token_id, PortalToken.consumed_at.is_(None))
                .values(consumed_at=self._office.clock())
                .returning(PortalToken.account_id, PortalToken.username)
            ).first()
            if spent is None:
                return False
            if station is not None and spent.username.startswith(USERNAME_PREFIX):
                return (
                    vouchers.count_device(session, self._office, spent.account_id, station) or True
                )
            return True

    def web_grant(self, nas_client_id: int, mac: str, connection: str) -> Proven | Denied | None:
        """Whom the portal has proven for a device that waits; takes the grant."""
        with self._database.read() as session:
            if not central.is_expected(session, nas_client_id, mac):
                return None  # as most: each phone that passes by asks
        with self._database.write() as session:
            return central.take(session, self._office, nas_client_id, mac, connection)

    def redeem_voucher(
        self, code: str, station: str | None, nas_client_id: int | None = None, ssid: str = ""
    ) -> Decision:
        """Decide on a voucher; its first use starts its clock."""
        return login.check_voucher(
            self._office, code, station, nas_client_id=nas_client_id, ssid=ssid
        )

    @property
    def has_directories(self) -> bool:
        """Whether a name that is not known here may be known elsewhere."""
        return bool(self._office.directories)

    def asks_directory(self, account: AccountSnapshot | None) -> bool:
        """Whether `check_password` would go to a directory for this account or unknown name."""
        return directory_login.concerns(self._office, account)

    def ask_directory(
        self, account: AccountSnapshot | None, username: str, proof: NtProof | None
    ) -> Vouched | Denied | None:
        """What a directory says to a login without a password. Slow."""
        return directory_login.prove_nt(self._office, account, username, proof)

    def check_password(
        self, account: AccountSnapshot | None, password: bytes, username: str = ""
    ) -> bool | Vouched | Denied:
        """Whether `password` is the account's; renews a hash with old costs. Slow.

        Who is not known here, or is from a directory, is asked for there by `username`.
        """
        if directory_login.concerns(self._office, account):
            return directory_login.prove(self._office, account, username, password)
        stored = account.password_hash if account is not None else None
        proven = self._office.passwords.verify(stored, password)
        if proven and account is not None and stored is not None:
            clear = password.decode("utf-8", "surrogateescape")
            if account.to_keep != "none":
                recoverable.keep_now(self._office, account.account_id, stored, clear)
            login.renew_hash(self._office, account.account_id, stored, clear, self._office.clock())
        return proven
