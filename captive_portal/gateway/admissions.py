"""What each verb does to the kernel, whoever asks; who is admitted until when.

The kernel holds the truth and outlives this: `start` adopts whoever it finds admitted there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from captive_portal.gateway import rates, rules
from captive_portal.gateway.counting import Count, ask_for, read_counts
from captive_portal.gateway.devices import (
    Device,
    admit_text,
    cut_text,
    forget_text,
    merged,
    read_kernel,
    release_text,
)
from captive_portal.gateway.neighbours import is_device, is_inside, read_neighbours
from captive_portal.gateway.verbs import (
    Admit,
    Answer,
    Install,
    Neighbours,
    Remove,
    Usage,
    Verb,
)
from common.config_gateway import GatewayKernel
from common.errors import BackendUnavailable, MalformedPacket, Refused
from common.logging import get_logger
from common.net import format_mac, parse_address

FORGOTTEN_AFTER_SECONDS = 24 * 3600
"""A device whose time is over is counted so long, for a gateway that was down meanwhile."""
MOST_DEVICES = 16_384
_COMPARE_SECONDS = 20.0
"""Between looks at every rule; whether the table is there is cheaper to see."""


class Changer(Protocol):
    """What changes the kernel: captive_portal.gateway.machine, or a test's own."""

    def forward(self) -> None: ...
    def change(self, text: str) -> None: ...
    def listing(self) -> bytes: ...
    def counters(self) -> str: ...
    def counters_of(self, asked: str) -> str: ...
    def is_installed(self) -> bool: ...
    def rules(self) -> bytes: ...
    def neighbours(self) -> bytes: ...
    def set_rate(self, interfaces: Sequence[str], minor: int, kbps: int) -> None: ...
    def drop_rate(self, interfaces: Sequence[str], minor: int) -> None: ...
    def drop_rates_but(self, interfaces: Sequence[str], kept: set[int]) -> None: ...


class Admissions:
    """Who is admitted, and the verbs.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, settings: GatewayKernel, machine: Changer, now: Callable[[], float]) -> None:
        self._settings = settings
        self._machine = machine
        self._now = now
        self._devices: dict[str, Device] = {}
        self._owners: dict[str, str] = {}
        self._past: dict[str, Count] = {}
        """Of addresses that devices no longer have."""
        self._totals: dict[str, Count] = {}
        """As last read: what is left when the kernel has lost its own."""
        self._installed = b""
        self._compare_at = 0.0
        self._log = get_logger(__name__)

    def start(self) -> None:
        """Make the tables, or bring them up to date, and adopt who is admitted.

        Raises:
            BackendUnavailable: the kernel does not take them.
        """
        if self._devices and not self._machine.rules():
            self._restore()
        self._machine.change(rules.install(self._settings))
        self._machine.forward()
        self._installed = self._machine.rules()
        self._adopt()
        kept = {one.minor for one in self._devices.values() if one.minor is not None}
        self._machine.drop_rates_but((*self._settings.inside, *self._settings.outside), kept)
        self._log.info("tables_installed", devices=len(self._devices))

    def watch(self) -> None:
        """See whether the tables are as they were made; make them so again if they are not.

        `nftables.service` flushes everything when it is reloaded, and whoever forwards without
        tables lets everybody through.
        """
        now = self._now()
        if now >= self._compare_at:
            self._compare_at = now + _COMPARE_SECONDS
            if self._machine.rules() == self._installed:
                return
        elif self._machine.is_installed():
            return
        self._log.error("tables_changed_by_others")
        try:
            self.start()
        except (BackendUnavailable, MalformedPacket) as error:
            self._log.error("tables_not_installed", error=str(error))

    def answer(self, verb: Verb) -> Answer:
        """Do what `verb` says; the error of the answer is a sentence when it was not done."""
        try:
            return self._do(verb)
        except Refused as error:
            return Answer(error=str(error))
        except (BackendUnavailable, MalformedPacket) as error:
            self._log.error("kernel_refused", verb=type(verb).__name__, error=str(error))
        try:
            # What the kernel holds counts, whatever was meant to be; perhaps it holds nothing.
            self._compare_at = 0.0
            self.watch()
            self._adopt()
            return self._do(verb)
        except (Refused, BackendUnavailable, MalformedPacket) as error:
            return Answer(error=str(error))

    def _do(self, verb: Verb) -> Answer:
        match verb:
            case Admit():
                return self._admit(verb)
            case Remove():
                return self._remove(verb.mac)
            case Usage():
                return self._usage()
            case Neighbours():
                found = read_neighbours(self._machine.neighbours(), self._settings)
                return Answer(neighbours=tuple(found))
            case Install():
                self.start()
                return Answer()

    def _restore(self) -> None:
        """Everybody in fresh tables as they were in those that are gone, in one transaction."""
        now = self._now()
        text = rules.install(self._settings)
        for device in self._devices.values():
            seconds = int(device.until - now)
            if seconds > 0:
                text += admit_text(device, seconds, None)
        for mac, count in self._totals.items():
            text += release_text(mac, (), count)
        self._machine.change(text)
        self._log.warning("tables_restored", devices=len(self._devices))

    def _adopt(self) -> None:
        now = self._now()
        kernel = read_kernel(self._machine.listing(), now)
        self._devices = merged(self._devices, kernel.devices, now)
        self._owners = {
            address: one.mac for one in self._devices.values() for address in one.addresses
        }
        self._past = dict(kernel.past)
        self._totals = kernel.totals()

    def _admit(self, verb: Admit) -> Answer:
        now = self._now()
        addresses = self._checked(verb, now)
        before = self._devices.get(verb.mac)
        if before is None and len(self._devices) >= MOST_DEVICES:
            self._make_room(now)
        self._take_over(verb.mac, addresses)
        gone = [one for one in before.addresses if one not in addresses] if before else []
        if before is not None and gone:
            self._release(before, gone)
            before = self._devices[verb.mac]
        device = Device(verb.mac, addresses, now + verb.seconds, self._class_of(verb, before))
        if device.minor is not None:
            self._rate(device.minor, self._settings.inside, verb.down_kbps)
            self._rate(device.minor, self._settings.outside, verb.up_kbps)
        self._machine.change(admit_text(device, verb.seconds, before))
        self._devices[verb.mac] = device
        self._owners.update(dict.fromkeys(addresses, verb.mac))
        if before is not None and before.minor is not None and device.minor is None:
            self._unrate(before.minor)
        return Answer()

    def _make_room(self, now: float) -> None:
        """Forget whose time has been over longest; random addresses come and do not return."""
        over = [one for one in self._devices.values() if one.until <= now]
        if not over:
            raise Refused(f"there are {MOST_DEVICES} devices already; remove some")
        self._forget(min(over, key=lambda one: one.until))

    def _checked(self, verb: Admit, now: float) -> tuple[str, ...]:
        """The addresses of `verb`; Refused when one cannot be this device's."""
        if not is_device(verb.mac):
            raise Refused(f"{format_mac(verb.mac)} is no device's address")
        for address in verb.addresses:
            if not is_inside(parse_address(address), self._settings):
                raise Refused(f"{address} is not one of the inside's addresses")
            owner = self._devices.get(self._owners.get(address, ""))
            if owner is not None and owner.mac != verb.mac and owner.until > now:
                raise Refused(
                    f"{address} is admitted for {format_mac(owner.mac)}; remove that device first"
                )
        return tuple(dict.fromkeys(verb.addresses))

    def _class_of(self, verb: Admit, before: Device | None) -> int | None:
        if verb.down_kbps is None and verb.up_kbps is None:
            return None
        if before is not None and before.minor is not None:
            return before.minor
        used = (one.minor for one in self._devices.values() if one.minor is not None)
        minor = rates.free_minor(used)
        if minor is None:
            raise Refused("there are no more classes for rates; remove some devices")
        return minor

    def _rate(self, minor: int, interfaces: Sequence[str], kbps: int | None) -> None:
        if kbps is None:
            self._machine.drop_rate(interfaces, minor)
        else:
            self._machine.set_rate(interfaces, minor, kbps)

    def _unrate(self, minor: int) -> None:
        self._machine.drop_rate((*self._settings.inside, *self._settings.outside), minor)

    def _take_over(self, mac: str, addresses: Iterable[str]) -> None:
        """Take `addresses` from devices whose time is over."""
        lost: dict[str, list[str]] = {}
        for address in addresses:
            owner = self._owners.get(address)
            if owner is not None and owner != mac:
                lost.setdefault(owner, []).append(address)
        for owner, theirs in lost.items():
            self._release(self._devices[owner], theirs)

    def _release(self, device: Device, gone: Sequence[str]) -> None:
        """Take addresses from `device`; what they counted stays counted for it."""
        self._machine.change(cut_text(device, gone))
        past = self._counted(device.mac, gone)
        self._machine.change(release_text(device.mac, gone, past))
        self._past[device.mac] = past
        left = tuple(one for one in device.addresses if one not in gone)
        self._devices[device.mac] = replace(device, addresses=left)
        for address in gone:
            self._owners.pop(address, None)

    def _remove(self, mac: str) -> Answer:
        device = self._devices.get(mac)
        if device is None:
            return Answer()
        self._machine.change(cut_text(device, device.addresses))
        whole = self._counted(mac, device.addresses)
        self._forget(device)
        return Answer(counters=(whole.told(mac),))

    def _counted(self, mac: str, addresses: Iterable[str]) -> Count:
        """What a device counted with these addresses and with those it no longer has."""
        told = read_counts(self._machine.counters_of(ask_for(mac, addresses)), self._owners)
        return told.get(mac, Count()).join(self._past.get(mac, Count()))

    def _forget(self, device: Device) -> None:
        # Its class outlives its time.
        self._machine.change(cut_text(device, device.addresses) + forget_text(device))
        for known in (self._devices, self._past, self._totals):
            known.pop(device.mac, None)
        for address in device.addresses:
            self._owners.pop(address, None)
        if device.minor is not None:
            self._unrate(device.minor)

    def _usage(self) -> Answer:
        totals = read_counts(self._machine.counters(), self._owners)
        for mac, past in self._past.items():
            totals.setdefault(mac, Count()).join(past)
        self._totals = dict(totals)
        before = self._now() - FORGOTTEN_AFTER_SECONDS
        for device in list(self._devices.values()):
            if device.until < before:
                self._forget(device)
        return Answer(counters=tuple(one.told(mac) for mac, one in sorted(totals.items())))
