"""What the gateway may ask of its privileged half, and the lines it is asked in.

One JSON object a line over a Unix socket, one line back for each. Both halves check what they
read: the privileged one because it must, the other because it would act on it. No text for
nft or tc is ever part of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.errors import UsageError
from common.net import find_mac, parse_address

MAXIMUM_LINE = 1 << 20
MAXIMUM_ADDRESSES = 32
"""Of one device: one IPv4 address, and as many IPv6 ones as privacy extensions make."""
LONGEST_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Admit:
    """Let a device through, or change what it has: this replaces what was admitted before.

    An address that another admitted device has, or that lies outside the inside's prefixes, is
    refused, and nothing changes then.
    """

    mac: str
    addresses: Sequence[str]
    seconds: int
    down_kbps: int | None = None
    up_kbps: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Let a device through no longer; its connections end with the next packet.

    The answer has its last counters, if it was there.
    """

    mac: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Ask for the octets of every device since it was first admitted.

    One whose seconds are over passes no more, but is counted here until it is removed, so that
    its last octets are not lost; after a day it is forgotten.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Ask which address has which MAC address on the inside (ARP and ND).

    Only addresses that can be admitted are told: neither link-local ones nor this machine's.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """Make the tables from the helper's own configuration, as the helper does when it starts.

    Whoever is admitted stays admitted. The helper does so by itself when it finds the tables
    gone or changed.
    """


Verb = Admit | Remove | Usage | Neighbours | Install
_NAMES: Mapping[str, type[Verb]] = {
    "admit": Admit,
    "remove": Remove,
    "usage": Usage,
    "neighbours": Neighbours,
    "install": Install,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Octets and packets of one device since it was admitted; up is from the device."""

    mac: str
    up_octets: int
    down_octets: int
    up_packets: int
    down_packets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`error` is a sentence when it was not done; then nothing has changed."""

    error: str = ""
    counters: Sequence[Counters] = ()
    neighbours: Sequence[tuple[str, str]] = field(default=())
    """(address, MAC address as twelve hex digits)."""


def write_verb(verb: Verb) -> bytes:
    """`verb` as a line."""
    name = next(name for name, kind in _NAMES.items() if kind is type(verb))
    values = {key: getattr(verb, key) for key in type(verb).__dataclass_fields__}
    return json.dumps({"verb": name, **values}, default=list).encode() + b"\n"


def read_verb(line: bytes) -> Verb:
    """The verb in `line`.

    Raises:
        UsageError: it is none of the fixed set, or a value cannot be.
    """
    fields = _object(line)
    kind = _NAMES.get(str(fields.pop("verb", "")))
    if kind is None:
        raise UsageError("the gateway's helper knows no such verb")
    if set(fields) - set(kind.__dataclass_fields__):
        raise UsageError("the gateway's helper was given a value that the verb does not have")
    if kind is Admit:
        return _read_admit(fields)
    if kind is Remove:
        return Remove(mac=_mac(fields.get("mac")))
    return Install() if kind is Install else Neighbours() if kind is Neighbours else Usage()


def _read_admit(fields: Mapping[str, Any]) -> Admit:
    addresses = fields.get("addresses")
    if not isinstance(addresses, list) or not 0 < len(addresses) <= MAXIMUM_ADDRESSES:
        raise UsageError(f"a device has 1..{MAXIMUM_ADDRESSES} addresses")
    return Admit(
        mac=_mac(fields.get("mac")),
        addresses=tuple(str(parse_address(str(one))) for one in addresses),
        seconds=_number(fields.get("seconds"), 1, LONGEST_SECONDS) or 0,
        down_kbps=_number(fields.get("down_kbps"), 1, 100_000_000, optional=True),
        up_kbps=_number(fields.get("up_kbps"), 1, 100_000_000, optional=True),
    )


def write_answer(answer: Answer) -> bytes:
    """`answer` as a line."""
    counters = [
        {key: getattr(one, key) for key in Counters.__dataclass_fields__} for one in answer.counters
    ]
    fields = {
        "error": answer.error,
        "counters": counters,
        "neighbours": [list(pair) for pair in answer.neighbours],
    }
    return json.dumps(fields).encode() + b"\n"


def read_answer(line: bytes) -> Answer:
    """The answer in `line`; UsageError when it is none."""
    fields = _object(line)
    try:
        return Answer(
            error=str(fields["error"]),
            counters=tuple(Counters(**one) for one in fields["counters"]),
            neighbours=tuple((str(a), str(m)) for a, m in fields["neighbours"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError("the gateway's helper gave an answer that cannot be read") from error


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > MAXIMUM_LINE:
        raise UsageError("a line of the gateway's socket is too long")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError("a line of the gateway's socket is no JSON") from error
    if not isinstance(value, dict):
        raise UsageError("a line of the gateway's socket is no JSON object")
    return value


def _mac(value: object) -> str:
    mac = find_mac(value) if isinstance(value, str) else None
    if mac is None:
        raise UsageError("a device is named by its MAC address")
    return mac


def _number(value: object, low: int, high: int, *, optional: bool = False) -> int | None:
    if value is None and optional:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise UsageError(f"a number of the gateway's socket must be {low}..{high}")
    return value
