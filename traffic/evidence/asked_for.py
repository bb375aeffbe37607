"""Whether an export is about whom its request names (R64): nobody else leaves on it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.errors import UsageError
from common.net import IpAddress, IpNetwork, find_mac
from db.models import Account, AddressInterval, NetworkSession
from identity.domain.spellings import spellings
from identity.services.named import account_id_of
from traffic.evidence.scope import Subject
from traffic.lookup.question import read_destination

_THAI_MARKS = "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
"""Vowels and tones above and below: where one follows, the word goes on."""

_BETWEEN = re.compile(r"[\s,;]+")


def not_asked_for(session: Session, about: Sequence[str], subjects: Iterable[Subject]) -> list[str]:
    """What of `subjects` a request does not name, as people write it.

    A subject of several parts is narrower than each of them: one that is named is enough.

    Args:
        about: lines of a request, each an account, a person, a device or an address, with words
            beside it, such as `198.51.100.7:50000 tcp`.
    """
    lines = [_plain(line) for line in about]
    parts = {part for line in lines for part in (line, *_BETWEEN.split(line))}
    networks = [network for part in parts if (network := _network(part)) is not None]
    macs = {mac for part in parts if (mac := find_mac(part)) is not None}
    found = []
    for one in subjects:
        told = _told(session, one)
        if not (
            told.names & parts
            or told.macs & macs
            or any(address in network for address in told.addresses for network in networks)
            or any(_names(line, name) for name in told.full_names for line in lines)
        ):
            found.append(one.user or one.session or one.mac or str(one.address))
    return found


@dataclass(slots=True)
class _Told:
    """What a subject is known by; a session by its holder, too."""

    names: set[str] = field(default_factory=set)
    full_names: set[str] = field(default_factory=set)
    addresses: set[IpAddress] = field(default_factory=set)
    macs: set[str] = field(default_factory=set)


def _told(session: Session, one: Subject) -> _Told:
    told = _Told()
    if one.address is not None:
        told.addresses.add(one.address)
    if one.mac is not None:
        told.macs.add(one.mac)
    account = None if one.user is None else account_id_of(session, one.user)
    if one.user is not None:
        told.names.add(_plain(one.user))
    row = None if one.session is None else session.get(NetworkSession, one.session)
    if row is not None:
        account = row.account_id
        told.macs |= {mac for mac in (find_mac(row.calling_station_id or ""),) if mac}
        key = AddressInterval.session_key == row.session_key
        for text in session.scalars(select(AddressInterval.address).where(key)):
            network = _network(text)
            if network is not None:
                told.addresses.add(network.network_address)
    holder = None if account is None else session.get(Account, account)
    if holder is not None:
        told.names.add(_plain(holder.username))
        told.full_names |= {_plain(name) for name in (holder.full_name,) if name}
        code = holder.person.person_code if holder.person else None
        told.names |= {_plain(text) for text in (code,) if text}
    return told


def _names(line: str, full_name: str) -> bool:
    """Whether a line has a person's name, with a title glued before it or words around it."""
    return re.search(re.escape(full_name) + rf"(?![\w{_THAI_MARKS}])", line) is not None


def _plain(text: str) -> str:
    return spellings(" ".join(text.split()))[-1]


def _network(text: str) -> IpNetwork | None:
    """The prefix, the address, or the address with a port in `text`."""
    try:
        return ip_network(text) if "/" in text else ip_network(read_destination(text)[0])
    except (UsageError, ValueError):
        return None
