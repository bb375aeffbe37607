"""Somebody's own devices: registered ones, those seen with the account, their names.

Only what belongs to the account is told of or touched. A private address, which a phone makes
up by itself, is as good as any other; only a device without a login is known by its address, and
so needs one that stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from common.errors import NetAccessError, NotFound, UsageError
from common.net import find_mac, is_randomised_mac, parse_mac
from db.models import Account, DeviceName, NetworkSession, Voucher, VoucherDevice
from identity.office import Office
from identity.services import devices, dynamic, roles

LONGEST_NAME = 40


class NotAdded(StrEnum):
    """Why a device was not registered."""

    NOT_ALLOWED = "not_allowed"
    """The role lets nobody do it, or it is a guest, who answers for no device."""
    LIMIT = "limit"
    NO_ADDRESS = "no_address"
    PRIVATE = "private"
    TAKEN = "taken"
    """It is registered, or was seen with somebody else. Whose is not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDevice:
    """One device as its owner sees it."""

    mac: str
    name: str = ""
    is_private: bool
    """Its address is one that the device made up (locally administered)."""
    is_registered: bool = False
    expires_at: datetime | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    is_online: bool = False


@dataclass(slots=True)
class _Found:
    account: Account | None = None
    seen: list[datetime] = field(default_factory=list)
    is_online: bool = False


def list_devices(session: Session, account_id: int, since: datetime) -> Sequence[OwnDevice]:
    """Registered ones and those seen since that moment; who was here last comes first."""
    found: dict[str, _Found] = {}
    registered = _registered(session, account_id)
    for one in registered:
        found[one.username] = _Found(account=one)
    voucher = select(Voucher.id).where(Voucher.account_id == account_id)
    for mac, moment in session.execute(
        select(VoucherDevice.mac, VoucherDevice.first_seen_at).where(
            VoucherDevice.voucher_id.in_(voucher)
        )
    ):
        found.setdefault(mac, _Found()).seen.append(moment)
    is_open = and_(*dynamic.open_conditions())
    numbers = [account_id, *(one.id for one in registered)]
    for row in session.scalars(
        select(NetworkSession).where(
            NetworkSession.account_id.in_(numbers),
            or_(is_open, NetworkSession.last_heard_at >= since),
        )
    ):
        station = find_mac(row.calling_station_id or "")
        if station is None:
            continue
        device = found.setdefault(station, _Found())
        device.seen += [row.started_at, row.last_heard_at]
        device.is_online |= not row.stop_seen and row.closed_at is None
    names = names_of(session, account_id)
    views = [
        OwnDevice(
            mac=mac,
            name=names.get(mac, ""),
            is_private=is_randomised_mac(mac),
            is_registered=device.account is not None,
            expires_at=device.account.expires_at if device.account else None,
            first_seen=min(device.seen, default=None),
            last_seen=max(device.seen, default=None),
            is_online=device.is_online,
        )
        for mac, device in found.items()
    ]
    never = datetime.min.replace(tzinfo=UTC)
    return sorted(
        views, key=lambda one: (one.is_online, one.last_seen or never, one.mac), reverse=True
    )


def names_of(session: Session, account_id: int) -> dict[str, str]:
    """What the account's owner calls each device: MAC address -> name."""
    rows = session.scalars(select(DeviceName).where(DeviceName.account_id == account_id))
    return {row.mac: row.name for row in rows}


def room(session: Session, account: Account) -> int:
    """How many devices this account may still register."""
    if account.kind != "person":
        return 0
    return max(0, account.role.own_devices - len(_registered(session, account.id)))


def rename(
    session: Session, office: Office, account: Account, mac: str, name: str, since: datetime
) -> None:
    """Call a device something, or nothing.

    Raises:
        NotFound: it is no device of this account.
        UsageError: the name is too long.
    """
    device = _own(session, account.id, mac, since)
    cleaned = "".join(symbol for symbol in " ".join(name.split()) if symbol.isprintable())
    if len(cleaned) > LONGEST_NAME:
        raise UsageError(f"a device's name has at most {LONGEST_NAME} characters")
    row = session.get(DeviceName, (account.id, device.mac))
    if row is not None and not cleaned:
        session.delete(row)
    elif row is not None:
        row.name, row.named_at = cleaned, office.clock()
    elif cleaned:
        session.add(
            DeviceName(account_id=account.id, mac=device.mac, name=cleaned, named_at=office.clock())
        )


def add(
    session: Session, office: Office, account: Account, typed: str, name: str
) -> Account | NotAdded:
    """Register a device without a login for this account."""
    # Locked, so that of two at the same moment the second counts the first.
    owner = session.get_one(Account, account.id, with_for_update={"of": Account})
    if owner.kind != "person" or owner.role.own_devices < 1:
        return NotAdded.NOT_ALLOWED
    if room(session, owner) < 1:
        return NotAdded.LIMIT
    try:
        mac = parse_mac(typed)
    except UsageError:
        return NotAdded.NO_ADDRESS
    if is_randomised_mac(mac):
        return NotAdded.PRIVATE
    # Whoever registered a neighbour's laptop would answer for what the neighbour does.
    somebody_else = select(NetworkSession.session_key).where(
        NetworkSession.calling_station_id == mac,
        NetworkSession.account_id.is_not(None),
        NetworkSession.account_id != owner.id,
    )
    if session.scalar(somebody_else.limit(1)) is not None:
        return NotAdded.TAKEN
    try:
        device = devices.add_device(
            session,
            office,
            mac,
            roles.get(session, office.config.portal.own_device_role).name,
            owner.username,
            owner.username,
        )
    except NetAccessError:
        return NotAdded.TAKEN
    session.flush()
    if name.strip():
        rename(session, office, owner, mac, name[:LONGEST_NAME], office.clock())
    return device


def remove(session: Session, office: Office, account: Account, mac: str) -> None:
    """Take a registered device of this account out; its sessions end.

    Raises:
        NotFound: it is no registered device of this account.
    """
    own = [one for one in _registered(session, account.id) if one.username == find_mac(mac)]
    if not own:
        raise NotFound("that is no registered device of this account")
    devices.remove_device(session, office, own[0], account.username)
    row = session.get(DeviceName, (account.id, find_mac(mac)))
    if row is not None:
        session.delete(row)


def _registered(session: Session, account_id: int) -> Sequence[Account]:
    return session.scalars(
        select(Account).where(
            Account.owner_id == account_id,
            Account.kind == "device",
            Account.state == "active",
        )
    ).all()


def _own(session: Session, account_id: int, mac: str, since: datetime) -> OwnDevice:
    wanted = find_mac(mac)
    for device in list_devices(session, account_id, since):
        if device.mac == wanted:
            return device
    raise NotFound("that is no device of this account")
