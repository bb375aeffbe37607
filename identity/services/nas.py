"""NAS clients: add, list, reveal the secret to the RADIUS server."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from common.errors import NotFound, Refused, UsageError
from common.net import parse_address, parse_prefix
from db.models import NasClient, NetworkSession, PortalToken, UnknownNas
from db.models.network import RADSEC_PREFIX
from identity.domain.shared_secret import Strength, assess
from identity.domain.stations import StationWords
from identity.domain.vendors import parse_vendor
from identity.office import Office
from identity.services import audit, roles
from identity.services.reach import Reach

MAXIMUM_SECRET_OCTETS = 253
MINIMUM_KEY_OCTETS = 16
MAXIMUM_IDENTITY = 253
"""Characters of a DNS name."""

NO_SECRET = "radsec"  # noqa: S105 - RFC 6614 section 2.3 fixes it; it protects nothing
OVER_RADSEC = "radsec"
"""A CoA address: over the connection that the NAS itself has opened. Never without being said so:
equipment that does not expect a request there may close the connection its logins come by."""

_PURPOSE = "nas secret"
_MAB_PURPOSE = "nas mab password"
_MAB_OCTETS = 100


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
    coa_address: str | None = None,
    coa_port: int | None = None,
    radsec_identity: str | None = None,
) -> NasClient:
    """Register a NAS by the addresses it sends from, or by the name in its certificate.

    Args:
        prefix: or `radsec:IDENTITY`, for one without fixed addresses.
        secret: of one without fixed addresses it is the TLS pre-shared key, and may be empty
            where a certificate is shown.
        radsec_identity: the DNS name (else the common name) in its certificate, RFC 6614.

    Raises:
        UsageError: bad prefix, identity, secret, address or port.
        Refused: name, prefix or identity is taken.
    """
    name = name.strip()
    if prefix.strip().startswith(RADSEC_PREFIX):
        radsec_identity = parse_identity(prefix.strip().removeprefix(RADSEC_PREFIX))
        network, secret = RADSEC_PREFIX + radsec_identity, secret or NO_SECRET
    else:
        network = str(parse_prefix(prefix))
        radsec_identity = parse_identity(radsec_identity) if radsec_identity else None
    octets = _usable(secret)
    _refuse_short_key(network, octets)
    if not name or len(name) > 100:
        raise UsageError("a NAS needs a name of at most 100 characters")
    if login_url is not None and not login_url.startswith(("http://", "https://")):
        raise UsageError("the login address of a NAS starts with http:// or https://")
    _refuse_taken_identity(session, radsec_identity)
    for column, value in ((NasClient.name, name), (NasClient.prefix, network)):
        if session.scalar(select(NasClient).where(column == value)) is not None:
            raise Refused(f"there is already a NAS with the {column.key} {value}")
    nas = NasClient(
        name=name,
        prefix=network,
        secret_encrypted=office.vault.encrypt(octets, _PURPOSE),
        vendor=parse_vendor(vendor),
        organisation_id=(
            roles.get_organisation(session, organisation).id if organisation else None
        ),
        require_message_authenticator=require_message_authenticator,
        login_url=login_url,
        coa_address=_coa_address(coa_address, radsec_identity),
        coa_port=_coa_port(coa_port),
        radsec_identity=radsec_identity,
        created_at=office.clock(),
    )
    note_secret(office, nas, octets)
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


def refuse_overlap(session: Session, prefix: str, reach: Reach) -> None:
    """Raise Refused when these addresses are those of equipment outside an officer's reach.

    The narrowest prefix answers for an address: whoever could register one within another
    school's would answer for its access points.

    Raises:
        UsageError: a bad prefix.
    """
    if reach.is_whole or prefix.strip().startswith(RADSEC_PREFIX):
        return
    wanted = parse_prefix(prefix)
    for taken, owner in session.execute(select(NasClient.prefix, NasClient.organisation_id)):
        if taken.startswith(RADSEC_PREFIX) or reach.covers(owner):
            continue
        network = parse_prefix(taken)
        if network.version == wanted.version and network.overlaps(wanted):
            raise Refused(f"{wanted} overlaps equipment of another organisation")


def secret_of(office: Office, nas: NasClient) -> bytes:
    """The shared secret of a NAS in the clear."""
    return office.vault.decrypt(nas.secret_encrypted, _PURPOSE)


def station_words(office: Office, nas: NasClient) -> StationWords:
    """What a NAS may say beside the address when it asks for a device by it.

    Its shared secret is good as the password: some equipment sends that. Small-business
    access points of Cisco send a literal.
    """
    passwords = [secret_of(office, nas).decode("utf-8", "surrogateescape")]
    if nas.prefix.startswith(RADSEC_PREFIX):
        passwords = []  # everybody knows the one of RADIUS over TLS
    if nas.vendor == "cisco":
        passwords.append("NOPASSWORD")
    if nas.mab_password_encrypted is not None:
        own = office.vault.decrypt(nas.mab_password_encrypted, _MAB_PURPOSE)
        passwords.append(own.decode("utf-8", "surrogateescape"))
    return StationWords(nas.mab_suffix or "", tuple(passwords))


def set_station_words(
    session: Session,
    office: Office,
    name: str,
    actor: str,
    *,
    suffix: str | None = None,
    password: str | None = None,
) -> None:
    """Set what a NAS says when it asks for a device by its address; "" goes back to usual.

    Raises:
        UsageError: longer than the attributes hold.
    """
    nas = get(session, name)
    for text in (suffix, password):
        if text is not None and len(text.encode()) > _MAB_OCTETS:
            raise UsageError(f"what a NAS sends has at most {_MAB_OCTETS} octets")
    if suffix is not None:
        nas.mab_suffix = suffix or None
    if password is not None:
        nas.mab_password_encrypted = (
            office.vault.encrypt(password.encode(), _MAB_PURPOSE) if password else None
        )
    audit.record(
        session,
        office.clock(),
        actor,
        "nas:mab_set",
        nas.name,
        suffix=nas.mab_suffix,
        password_changed=password is not None,
    )


def set_vendor(session: Session, office: Office, name: str, vendor: str, actor: str) -> None:
    """Say which make a NAS is; replies follow within a second.

    Raises:
        UsageError: there is no such profile.
    """
    nas = get(session, name)
    nas.vendor = parse_vendor(vendor)
    audit.record(session, office.clock(), actor, "nas:vendor_set", nas.name, vendor=nas.vendor)


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
    octets = _usable(secret)
    _refuse_short_key(nas.prefix, octets)
    nas.secret_encrypted = office.vault.encrypt(octets, _PURPOSE)
    note_secret(office, nas, octets)
    audit.record(session, office.clock(), actor, "nas:secret_changed", nas.name)


def note_secret(office: Office, nas: NasClient, secret: bytes) -> None:
    """Note what may be known of a secret that is set now, so that nobody need read it again."""
    without = nas.prefix.startswith(RADSEC_PREFIX) and secret == NO_SECRET.encode()
    nas.secret_strength = Strength.TLS if without else assess(secret)
    nas.secret_fingerprint = (
        None if without else office.vault.lookup_hash(f"{_PURPOSE} {secret.hex()}")
    )
    nas.secret_set_at = office.clock()


def require_message_authenticator(
    session: Session, office: Office, name: str, required: bool, actor: str
) -> None:
    """Demand a Message-Authenticator of a NAS, or allow that it is missing; within a second."""
    nas = get(session, name)
    nas.require_message_authenticator = required
    audit.record(
        session, office.clock(), actor, "nas:message_authenticator", nas.name, required=required
    )


def set_coa(
    session: Session,
    office: Office,
    name: str,
    actor: str,
    *,
    address: str | None,
    port: int | None,
) -> None:
    """Set where a NAS takes Disconnect- and CoA-Requests; None goes back to the usual place.

    Raises:
        UsageError: no address, or no port.
    """
    nas = get(session, name)
    nas.coa_address = _coa_address(address, nas.radsec_identity)
    nas.coa_port = _coa_port(port)
    audit.record(
        session, office.clock(), actor, "nas:coa_set", nas.name, address=address, port=port
    )


def set_radsec_identity(
    session: Session, office: Office, name: str, identity: str | None, actor: str
) -> None:
    """Say under which certificate a NAS comes over TLS; None: it no longer may.

    Raises:
        UsageError: no usable identity, or the NAS has no other way to be known.
        Refused: another NAS has it.
    """
    nas = get(session, name)
    if identity is None and nas.network is None:
        raise UsageError(f"{nas.name} is known by its certificate only; remove it instead")
    new = None if identity is None else parse_identity(identity)
    if new != nas.radsec_identity:
        _refuse_taken_identity(session, new)
    if nas.network is None:
        nas.prefix = f"{RADSEC_PREFIX}{new}"
    nas.radsec_identity = new
    audit.record(session, office.clock(), actor, "nas:radsec_set", nas.name, identity=new)


def parse_identity(text: str) -> str:
    """The name in a certificate as it is stored and compared: without case and final dot.

    Raises:
        UsageError: empty, too long, a wildcard, or unprintable.
    """
    identity = text.strip().casefold().rstrip(".")
    if not identity or len(identity) > MAXIMUM_IDENTITY or "*" in identity:
        raise UsageError("a RadSec identity is the one name in the certificate of the device")
    if not identity.isprintable():
        raise UsageError("a RadSec identity holds printable characters only")
    return identity


def _refuse_taken_identity(session: Session, identity: str | None) -> None:
    if identity is None:
        return
    holder = session.scalar(select(NasClient).where(NasClient.radsec_identity == identity))
    if holder is not None:
        raise Refused(f"{holder.name} has the RadSec identity {identity} already")


def _coa_address(text: str | None, radsec_identity: str | None) -> str | None:
    if text == OVER_RADSEC and radsec_identity is None:
        raise UsageError(
            "without a RadSec identity it holds no connection to be asked over;"
            " give it one first: yuenyan nas radsec NAME IDENTITY"
        )
    return text if text is None or text == OVER_RADSEC else str(parse_address(text))


def _coa_port(port: int | None) -> int | None:
    if port is not None and not 0 <= port <= 65535:
        raise UsageError("the CoA port is 1..65535; 0 says that this NAS takes no requests")
    return port


def _refuse_short_key(prefix: str, secret: bytes) -> None:
    """A key that proves a NAS by itself; a watcher of one handshake could search a short one."""
    is_key = prefix.startswith(RADSEC_PREFIX) and secret != NO_SECRET.encode()
    if is_key and len(secret) < MINIMUM_KEY_OCTETS:
        raise UsageError(
            f"a pre-shared key for TLS has at least {MINIMUM_KEY_OCTETS} octets (RFC 9813)"
        )


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
