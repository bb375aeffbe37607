"""What happened on the network: decisions, accounting, sessions, addresses.

The rows are written in bulk by db.ledger. They carry no foreign keys: a check a row would
cost as much as the row, and evidence must outlive what it refers to.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, BigInt, Flag, IntPk, Key, Long


class AuthEvent(Base):
    """One decision on one login, kept as it was taken."""

    __tablename__ = "auth_event"
    __table_args__ = (
        Index("ix_auth_event_at", "at"),
        Index("ix_auth_event_account_id_at", "account_id", "at"),
    )

    id: Mapped[IntPk]
    at: Mapped[datetime]
    nas_client_id: Mapped[int | None]
    user_name: Mapped[str]
    account_id: Mapped[int | None]
    method: Mapped[str]
    """pap | chap | mac | token | voucher | portal"""
    outcome: Mapped[str]
    """accept | reject"""
    reason: Mapped[str]
    calling_station_id: Mapped[str | None]
    called_station_id: Mapped[str | None]
    session_ref: Mapped[str | None]
    """The reference that Class carries; accounting brings it back."""
    trace: Mapped[str | None]
    """How it came to this, a step a line, for whoever asks why; no secret is in it."""


class AccountingEvent(Base):
    """One Accounting-Request as received. Append-only."""

    __tablename__ = "accounting_event"
    id: Mapped[IntPk]
    received_at: Mapped[datetime]
    nas_client_id: Mapped[int]
    source: Mapped[str]
    """Address and port it came from."""
    status_type: Mapped[Long]
    """Acct-Status-Type, RFC 2866 section 5.1."""
    session_key: Mapped[str | None]
    user_name: Mapped[str | None]
    calling_station_id: Mapped[str | None]
    framed_address: Mapped[str | None]
    session_seconds: Mapped[int | None] = mapped_column(BigInt)
    event_timestamp: Mapped[datetime | None]
    """The NAS's own clock; never used as the time of record (R60)."""
    octets: Mapped[bytes] = mapped_column(LargeBinary)
    """The datagram, whole."""


class NetworkSession(Base):
    """One session, joined from its events in any order (identity.domain.sessions)."""

    __tablename__ = "network_session"
    __table_args__ = (
        # No index holds a column that an interim update moves: such an update then stays
        # within its page (PostgreSQL's heap-only tuples) and costs half.
        Index("ix_network_session_account_id", "account_id"),
        Index("ix_network_session_first_heard_at", "first_heard_at"),
        Index(
            "ix_network_session_open",
            "account_id",
            postgresql_where=text("stop_seen = 0 AND closed_at IS NULL"),
            sqlite_where=text("stop_seen = 0 AND closed_at IS NULL"),
        ),
        {"postgresql_with": {"fillfactor": 75}},
    )

    session_key: Mapped[Key] = mapped_column(primary_key=True)
    nas_client_id: Mapped[int]
    nas_identity: Mapped[str]
    """Which device behind the client's prefix: NAS-Identifier, else its own address."""
    acct_session_id: Mapped[str]
    user_name: Mapped[str]
    account_id: Mapped[int | None]
    session_ref: Mapped[str | None]
    calling_station_id: Mapped[str | None]
    """Twelve hex digits when it is a MAC address, else as sent."""
    called_station_id: Mapped[str | None]
    nas_port: Mapped[str | None]
    started_at: Mapped[datetime]
    first_heard_at: Mapped[datetime] = mapped_column(
        default=lambda context: context.get_current_parameters()["last_heard_at"]
    )
    """When the first packet about it came; never changes, so lists are in its order."""
    last_heard_at: Mapped[datetime]
    session_seconds: Mapped[Long]
    stop_seen: Mapped[Flag]
    stop_at: Mapped[datetime | None]
    terminate_cause: Mapped[int | None] = mapped_column(BigInt)
    input_octets: Mapped[Long]
    """From the user, RFC 2866 section 5.3, gigawords included."""
    output_octets: Mapped[Long]
    closed_at: Mapped[datetime | None]
    """Set by us when no stop came: the NAS restarted, or the session fell silent."""
    close_cause: Mapped[str | None]


class AddressInterval(Base):
    """One address of one session, with the first and last evidence of it."""

    __tablename__ = "address_interval"
    __table_args__ = (
        Index("ix_address_interval_address", "address"),
        {"postgresql_with": {"fillfactor": 75}},
    )

    session_key: Mapped[Key] = mapped_column(primary_key=True)
    address: Mapped[Key] = mapped_column(primary_key=True)
    """IPv4, IPv6, or an IPv6 prefix with its length."""
    source: Mapped[Key] = mapped_column(primary_key=True)
    """radius | report | neighbour | dhcp | portal | gateway"""
    from_at: Mapped[datetime]
    to_at: Mapped[datetime]
    first_offset_seconds: Mapped[int | None] = mapped_column(BigInt)
    """Acct-Session-Time at the first evidence; with the session's start it beats `from_at`."""
    last_offset_seconds: Mapped[int | None] = mapped_column(BigInt)


class NasBoot(Base):
    """Accounting-On or Accounting-Off of a NAS: every session before it has ended."""

    __tablename__ = "nas_boot"

    id: Mapped[IntPk]
    nas_client_id: Mapped[int] = mapped_column(index=True)
    nas_identity: Mapped[str]
    at: Mapped[datetime]
    status_type: Mapped[Long]
