"""The revocation lists of this site's CAs, written from the records, and kept fresh.

Also ca.pem, the CAs whose client certificates are accepted: one of the past leaves it when
nothing it has issued is in force any more. Who is revoked is decided in certificates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from cryptography import x509
from sqlalchemy import select

from common.errors import ConfigError
from db.models import Certificate
from identity.office import Office
from identity.pki.authority import Kind, Reason, Revoked
from identity.pki.folder import CRL, CaFolder, read_crls

RENEWED_AFTER = timedelta(days=1)

_LISTED_BEYOND = 2 * RENEWED_AFTER
"""RFC 5280 section 3.3: an entry stays for one list after its certificate has ended."""


def write_crls(office: Office) -> int:
    """Write a fresh list for every CA; how many certificates they name.

    Raises:
        NotFound: this site has no CA.
        BackendUnavailable: the folder or the database cannot be used.
    """
    folder = CaFolder(office.config.ca_dir)
    # The records are read under the lock: who writes last has seen every revocation.
    with folder.locked():
        return _write(office, folder)


def refresh_crl_if_due(office: Office) -> bool:
    """Write the lists if they are a day old, or do not name what the records name.

    For the housekeeper. True when they were written; False as well on a site without a CA.
    """
    folder = CaFolder(office.config.ca_dir)
    if not folder.exists():
        return False
    with folder.locked():
        if not _is_due(office, folder):
            return False
        _write(office, folder)
        return True


def _write(office: Office, folder: CaFolder) -> int:
    now = office.clock()
    revoked = _revoked(office, now)
    authorities = folder.accepted(_needed(office, now))
    number = max([int(now.timestamp()), *(one + 1 for one in _numbers(folder))])
    folder.write_crls(
        [one.revocation_list(revoked.get(one.key_id, ()), now, number) for one in authorities]
    )
    folder.write_accepted([*(one.certificate for one in authorities), *folder.foreign()])
    return sum(len(entries) for entries in revoked.values())


def _is_due(office: Office, folder: CaFolder) -> bool:
    now = office.clock()
    try:
        lists = read_crls(folder.path / CRL)
    except ConfigError:
        return True
    authorities = folder.accepted(_needed(office, now))
    if len(lists) != len(authorities):
        return True
    if any(one.last_update_utc + RENEWED_AFTER <= now for one in lists):
        return True
    revoked = _revoked(office, now)
    return _named(lists) != {
        entry.serial for one in authorities for entry in revoked.get(one.key_id, ())
    }


def _named(lists: Iterable[x509.CertificateRevocationList]) -> set[int]:
    return {entry.serial_number for one in lists for entry in one}


def _numbers(folder: CaFolder) -> list[int]:
    """The numbers of the lists in place; they may only rise, though a clock went back."""
    try:
        lists = read_crls(folder.path / CRL)
        return [
            one.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for one in lists
        ]
    except (ConfigError, x509.ExtensionNotFound):
        return []  # not ours, or broken: it is replaced


def _needed(office: Office, now: datetime) -> frozenset[str]:
    """The CAs that clients' certificates in force come from."""
    with office.database.read() as session:
        return frozenset(
            session.scalars(
                select(Certificate.authority)
                .where(Certificate.kind.in_([Kind.CLIENT, Kind.NAS]), Certificate.not_after > now)
                .distinct()
            )
        )


def _revoked(office: Office, now: datetime) -> Mapping[str, list[Revoked]]:
    """Entries by the key identifier of their CA."""
    entries: dict[str, list[Revoked]] = {}
    with office.database.read() as session:
        rows = session.scalars(
            select(Certificate)
            .where(
                Certificate.revoked_at.is_not(None),
                Certificate.not_after > now - _LISTED_BEYOND,
            )
            .order_by(Certificate.id)
        ).all()
    for row in rows:
        assert row.revoked_at is not None
        entries.setdefault(row.authority, []).append(
            Revoked(
                serial=int(row.serial, 16),
                at=row.revoked_at,
                reason=Reason(row.revocation_reason or Reason.UNSPECIFIED),
            )
        )
    return entries
