"""Organisations, people, roles, accounts and credentials."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from db.models.base import Base, BigInt, IntPk


class Organisation(Base):
    """The area office or one of its schools."""

    __tablename__ = "organisation"

    id: Mapped[IntPk]
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    parent_id: Mapped[int | None] = mapped_column(BigInt, index=True)
    """The organisation it belongs under: of a school, the area office."""
    created_at: Mapped[datetime]


class Person(Base):
    """A natural person; `proofing_method` says how we know (R4)."""

    __tablename__ = "person"

    id: Mapped[IntPk]
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"), index=True)
    full_name: Mapped[str] = mapped_column(default="")
    person_code: Mapped[str | None] = mapped_column(index=True)
    """Pupil or staff number; unique only inside one organisation (R78)."""
    class_name: Mapped[str | None]
    contact: Mapped[str | None]
    birth_hmac: Mapped[str | None]
    """Of the birth date on the roster, which itself is not kept (R70)."""
    proofing_method: Mapped[str]
    """roster | in_person | sponsor | operator | directory"""
    proofed_by: Mapped[str]
    proofed_at: Mapped[datetime]
    created_at: Mapped[datetime]


class Role(Base):
    """A role and its access profile; NULL means no limit."""

    __tablename__ = "role"

    id: Mapped[IntPk]
    name: Mapped[str] = mapped_column(unique=True)
    for_guests: Mapped[bool] = mapped_column(default=False)
    vlan: Mapped[int | None]
    down_kbps: Mapped[int | None]
    up_kbps: Mapped[int | None]
    session_seconds: Mapped[int | None]
    idle_seconds: Mapped[int | None]
    simultaneous: Mapped[int | None]
    quota_mb_day: Mapped[int | None]
    quota_mb_week: Mapped[int | None]
    quota_mb_month: Mapped[int | None]
    quota_minutes_day: Mapped[int | None]
    quota_minutes_week: Mapped[int | None]
    quota_minutes_month: Mapped[int | None]
    hours: Mapped[str | None]
    """When it is open, as identity.domain.hours reads it; NULL is always."""
    filter_id: Mapped[str | None]
    """Filter-Id, RFC 2865 section 5.11: a filter by its name on the equipment."""
    vendor_role: Mapped[str | None]
    """A role, group or policy by its name on the equipment."""
    egress_vlans: Mapped[str | None]
    """As identity.domain.egress reads it."""
    recoverable: Mapped[str] = mapped_column(default="none", server_default="none")
    """What is kept of its accounts' passwords beside the hash: none | nt-hash | password."""
    own_devices: Mapped[int] = mapped_column(default=0, server_default="0")
    """Devices without a login that each of its people may register for themselves."""
    guardian_consent: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Its people are let in only with the consent of a guardian (identity.services.guardians)."""


class Account(Base):
    """A login. It belongs to one person, or is a guest's with a sponsor, or a device's (R1)."""

    __tablename__ = "account"
    __table_args__ = (
        CheckConstraint(
            "(kind = 'person' AND person_id IS NOT NULL)"
            " OR (kind = 'guest' AND sponsor_id IS NOT NULL AND guest_name IS NOT NULL)"
            " OR (kind = 'device' AND owner_id IS NOT NULL)",
            name="belongs_to_someone",
        ),
        CheckConstraint("state IN ('active', 'suspended', 'expired')", name="state"),
    )

    id: Mapped[IntPk]
    username: Mapped[str] = mapped_column(unique=True)
    """Case-folded; a device's is its MAC address, twelve hex digits."""
    kind: Mapped[str]
    """person | guest | device"""
    state: Mapped[str] = mapped_column(default="active")
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    sponsor_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    guest_name: Mapped[str | None]
    contact: Mapped[str | None]
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"), index=True)
    role_id: Mapped[int] = mapped_column(ForeignKey("role.id"))
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    """When it was last suspended or expired; identity is kept 90 days beyond (R38)."""
    anonymised_at: Mapped[datetime | None]
    """When everything that tells whose it was was taken out; the number stays."""
    origin: Mapped[str | None]
    """NULL: kept here. `directory:NAME`: its password is proven there (db.models.directory)."""

    person: Mapped[Person | None] = relationship(lazy="joined")
    role: Mapped[Role] = relationship(lazy="joined")
    organisation: Mapped[Organisation | None] = relationship(lazy="joined")

    @property
    def full_name(self) -> str:
        """The name of whoever answers for this account, as far as it is known here."""
        if self.person is not None:
            return self.person.full_name
        return self.guest_name or ""


class OfficerLevel(Base):
    """One thing an account is among the staff (identity.domain.levels)."""

    __tablename__ = "officer_level"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True)
    level: Mapped[str] = mapped_column(primary_key=True)
    granted_by: Mapped[str]
    granted_at: Mapped[datetime]


class Credential(Base):
    """The argon2id hash of an account's password; at most one."""

    __tablename__ = "credential"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True)
    password_hash: Mapped[str]
    changed_at: Mapped[datetime]
    recoverable_kind: Mapped[str | None]
    """NULL, or nt-hash | password: what `recoverable` holds, encrypted outside the database."""
    recoverable: Mapped[bytes | None] = mapped_column(LargeBinary)
    recoverable_choice: Mapped[str | None]
    """NULL: as the role says; otherwise none | nt-hash | password, for this account."""
    must_change: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Somebody else knows it (import, reset): its owner chooses another one (R14)."""
