"""Certificates of this site's CA: issue them to servers, accounts and NAS, list, take back.

Every one is a record with its audit event. Keys are made outside of any transaction, and those
of clients are handed to the caller and kept nowhere. Whether a login's certificate is good is
judged in radius_server.eap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from common.config import Config
from common.errors import ConfigError, NotFound, Refused
from db.models import Account, Certificate, NasClient
from identity.office import Office
from identity.pki import names
from identity.pki.authority import (
    CLIENT_DAYS,
    SERVER_DAYS,
    Authority,
    Kind,
    PrivateKey,
    Reason,
    Request,
    issuer_key_id,
    key_id,
    make_key,
    serial_text,
)
from identity.pki.folder import CaFolder, read_certificates, write_pair
from identity.services import audit, nas, people
from identity.services.revocation_lists import write_crls

DEFAULT_SERVER_NAME = "radius.yuenyan.internal"


class Purpose(StrEnum):
    """Which of the two listeners a server certificate is for; by default they share one."""

    EAP = "eap"
    RADSEC = "radsec"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A new certificate with its key; `chain` begins with the certificate itself."""

    name: str
    chain: tuple[x509.Certificate, ...]
    trusted: tuple[x509.Certificate, ...]
    """What its bearer shall trust the RADIUS server by."""
    key: PrivateKey = field(repr=False)

    @property
    def certificate(self) -> x509.Certificate:
        return self.chain[0]

    @property
    def serial(self) -> str:
        return serial_text(self.certificate)

    @property
    def ends_at(self) -> datetime:
        return self.certificate.not_valid_after_utc


def issue_server(
    office: Office,
    actor: str,
    *,
    dns_names: Sequence[str] = (),
    days: int = SERVER_DAYS,
    rsa_key: bool = False,
    purpose: Purpose = Purpose.EAP,
    authority: Authority | None = None,
) -> Issued:
    """Issue or renew the server's certificate and put it, with a new key, in its place.

    What was there goes to `ca/old`. Without `dns_names` the new one bears those of the old
    one: devices are set up with them. A running server notices the new file by itself.

    Args:
        authority: the CA it comes from; None is the present one. During a rollover that stays
            the one which devices already know.

    Raises:
        Refused: the certificate in place came from somewhere else.
        UsageError: a name or a number of days that devices do not accept.
        NotFound: this site has no CA.
    """
    now = office.clock()
    certificate_path, key_path = server_files(office.config, purpose)
    folder = CaFolder(office.config.ca_dir)
    with folder.locked():
        issuer = authority or folder.active()
        present = _present(folder, certificate_path)
        wanted = [names.check_dns_name(name) for name in dns_names]
        wanted = wanted or list(names.dns_names(present) if present else ())
        wanted = wanted or [DEFAULT_SERVER_NAME]
        above = folder.above(issuer, now)
        key = make_key(rsa_key=rsa_key)
        request = Request(
            kind=Kind.SERVER,
            common_name=wanted[0],
            alternatives=names.server_names(wanted),
            days=days,
            ends_by=above.not_valid_after_utc,
        )
        leaf = issuer.sign(request, key.public_key(), now)
        issued = Issued(name=wanted[0], chain=(leaf, above), trusted=folder.trusted(), key=key)
        _keep(office, actor, Kind.SERVER, issued)
        folder.keep_aside(certificate_path, now)
        folder.keep_aside(key_path, now)
        write_pair(certificate_path, key_path, issued.chain, key)
    return issued


def issue_client(
    office: Office, actor: str, username: str, *, days: int = CLIENT_DAYS, rsa_key: bool = False
) -> Issued:
    """Issue a client certificate that is bound to an account; it may have several.

    Raises:
        NotFound: there is no such account, or this site has no CA.
        Refused: the account is not active.
        UsageError: too many days.
    """
    with office.database.read() as session:
        account = people.get(session, username)
    if account.state != "active":
        raise Refused(f"{account.username} is {account.state}; enable the account first")
    name = account.username
    request = Request(
        kind=Kind.CLIENT,
        common_name=name,
        alternatives=names.account_alternatives(name),
        days=days,
    )
    return _issue(office, actor, request, name, rsa_key, account=account)


def issue_nas(
    office: Office, actor: str, nas_name: str, *, days: int = CLIENT_DAYS, rsa_key: bool = False
) -> Issued:
    """Issue a RadSec client certificate to a NAS or a school's gateway.

    It bears the RadSec identity of the NAS, or its name when it has none.

    Raises:
        NotFound: there is no such NAS, or this site has no CA.
        Refused: the name is too long for a certificate.
        UsageError: too many days.
    """
    with office.database.read() as session:
        client = nas.get(session, nas_name)
    borne = client.radsec_identity or client.name
    if names.cut(borne) != borne:
        raise Refused(
            f"the name {borne!r} does not fit into a certificate, which takes "
            f"{names.COMMON_NAME_OCTETS} octets; give the NAS a shorter RadSec identity"
        )
    request = Request(
        kind=Kind.NAS, common_name=borne, alternatives=names.nas_alternatives(borne), days=days
    )
    return _issue(office, actor, request, client.name, rsa_key, nas_client=client)


def server_files(config: Config, purpose: Purpose) -> tuple[Path, Path]:
    """(certificate, private key) of a listener."""
    if purpose is Purpose.RADSEC:
        return config.radsec_certificate, config.radsec_private_key
    return config.eap_certificate, config.eap_private_key


def list_certificates(
    session: Session, *, kind: Kind | None = None, name: str | None = None
) -> Sequence[Certificate]:
    """Every certificate on record, the newest first."""
    query = select(Certificate).order_by(Certificate.issued_at.desc(), Certificate.id.desc())
    if kind is not None:
        query = query.where(Certificate.kind == kind)
    if name is not None:
        query = query.where(Certificate.name == name)
    return session.scalars(query).all()


def find_by_serial(session: Session, serial: str) -> Certificate | None:
    """The record of a serial number in hexadecimal, or None when it is not ours."""
    return session.scalar(select(Certificate).where(Certificate.serial == clean_serial(serial)))


def list_ending_nas(session: Session, by: datetime) -> Sequence[Certificate]:
    """For each NAS the certificate that lasts longest, if it ends before `by`."""
    rows = session.scalars(
        select(Certificate)
        .join(NasClient, NasClient.id == Certificate.nas_client_id)
        .where(Certificate.kind == Kind.NAS, Certificate.revoked_at.is_(None), NasClient.enabled)
        .order_by(Certificate.not_after)
    ).all()
    last = {row.nas_client_id: row for row in rows}
    return [row for row in last.values() if row.not_after <= by]


def clean_serial(text: str) -> str:
    """A serial number as people copy it from elsewhere, in the form of the records."""
    return text.strip().lower().removeprefix("0x").replace(":", "").replace(" ", "").lstrip("0")


def revoke(
    office: Office, actor: str, serial_or_name: str, reason: Reason = Reason.UNSPECIFIED
) -> Sequence[Certificate]:
    """Take back one certificate by its serial number, or all of an account or NAS by its name.

    The revocation lists are rewritten before this returns; a running server notices.

    Raises:
        NotFound: no certificate in force is called so.
        Refused: it is a CA, which is left by a rollover.
    """
    now = office.clock()
    with office.database.write() as session:
        rows = _in_force(session, serial_or_name, now)
        if not rows:
            raise NotFound(
                f"no certificate in force has the serial number or name {serial_or_name!r}; "
                "see: yuenyan cert list"
            )
        if any(row.kind == Kind.CA for row in rows):
            raise Refused("a CA is not revoked but left: yuenyan cert rollover")
        for row in rows:
            row.revoked_at, row.revoked_by, row.revocation_reason = now, actor, reason
            audit.record(
                session,
                now,
                actor,
                "certificate:revoked",
                row.name,
                serial=row.serial,
                kind=row.kind,
                reason=reason,
            )
    write_crls(office)
    return rows


def enter(
    session: Session,
    now: datetime,
    actor: str,
    kind: Kind,
    name: str,
    certificate: x509.Certificate,
    *,
    account: Account | None = None,
    nas_client: NasClient | None = None,
) -> Certificate:
    """Put a certificate on record, with its audit event."""
    row = Certificate(
        serial=serial_text(certificate),
        authority=issuer_key_id(certificate) or key_id(certificate),
        kind=kind,
        name=name,
        subject=certificate.subject.rfc4514_string(),
        names=names.describe(certificate),
        account_id=account.id if account else None,
        nas_client_id=nas_client.id if nas_client else None,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        issued_at=now,
        issued_by=actor,
        der=certificate.public_bytes(Encoding.DER),
    )
    session.add(row)
    audit.record(
        session,
        now,
        actor,
        "certificate:issued",
        name,
        kind=kind,
        serial=row.serial,
        not_after=row.not_after.isoformat(),
    )
    return row


def _issue(
    office: Office,
    actor: str,
    request: Request,
    name: str,
    rsa_key: bool,
    *,
    account: Account | None = None,
    nas_client: NasClient | None = None,
) -> Issued:
    folder = CaFolder(office.config.ca_dir)
    issuer = folder.issuer()
    key = make_key(rsa_key=rsa_key)
    leaf = issuer.sign(request, key.public_key(), office.clock())
    issued = Issued(name=name, chain=(leaf, issuer.certificate), trusted=folder.trusted(), key=key)
    _keep(office, actor, request.kind, issued, account=account, nas_client=nas_client)
    return issued


def _keep(
    office: Office,
    actor: str,
    kind: Kind,
    issued: Issued,
    *,
    account: Account | None = None,
    nas_client: NasClient | None = None,
) -> None:
    with office.database.write() as session:
        enter(
            session,
            office.clock(),
            actor,
            kind,
            issued.name,
            issued.certificate,
            account=account,
            nas_client=nas_client,
        )


def _present(folder: CaFolder, path: Path) -> x509.Certificate | None:
    """The certificate in place, if any; Refused when another CA made it."""
    if not path.exists():
        return None
    try:
        present = read_certificates(path)[0]
    except ConfigError:
        return None  # what is broken may be replaced; it is kept aside
    ours = {one.key_id for one in (folder.active(), *folder.predecessors())}
    successor = folder.successor()
    if successor is not None:
        ours.add(successor.key_id)
    if issuer_key_id(present) not in ours:
        raise Refused(
            f"{path} comes from {title_of_issuer(present)}; renew it there, or take it out of "
            "the configuration to use the site's own CA"
        )
    return present


def title_of_issuer(certificate: x509.Certificate) -> str:
    """The issuer's name for a sentence."""
    return certificate.issuer.rfc4514_string() or "another CA"


def _in_force(session: Session, serial_or_name: str, now: datetime) -> Sequence[Certificate]:
    name = serial_or_name.strip()
    by_name = Certificate.name.in_([name, name.casefold()])
    return session.scalars(
        select(Certificate).where(
            or_(
                Certificate.serial == clean_serial(name),
                by_name & Certificate.kind.in_([Kind.CLIENT, Kind.NAS]),
            ),
            Certificate.revoked_at.is_(None),
            Certificate.not_after > now,
        )
    ).all()
