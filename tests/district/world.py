"""Who was where with which address: the truth of a made-up district. Pure, from a seed.

Seconds count from the beginning of the world. A visit is one device at one school with one
IPv4 address at a time; it is cut into sessions where the device roams from one access point to
the next. Pools hand addresses out again, some within a second.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise
from random import Random

MEAN_VISIT = 1500.0
MEAN_STAY = 900.0
"""Seconds with one access point before a device roams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a district, for how long."""

    schools: int
    people: int
    seconds: int = 7200


@dataclass(slots=True, kw_only=True)
class AccessPoint:
    """One NAS-Identifier. A reboot ends its sessions without a stop."""

    name: str
    skew: float
    """Its clock less the true time, seconds: minutes, for many."""
    counts_from_one: bool
    """Whether Acct-Session-Id begins anew after a reboot."""
    reboots: list[float]
    number: int = 0
    """The last Acct-Session-Id given."""


@dataclass(slots=True, kw_only=True)
class School:
    """One site: a RADIUS client, a pool of addresses, a gateway."""

    number: int
    points: list[AccessPoint]
    tells_at_start: bool
    """Whether the address is in the Start already, or comes with a first interim update."""
    has_class: bool
    """Whether its equipment brings Class back."""
    has_ipv6: bool
    outage: tuple[float, float] | None
    """When its uplink kept accounting packets from us."""
    free: list[str] = field(default_factory=list)
    """Addresses that nobody has, the longest free first."""

    @property
    def client(self) -> str:
        """The address its accounting comes from."""
        return f"192.168.{self.number // 200}.{self.number % 200 + 10}"

    def public(self, which: int) -> str:
        """One of its two public addresses."""
        return str(IPv4Address("203.0.0.0") + self.number * 2 + which)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """An address that one person's device really had."""

    person: int
    address: str
    from_s: float
    to_s: float


@dataclass(slots=True, kw_only=True)
class Stay:
    """One session: a device with one access point."""

    school: School
    point: AccessPoint
    session_id: str
    person: int
    mac: str
    from_s: float
    to_s: float
    ends_by: str
    """stop | reboot | vanished: only a stop is told."""
    addresses: list[Holding]
    """Those of its visit that overlap it."""


@dataclass(slots=True, kw_only=True)
class Visit:
    """One device at one school from arrival to departure."""

    person: int
    mac: str
    school: School
    from_s: float
    to_s: float
    holdings: list[Holding] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)


class World:
    """Everything that happened."""

    def __init__(self, seed: int, size: Size) -> None:
        self.size = size
        self.random = Random(seed)
        self.schools = [self._school(number) for number in range(size.schools)]
        self.visits: list[Visit] = []
        self._live()
        self.holders: dict[str, list[Holding]] = defaultdict(list)
        """Address -> who had it when, by time."""
        for visit in self.visits:
            for one in visit.holdings:
                insort(self.holders[one.address], one, key=lambda held: held.from_s)

    def stays(self) -> Iterator[Stay]:
        """Every session."""
        for visit in self.visits:
            yield from visit.stays

    def people_with(self, address: str, from_s: float, to_s: float) -> set[int]:
        """Who really had an address between two moments."""
        return {
            one.person
            for one in self.holders.get(address, ())
            if one.from_s <= to_s and one.to_s >= from_s
        }

    def _school(self, number: int) -> School:
        rng, seconds = self.random, self.size.seconds
        people = -(-self.size.people // self.size.schools)
        points = [
            AccessPoint(
                name=f"s{number}-ap{index}",
                skew=rng.choice((0.0, 0.4, rng.uniform(-300, 300))),
                counts_from_one=rng.random() < 0.5,
                reboots=[rng.uniform(600, seconds)] if rng.random() < 0.15 else [],
            )
            for index in range(3 + people // 200)
        ]
        begins = rng.uniform(600, seconds - 900)
        base = IPv4Address("10.0.0.0") + (number << 14)
        pool = [str(base + 10 + index) for index in range(3 * people + 8)]
        return School(
            number=number,
            points=points,
            tells_at_start=rng.random() < 0.6,
            has_class=rng.random() < 0.8,
            has_ipv6=rng.random() < 0.5,
            outage=(begins, begins + 600) if rng.random() < 0.2 else None,
            free=pool,
        )

    def _live(self) -> None:
        """Let everybody come and go, in order of arrival: pools are first come, first served."""
        rng, seconds = self.random, self.size.seconds
        arrivals: list[tuple[float, int, int, str, School]] = []
        for person in range(self.size.people):
            home = self.schools[person % len(self.schools)]
            macs = [self._mac() for _ in range(2 if rng.random() < 0.3 else 1)]
            for mac in macs:
                for _ in range(rng.choice((0, 1, 1, 2, 3))):
                    school = home if rng.random() < 0.95 else rng.choice(self.schools)
                    arrivals.append((rng.uniform(0, seconds), len(arrivals), person, mac, school))
        shared = {school.number: [self._mac() for _ in range(3)] for school in self.schools}
        busy: dict[str, float] = {}
        leaving: list[tuple[float, int, School, str]] = []
        for at, order, person, own_mac, school in sorted(arrivals, key=lambda one: one[:2]):
            while leaving and leaving[0][0] <= at:
                _, _, left, address = heapq.heappop(leaving)
                left.free.append(address)
            mac = rng.choice(shared[school.number]) if rng.random() < 0.05 else own_mac
            until = min(at + max(20.0, rng.expovariate(1 / MEAN_VISIT)), float(seconds))
            if busy.get(mac, -9.0) + 5 > at or until - at < 10:
                continue
            visit = Visit(person=person, mac=mac, school=school, from_s=at, to_s=until)
            self._roam(visit)
            if not visit.stays:
                continue
            busy[mac] = visit.to_s
            self._give_addresses(visit, leaving, order)
            self.visits.append(visit)

    def _roam(self, visit: Visit) -> None:
        """Cut a visit into sessions; it ends early when its access point goes down for good."""
        rng, at = self.random, visit.from_s
        point = rng.choice(visit.school.points)
        while at < visit.to_s - 3:
            until, ends_by = min(at + 5 + rng.expovariate(1 / MEAN_STAY), visit.to_s), "stop"
            if until == visit.to_s and rng.random() < 0.03:
                ends_by = "vanished"
            for reboot in point.reboots:
                if at <= reboot + 45 and until > reboot:
                    until, ends_by = reboot, "reboot"
            if until <= at:  # it is just starting up
                visit.to_s = min(visit.to_s, at)
                break
            visit.stays.append(
                Stay(
                    school=visit.school,
                    point=point,
                    session_id="",
                    person=visit.person,
                    mac=visit.mac,
                    from_s=at,
                    to_s=until,
                    ends_by=ends_by,
                    addresses=[],
                )
            )
            if ends_by == "reboot" and rng.random() < 0.5:
                visit.to_s = until
                break
            at = until + rng.uniform(0.05, 1.5)
            point = rng.choice([one for one in visit.school.points if one is not point])
        if visit.stays:
            visit.to_s = min(visit.to_s, visit.stays[-1].to_s)

    def _give_addresses(
        self, visit: Visit, leaving: list[tuple[float, int, School, str]], order: int
    ) -> None:
        rng = self.random
        moments = [visit.from_s, visit.to_s]
        if rng.random() < 0.02 and visit.to_s - visit.from_s > 120:
            moments.insert(1, rng.uniform(visit.from_s + 60, visit.to_s - 30))
        for number, (begin, end) in enumerate(pairwise(moments)):
            address = self._lease(visit.school)
            held = Holding(person=visit.person, address=address, from_s=begin, to_s=end)
            visit.holdings.append(held)
            pause = rng.uniform(0.2, 3) if rng.random() < 0.1 else rng.uniform(5, 120)
            heapq.heappush(leaving, (end + pause, 2 * order + number, visit.school, address))
        if visit.school.has_ipv6:
            network = (0x20010DB8 << 96) | (visit.school.number << 64)
            starts = [visit.from_s] + [
                rng.uniform(visit.from_s, visit.to_s) for _ in range(rng.randrange(3))
            ]
            for begin in starts:
                address = str(IPv6Address(network | rng.getrandbits(64)))
                held = Holding(person=visit.person, address=address, from_s=begin, to_s=visit.to_s)
                visit.holdings.append(held)
        for stay in visit.stays:
            stay.addresses = [
                one for one in visit.holdings if one.from_s <= stay.to_s and one.to_s >= stay.from_s
            ]

    def _lease(self, school: School) -> str:
        """An address that is free: half of the time the one that was left last."""
        rng = self.random
        last = len(school.free) - 1
        index = last if rng.random() < 0.5 else rng.randrange(last + 1)
        return school.free.pop(index)

    def _mac(self) -> str:
        """A random address with the locally-administered bit, as phones make them."""
        octets = bytearray(self.random.randbytes(6))
        octets[0] = octets[0] & 0xFC | 0x02
        return octets.hex()


def number_sessions(world: World) -> None:
    """Give every session its Acct-Session-Id, in the order in which each point began them."""
    for stay in sorted(world.stays(), key=lambda one: one.from_s):
        point = stay.point
        booted = [reboot for reboot in point.reboots if reboot <= stay.from_s]
        boots = len(booted) if not point.counts_from_one else 0
        if point.counts_from_one and booted and point.number < 1_000_000:
            point.number = 1_000_000  # marks that it has begun anew
        point.number += 1
        stay.session_id = f"{boots:04x}-{point.number % 1_000_000:08x}"
