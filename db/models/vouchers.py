"""Vouchers: sheets, codes, the devices that used them, failed guesses, and open visits."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column, relationship

from db.models.base import Base, IntPk, Long
from db.models.people import Role


class VoucherBatch(Base):
    """A sheet of vouchers issued together by a named person; its terms hold for every code."""

    __tablename__ = "voucher_batch"
    __table_args__ = (
        CheckConstraint(
            "validity IN ('from_first_use', 'from_creation', 'fixed_window', 'minutes_of_use')",
            name="validity",
        ),
    )

    id: Mapped[IntPk]
    name: Mapped[str]
    role_id: Mapped[int] = mapped_column(ForeignKey("role.id"))
    issuer_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    receiver: Mapped[str] = mapped_column(default="")
    """Who was handed the sheet, in words."""
    note: Mapped[str] = mapped_column(default="")
    language: Mapped[str] = mapped_column(default="th")
    """Of the printed cards: th | en | both."""
    validity: Mapped[str] = mapped_column(default="from_first_use")
    minutes: Mapped[int]
    """Of what `validity` says; 0 for a fixed window."""
    not_before: Mapped[datetime | None]
    hard_expiry: Mapped[datetime]
    """Whatever else holds, nobody uses a code after this."""
    devices: Mapped[int]
    uses: Mapped[int | None]
    """How many sign-ins with one code; None is any number."""
    quota_mb: Mapped[int | None]
    """Both directions, over the whole life of a code."""
    down_kbps: Mapped[int | None]
    up_kbps: Mapped[int | None]
    idle_seconds: Mapped[int | None]
    hours: Mapped[str | None]
    """As identity.domain.hours reads them; beside those of the role."""
    nas_client_id: Mapped[int | None] = mapped_column(ForeignKey("nas_client.id"))
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    ssid: Mapped[str] = mapped_column(default="")
    """Where the codes work; None and the empty text are everywhere."""
    prefix: Mapped[str] = mapped_column(default="")
    code_length: Mapped[int] = mapped_column(default=10)
    digits_only: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]

    role: Mapped[Role] = relationship(lazy="joined")


class Voucher(Base):
    """One code. Only its HMAC is searchable; the text is encrypted for printing.

    `expired` is no state: it is told from the times.
    """

    __tablename__ = "voucher"
    __table_args__ = (
        CheckConstraint("state IN ('unused', 'active', 'exhausted', 'revoked')", name="state"),
        CheckConstraint("exhausted_by IN ('time', 'data')", name="exhausted_by"),
    )

    id: Mapped[IntPk]
    batch_id: Mapped[int] = mapped_column(ForeignKey("voucher_batch.id"), index=True)
    code_hmac: Mapped[str] = mapped_column(unique=True)
    code_encrypted: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(default="unused")
    exhausted_by: Mapped[str | None]
    first_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    """Set when its clock starts."""
    use_count: Mapped[int] = mapped_column(default=0)
    extra_minutes: Mapped[int] = mapped_column(default=0)
    extra_mb: Mapped[int] = mapped_column(default=0)
    hard_expiry: Mapped[datetime | None]
    """When an extension gave this code another end than its sheet has."""
    guest_released_at: Mapped[datetime | None]
    """When its holder last took a device off it, which goes once a day."""
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True)

    batch: Mapped[VoucherBatch] = relationship(lazy="joined")


class VoucherDevice(Base):
    """A device that has used a voucher; at most `devices` of the batch each.

    One that was released keeps its row, because it was there, and counts no more.
    """

    __tablename__ = "voucher_device"

    voucher_id: Mapped[int] = mapped_column(ForeignKey("voucher.id"), primary_key=True)
    mac: Mapped[str] = mapped_column(primary_key=True)
    first_seen_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None]


class VoucherGuess(Base):
    """Failed codes under one key, as a level that leaks away (identity.domain.guessing).

    A row whose level has leaked away is as good as none, and is dropped.
    """

    __tablename__ = "voucher_guess"

    key: Mapped[str] = mapped_column(primary_key=True)
    level: Mapped[Long]
    """Thousandths of a guess, as of `at`."""
    at: Mapped[datetime] = mapped_column(index=True)
    closed_at: Mapped[datetime | None]
    """When it last became too many."""


class OpenVisit(Base):
    """A phone that a gateway has sent to the portal and that has not joined yet.

    Its camera opens the code on a slip in another browser, which knows nothing of the visit.
    """

    __tablename__ = "open_visit"
    __table_args__ = (Index("ix_open_visit_at", "at"),)

    address: Mapped[str] = mapped_column(primary_key=True)
    """As the portal sees the client."""
    mac: Mapped[str] = mapped_column(primary_key=True)
    visit: Mapped[str]
    """Signed; as the links of its pages carry it."""
    at: Mapped[datetime]
