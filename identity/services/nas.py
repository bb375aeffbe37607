"""NAS clients: add, list, reveal the secret to the RADIUS server."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from common.errors import NotFound, Refused, UsageError
from common.net import parse_prefix
from db.models import NasClient, NetworkSession, PortalToken, UnknownNas
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
    octets = _usable(secret)
    if not name or len(name) > 100:
        raise UsageError("a NAS needs a name of at most 100 characters")
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


def get(session: Session, name: str) -> NasClient:
    """The NAS called `name`; NotFound otherwise."""
    nas = session.scalar(select(NasClient).where(NasClient.name == name.strip()))
    if nas is None:
        raise NotFound(f"there is no NAS {name!r}; see: yuenyan nas list")
    return nas


def remove_nas(session: Session, office: Office, name: str, actor: str) -> bool:
    """Take a NAS away. True when its row is gone, False when it is only disabled.

    A NAS that was ever heard stays, disabled: its records would otherwise name nothing.
    """
    nas = get(session, name)
    heard = nas.last_seen_at is not None or (
        session.scalar(
            select(NetworkSession.session_key)
            .where(NetworkSession.nas_client_id == nas.id)
            .limit(1)
        )
        is not None
    )
    if heard:
        nas.enabled = False
    else:
        session.execute(delete(PortalToken).where(PortalToken.nas_client_id == nas.id))
        session.delete(nas)
    audit.record(session, office.clock(), actor, "nas:removed", nas.name, kept=heard)
    return not heard


def enable_nas(session: Session, office: Office, name: str, actor: str) -> None:
    """Let a disabled NAS speak RADIUS again."""
    nas = get(session, name)
    nas.enabled = True
    audit.record(session, office.clock(), actor, "nas:enabled", nas.name)


def set_secret(session: Session, office: Office, name: str, secret: str, actor: str) -> None:
    """Replace the shared secret of a NAS; RADIUS follows within a second.

    Raises:
        UsageError: the secret cannot be used.
    """
    nas = get(session, name)
    nas.secret_encrypted = office.vault.encrypt(_usable(secret), _PURPOSE)
    audit.record(session, office.clock(), actor, "nas:secret_changed", nas.name)


def _usable(secret: str) -> bytes:
    octets = secret.encode()
    if not octets or len(octets) > MAXIMUM_SECRET_OCTETS:
        raise UsageError(
            f"a shared secret has 1..{MAXIMUM_SECRET_OCTETS} octets; 16 or more is good"
        )
    return octets


def list_nas(session: Session) -> Sequence[NasClient]:
    """Every NAS by name."""
    return session.scalars(select(NasClient).order_by(NasClient.name)).all()


def list_unknown(session: Session, limit: int = 200) -> Sequence[UnknownNas]:
    """Addresses that sent RADIUS without being registered, newest first."""
    return session.scalars(
        select(UnknownNas).order_by(UnknownNas.last_seen_at.desc()).limit(limit)
    ).all()
