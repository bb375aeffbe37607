"""Who is admitted, as the helper knows it and as the kernel tells it; text for nft to change it.

Pure: the text is made of parsed addresses and numbers alone. The truth is in the kernel and
outlives the helper, which reads it back when it starts.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from captive_portal.gateway.counting import Count
from captive_portal.gateway.rules import QDISC, TABLE
from common.errors import MalformedPacket
from common.net import find_mac, format_mac, parse_address


@dataclass(frozen=True, slots=True)
class Device:
    """One device that is admitted, or was until its time was over."""

    mac: str
    addresses: Sequence[str] = ()
    until: float = 0.0
    """Of the monotonic clock."""
    minor: int | None = None
    """The number of its class of rates; None: it has all of the line."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """What the table of the kernel holds."""

    devices: Mapping[str, Device]
    counted: Mapping[tuple[str, str], Count]
    """By MAC address and address."""
    past: Mapping[str, Count]
    """By MAC address: of addresses that a device no longer has."""

    def totals(self) -> dict[str, Count]:
        """All that each device was counted for since it was first admitted."""
        found: dict[str, Count] = defaultdict(Count)
        for (mac, _), one in self.counted.items():
            found[mac].join(one)
        for mac, one in self.past.items():
            found[mac].join(one)
        return dict(found)


def admit_text(device: Device, seconds: int, before: Device | None) -> str:
    """Let `device` pass for `seconds` more, whatever it had before.

    One transaction, so that no packet meets a device between two admissions. The timeout of an
    element that is there is changed by taking it out and in; to take out what is not there is
    an error, so it is put in first.
    """
    lines = []
    for address in device.addresses:
        number, key = _family(address), f"{format_mac(device.mac)} . {address}"
        lines += _renew(f"admitted{number}", key, f" timeout {seconds}s")
        lines += _renew(f"reached{number}", address, f" timeout {seconds}s")
        lines.append(f"add element {TABLE} up{number} {{ {key} }}")
        lines.append(f"add element {TABLE} down{number} {{ {address} }}")
        if device.minor is not None:
            lines.append(
                f"add element {TABLE} class{number} {{ {address} : {_class(device.minor)} }}"
            )
        elif before is not None and before.minor is not None:
            lines += _unclass(address, before.minor)
    return _text(lines)


def cut_text(device: Device, addresses: Iterable[str]) -> str:
    """Let these addresses of `device` through no more; their counters stay to be read."""
    lines = []
    for address in addresses:
        number = _family(address)
        lines += _take_out(f"admitted{number}", f"{format_mac(device.mac)} . {address}")
        lines += _take_out(f"reached{number}", address)
        if device.minor is not None:
            lines += _unclass(address, device.minor)
    return _text(lines)


def release_text(mac: str, addresses: Iterable[str], past: Count) -> str:
    """Count these addresses for `mac` no more; `past` is what it had before, with theirs."""
    return _text([*_uncount(mac, addresses), *_past(mac, past)])


def forget_text(device: Device) -> str:
    """Take all that is counted of `device` out of the kernel."""
    lines = _uncount(device.mac, device.addresses)
    for direction in ("up", "down"):
        lines += _take_out(f"past_{direction}", format_mac(device.mac))
    return _text(lines)


def read_kernel(listing: bytes, now: float) -> Kernel:
    """What `nft -j list table` tells.

    Raises:
        MalformedPacket: that is not our table.
    """
    try:
        elements = {
            one["name"]: one.get("elem", ())
            for found in json.loads(listing)["nftables"]
            for kind, one in found.items()
            if kind in ("set", "map")
        }
        return _read(elements, now)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise MalformedPacket(f"nft's listing is not understood: {error!r}") from error


@dataclass(slots=True)
class _Found:
    addresses: list[str] = field(default_factory=list)
    until: float = 0.0
    minor: int | None = None


def _read(elements: Mapping[str, Any], now: float) -> Kernel:
    counted: dict[tuple[str, str], Count] = defaultdict(Count)
    past: dict[str, Count] = defaultdict(Count)
    found: dict[str, _Found] = defaultdict(_Found)
    whose: dict[str, str] = {}
    for number in (4, 6):
        for element in elements[f"up{number}"]:
            mac, address = _pair(_value(element))
            counted[mac, address].add("up", *_counter(element))
            found[mac].addresses.append(address)
            whose[address] = mac
        for element in elements[f"admitted{number}"]:
            mac, _ = _pair(_value(element))
            found[mac].until = max(found[mac].until, now + float(element["elem"]["expires"]))
        for element in elements[f"down{number}"]:
            address = str(parse_address(_value(element)))
            if address in whose:
                counted[whose[address], address].add("down", *_counter(element))
        for address, chosen in elements[f"class{number}"]:
            key = str(parse_address(address))
            if key in whose:
                found[whose[key]].minor = int(chosen.partition(":")[2], 16)
    for direction in ("up", "down"):
        for element in elements[f"past_{direction}"]:
            mac = _mac(_value(element))
            past[mac].add(direction, *_counter(element))
    devices = {
        mac: Device(mac, tuple(sorted(one.addresses)), one.until, one.minor)
        for mac, one in ({mac: _Found() for mac in past} | found).items()
    }
    return Kernel(devices, dict(counted), dict(past))


def merged(
    known: Mapping[str, Device], told: Mapping[str, Device], now: float
) -> dict[str, Device]:
    """Devices as the kernel tells them; since when the time of some is over is known here."""
    return {
        mac: one
        if one.until
        else replace(one, until=min(now, known[mac].until) if mac in known else now)
        for mac, one in told.items()
    }


def _value(element: Any) -> Any:
    return element["elem"]["val"] if isinstance(element, dict) and "elem" in element else element


def _pair(value: Any) -> tuple[str, str]:
    mac, address = value["concat"]
    return _mac(mac), str(parse_address(address))


def _mac(text: str) -> str:
    mac = find_mac(text)
    if mac is None:
        raise ValueError(f"{text!r} is no MAC address")
    return mac


def _counter(element: Any) -> tuple[int, int]:
    counter = element["elem"]["counter"]
    return counter["bytes"], counter["packets"]


def _family(address: str) -> int:
    return parse_address(address).version


def _class(minor: int) -> str:
    return f"{QDISC:x}:{minor:x}"


def _renew(name: str, key: str, options: str) -> list[str]:
    return [*_take_out(name, key), f"add element {TABLE} {name} {{ {key}{options} }}"]


def _take_out(name: str, key: str) -> list[str]:
    return [f"{verb} element {TABLE} {name} {{ {key} }}" for verb in ("add", "delete")]


def _unclass(address: str, minor: int) -> list[str]:
    return _take_out(f"class{_family(address)}", f"{address} : {_class(minor)}")


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _uncount(mac: str, addresses: Iterable[str]) -> list[str]:
    lines = []
    for address in addresses:
        number = _family(address)
        lines += _take_out(f"up{number}", f"{format_mac(mac)} . {address}")
        lines += _take_out(f"down{number}", address)
    return lines


def _past(mac: str, past: Count) -> list[str]:
    counts = {
        "up": (past.up_packets, past.up_octets),
        "down": (past.down_packets, past.down_octets),
    }
    lines = []
    for direction, (packets, octets) in counts.items():
        lines += _renew(
            f"past_{direction}",
            format_mac(mac),
            f" counter packets {packets} bytes {octets}",
        )
    return lines
