"""NAS clients: add, list, reveal the secret to the RADIUS server."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.errors import Refused, UsageError
from common.net import parse_prefix
from db.models import NasClient, UnknownNas
from identity.office import Office
from identity.services import audit, roles

MAXIMUM_SECRET_OCTETS = 253
_PURPOSE = "nas secret"


def add_nas(
    session: Session,
    office: Office,
    name: str,
    prefix: str,
    secret: str,
    actor: str,
    *,
    vendor: str = "generic",
    organisation: str | None = None,
    require_message_authenticator: bool = True,
    login_url: str | None = None,
) -> NasClient:
    """Register a NAS by the addresses it sends from.

    Raises:
        UsageError: bad prefix or secret.
        Refused: name or prefix is taken.
    """
    name = name.strip()
    network = str(parse_prefix(prefix))
    octets = secret.encode()
    if not name or len(name) > 100:
        raise UsageError("a NAS needs a name of at most 100 characters")
    if not octets or len(octets) > MAXIMUM_SECRET_OCTETS:
        raise UsageError(
            f"a shared secret has 1..{MAXIMUM_SECRET_OCTETS} octets; 16 or more is good"
        )
    if login_url is not None and not login_url.startswith(("http://", "https://")):
        raise UsageError("the login address of a NAS starts with http:// or https://")
    for column, value in ((NasClient.name, name), (NasClient.prefix, network)):
        if session.scalar(select(NasClient).where(column == value)) is not None:
            raise Refused(f"there is already a NAS with the {column.key} {value}")
    nas = NasClient(
        name=name,
        prefix=network,
        secret_encrypted=office.vault.encrypt(octets, _PURPOSE),
        vendor=vendor,
        organisation_id=(
            roles.get_organisation(session, organisation).id if organisation else None
        ),
        require_message_authenticator=require_message_authenticator,
        login_url=login_url,
        created_at=office.clock(),
    )
    session.add(nas)
    audit.record(
        session,
        office.clock(),
        actor,
        "nas:added",
        name,
        prefix=network,
        require_message_authenticator=require_message_authenticator,
    )
    return nas


def secret_of(office: Office, nas: NasClient) -> bytes:
    """The shared secret of a NAS in the clear."""
    return office.vault.decrypt(nas.secret_encrypted, _PURPOSE)


def list_nas(session: Session) -> Sequence[NasClient]:
    """Every NAS by name."""
    return session.scalars(select(NasClient).order_by(NasClient.name)).all()


def list_unknown(session: Session, limit: int = 200) -> Sequence[UnknownNas]:
    """Addresses that sent RADIUS without being registered, newest first."""
    return session.scalars(
        select(UnknownNas).order_by(UnknownNas.last_seen_at.desc()).limit(limit)
    ).all()
