"""The questions of a RADIUS worker to the database, each for a whole batch of logins.

Values come out, never ORM rows. Every method may raise BackendUnavailable.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select, text, update

from common.net import IpNetwork, parse_prefix
from db.models import (
    Account,
    Credential,
    NasClient,
    NetworkSession,
    PortalToken,
    Role,
    Voucher,
)
from identity.domain.access import AccountSnapshot, Decision
from identity.domain.tokens import TokenFacts
from identity.office import Office
from identity.services import login, nas, roles


@dataclass(frozen=True, slots=True, kw_only=True)
class NasFacts:
    """A NAS client as the packet path needs it."""

    nas_client_id: int
    name: str
    network: IpNetwork
    vendor: str
    require_message_authenticator: bool
    secret: bytes = field(repr=False)


class SqlStore:
    """Reads for one office. Safe to use from many threads."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._database = office.database

    def revision(self) -> int:
        """A number that rises whenever an account, role or NAS changes."""
        with self._database.read() as session:
            return int(session.execute(text("SELECT number FROM revision")).scalar_one())

    def nas_clients(self) -> Sequence[NasFacts]:
        """Every enabled NAS with its secret."""
        with self._database.read() as session:
            return [
                NasFacts(
                    nas_client_id=row.id,
                    name=row.name,
                    network=parse_prefix(row.prefix),
                    vendor=row.vendor,
                    require_message_authenticator=row.require_message_authenticator,
                    secret=nas.secret_of(self._office, row),
                )
                for row in session.scalars(select(NasClient).where(NasClient.enabled)).unique()
            ]

    def accounts(self, usernames: Collection[str]) -> dict[str, AccountSnapshot]:
        """The accounts among `usernames`, which are in stored form; unknown ones are absent."""
        columns = (
            Account.id,
            Account.username,
            Account.kind,
            Account.state,
            Account.expires_at,
            Credential.password_hash,
            Role,
        )
        statement = (
            select(*columns)
            .join(Role, Account.role_id == Role.id)
            .outerjoin(Credential, Credential.account_id == Account.id)
            .where(Account.username.in_(usernames))
        )
        with self._database.read() as session:
            return {
                row.username: AccountSnapshot(
                    account_id=row.id,
                    username=row.username,
                    kind=row.kind,
                    state=row.state,
                    expires_at=row.expires_at,
                    role=roles.profile(row.Role),
                    password_hash=row.password_hash,
                )
                for row in session.execute(statement)
            }

    def voucher_accounts(self, codes: Collection[str]) -> dict[str, int]:
        """The accounts behind voucher codes that have been used; for accounting."""
        hashes = {self._office.vault.lookup_hash(code): code for code in codes}
        with self._database.read() as session:
            rows = session.execute(
                select(Voucher.code_hmac, Voucher.account_id).where(
                    Voucher.code_hmac.in_(hashes), Voucher.account_id.is_not(None)
                )
            )
            return {
                hashes[code_hmac]: account_id
                for code_hmac, account_id in rows
                if account_id is not None
            }

    def tokens(self, usernames: Collection[str]) -> dict[str, list[TokenFacts]]:
        """The one-time tokens of these names that housekeeping has not dropped yet."""
        found: dict[str, list[TokenFacts]] = {name: [] for name in usernames}
        with self._database.read() as session:
            rows = session.scalars(select(PortalToken).where(PortalToken.username.in_(usernames)))
            for row in rows:
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

    def open_stations(self, account_ids: Collection[int]) -> dict[int, set[str]]:
        """For each account, the stations that have an open session.

        A session without a station counts as one of its own.
        """
        found: dict[int, set[str]] = {account_id: set() for account_id in account_ids}
        statement = select(
            NetworkSession.account_id,
            NetworkSession.calling_station_id,
            NetworkSession.session_key,
        ).where(
            NetworkSession.account_id.in_(account_ids),
            NetworkSession.stop_seen == 0,
            NetworkSession.closed_at.is_(None),
        )
        with self._database.read() as session:
            for account_id, station, key in session.execute(statement):
                if account_id is not None:
                    found[account_id].add(station or key)
        return found

    def spend_token(self, token_id: int) -> bool:
        """Use up a token; False when it was spent before."""
        with self._database.write() as session:
            result = session.execute(
                update(PortalToken)
                .where(PortalToken.id == token_id, PortalToken.consumed_at.is_(None))
                .values(consumed_at=self._office.clock())
            )
            return bool(result.rowcount == 1)  # type: ignore[attr-defined]

    def redeem_voucher(self, code: str, station: str | None) -> Decision:
        """Decide on a voucher; its first use starts its clock."""
        return login.check_voucher(self._office, code, station)

    def check_password(self, account: AccountSnapshot | None, password: bytes) -> bool:
        """Whether `password` is the account's; renews a hash with old costs. Slow."""
        stored = account.password_hash if account is not None else None
        proven = self._office.passwords.verify(stored, password)
        if proven and account is not None and stored is not None:
            login.renew_hash(
                self._office,
                account.account_id,
                stored,
                password.decode("utf-8", "surrogateescape"),
                self._office.clock(),
            )
        return proven
