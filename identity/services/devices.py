"""Devices that cannot log in: known by MAC address, answered for by an owner (R10)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from common.errors import Refused
from common.net import format_mac, parse_mac
from db.models import Account
from identity.office import Office
from identity.services import audit, dynamic, people, roles


def add_device(
    session: Session,
    office: Office,
    mac: str,
    role: str,
    owner: str,
    actor: str,
    expires_at: datetime | None = None,
) -> Account:
    """Make the account of a device.

    Raises:
        UsageError: `mac` is no unicast MAC address.
        Refused: the device is already there, or its owner is not a person.
        NotFound: role or owner does not exist.
    """
    address = parse_mac(mac)
    if people.find(session, address) is not None:
        raise Refused(f"the device {format_mac(address)} is already registered")
    responsible = people.get(session, owner)
    if responsible.kind != "person":
        raise Refused(f"{owner} is a {responsible.kind}; a device needs a person as its owner")
    account = Account(
        username=address,
        kind="device",
        state="active",
        owner_id=responsible.id,
        guest_name=f"{format_mac(address)} ({responsible.full_name})",
        organisation_id=responsible.organisation_id,
        role_id=roles.get(session, role).id,
        expires_at=expires_at,
        created_at=office.clock(),
    )
    session.add(account)
    audit.record(
        session, office.clock(), actor, "device:added", address, owner=responsible.username
    )
    return account


def remove_device(session: Session, office: Office, device: Account, actor: str) -> None:
    """End the account of a device; its sessions end, and its address is free for another owner.

    The account stays for the records that name it, under its address and its number.
    """
    now = office.clock()
    address = device.username
    device.state, device.ended_at = "expired", now
    device.username = f"{address}-{device.id}"
    audit.record(session, now, actor, "device:removed", address, account=device.id)
    session.flush()
    dynamic.follow_account(session, now, device, actor)
