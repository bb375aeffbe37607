"""Files with client certificates that wait for their devices."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, IntPk


class CertificateFile(Base):
    """A PKCS#12 file from its making until its device has fetched it: an hour at most."""

    __tablename__ = "certificate_file"

    id: Mapped[IntPk]
    key_digest: Mapped[str] = mapped_column(unique=True)
    """SHA-256 of what its address holds, hexadecimal: whoever reads this table fetches nothing."""
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    serial: Mapped[str]
    """Of the certificate, as db.models.certificates has it."""
    ends_at: Mapped[datetime]
    """When the certificate does."""
    file_encrypted: Mapped[bytes] = mapped_column(LargeBinary)
    """The file, which its own password protects as well; that is kept nowhere."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
