"""What is known of the accounts that come from a directory (LDAP, Active Directory)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class DirectoryEntry(Base):
    """The entry of a directory that an account stands for; its password stays there."""

    __tablename__ = "directory_entry"
    __table_args__ = (UniqueConstraint("directory", "unique_id"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True)
    directory: Mapped[str]
    """NAME of [directory.NAME]."""
    dn: Mapped[str]
    name: Mapped[str]
    """By which it is found there: the user name, unless the entry was renamed since."""
    unique_id: Mapped[str | None]
    """entryUUID or objectGUID: stays when a name changes, and is new when a name is reused."""
    refused: Mapped[str | None]
    """NULL, or why the account was suspended on the directory's word: missing | disabled | no_role.
    The directory's word alone lifts what it has brought about."""
    refreshed_at: Mapped[datetime] = mapped_column(index=True)
    """When the directory was last asked about it."""
    proven_at: Mapped[datetime | None]
    """When the password of `verifier` was last proven at the directory."""
    verifier: Mapped[str | None]
    """argon2id of that password, only where `offline_days` wants it; never a way in while the
    directory answers."""
