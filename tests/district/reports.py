"""What the equipment tells RADIUS of it, and what of that arrives: RFC 2866, octet by octet.

Written against the RFC, not against our codec. Packets are lost, late, doubled and in another
order; stops are lost more often than anything else, because devices leave without a word.
"""

from __future__ import annotations

import hashlib
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

from tests.district.world import Holding, School, Stay, World

SECRET = b"a secret of the whole district"
INTERIM = 300.0
START, STOP, ALIVE, ON = 1, 2, 3, 7

Classes = Callable[[int, bytes], bytes]
"""(person, eight octets of reference) -> the value of Class that an Access-Accept gave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A packet that reached us."""

    received_s: float
    school: School
    octets: bytes


@dataclass(slots=True)
class Heard:
    """What arrived of one session."""

    last_sent: float = -1.0
    """When the last packet about it was sent that ever arrived; -1: none did."""
    stopped: bool = False
    addresses: dict[str, float] = field(default_factory=dict)
    """When the first packet with an address that arrived was sent."""


class Reports:
    """All accounting of a world: `arrivals` by time of receipt, `heard` of each session."""

    def __init__(self, world: World, epoch: int, classes: Classes) -> None:
        self._world = world
        self._random = world.random
        self._epoch = epoch
        self._classes = classes
        self._identifier = 0
        self.sent = 0
        self.arrivals: list[Arrival] = []
        self.heard: dict[int, Heard] = defaultdict(Heard)
        """By `id` of the session."""
        self.boots_heard: dict[str, list[float]] = defaultdict(list)
        """Access point -> reboots whose Accounting-On arrived."""
        for stay in world.stays():
            self._report(stay)
        for school in world.schools:
            for point in school.points:
                for reboot in point.reboots:
                    body = _attribute(32, point.name.encode())
                    body += _integer(55, int(epoch + reboot + 30 + point.skew))
                    if self._deliver(school, ON, reboot + 30, body, 0.1):
                        self.boots_heard[point.name].append(reboot)
        self.arrivals.sort(key=lambda one: one.received_s)

    def _report(self, stay: Stay) -> None:
        rng = self._random
        reference = rng.randbytes(8)
        fixed = _attribute(1, f"p{stay.person}".encode())
        fixed += _attribute(44, stay.session_id.encode())
        fixed += _attribute(31, "-".join(stay.mac[i : i + 2] for i in range(0, 12, 2)).encode())
        fixed += _attribute(30, f"00-11-22-33-44-55:{stay.point.name}".encode())
        fixed += _attribute(32, stay.point.name.encode())
        if stay.school.has_class:
            fixed += _attribute(25, self._classes(stay.person, reference))
        heard = self.heard[id(stay)]
        for status, at in self._moments(stay):
            told = _current(stay, at)
            if status == START and not stay.school.tells_at_start:
                told = []
            body = fixed + _integer(55, int(self._epoch + at + stay.point.skew))
            if status != START:
                body += _integer(46, int(at - stay.from_s))
                body += _integer(42, rng.getrandbits(24)) + _integer(43, rng.getrandbits(24))
            for one in told:
                packed = ip_address(one.address).packed
                body += _attribute(8 if len(packed) == 4 else 168, packed)
            if self._deliver(stay.school, status, at, body, 0.02 if status == STOP else 0.01):
                heard.last_sent = max(heard.last_sent, at)
                heard.stopped |= status == STOP
                for one in told:
                    heard.addresses[one.address] = min(at, heard.addresses.get(one.address, at))

    def _moments(self, stay: Stay) -> Iterator[tuple[int, float]]:
        """(status, when) of the packets that the access point sends."""
        rng = self._random
        yield START, stay.from_s
        learned = stay.from_s + rng.uniform(1, 15)
        if not stay.school.tells_at_start and learned < stay.to_s:
            yield ALIVE, learned
        at = stay.from_s + INTERIM
        while at < stay.to_s:
            yield ALIVE, at
            at += INTERIM + rng.uniform(-2, 2)
        for one in stay.addresses:
            if ":" not in one.address and stay.from_s < one.from_s < stay.to_s - 3:
                yield ALIVE, one.from_s + rng.uniform(0.1, 2)
        if stay.ends_by == "stop":
            yield STOP, stay.to_s

    def _deliver(self, school: School, status: int, at: float, body: bytes, lost: float) -> bool:
        """Send a packet; True when it arrives."""
        rng = self._random
        self.sent += 1
        late = 0.0
        if school.outage and school.outage[0] <= at <= school.outage[1]:
            if rng.random() < 0.7:
                return False
            late = school.outage[1] - at + rng.uniform(0, 30)
        elif rng.random() < lost:
            return False
        elif rng.random() < 0.05:
            late = rng.uniform(2, 90)
        attributes = body
        # Some say how long a packet waited; a few seconds nobody counts.
        if late > 12 or (late and rng.random() < 0.5):
            attributes += _integer(41, int(late))
        self._identifier = (self._identifier + 1) % 256
        octets = _accounting_request(self._identifier, _integer(40, status) + attributes)
        received = at + late + rng.uniform(0.002, 0.25)
        self.arrivals.append(Arrival(received_s=received, school=school, octets=octets))
        if rng.random() < 0.03:
            again = received + rng.uniform(1, 10)
            self.arrivals.append(Arrival(received_s=again, school=school, octets=octets))
        return True


def _current(stay: Stay, at: float) -> list[Holding]:
    return [one for one in stay.addresses if one.from_s <= at <= one.to_s]


def _attribute(number: int, value: bytes) -> bytes:
    return bytes((number, 2 + len(value))) + value


def _integer(number: int, value: int) -> bytes:
    return _attribute(number, struct.pack("!I", value))


def _accounting_request(identifier: int, attributes: bytes) -> bytes:
    """RFC 2866 section 3: the authenticator is MD5 over packet and secret."""
    head = struct.pack("!BBH", 4, identifier, 20 + len(attributes))
    digest = hashlib.md5(head + bytes(16) + attributes + SECRET).digest()
    return head + digest + attributes


class Knowledge:
    """What the reports that arrived say about who had an address: the most anybody can know.

    Looked at from the truth: sessions and holdings are those that really were.
    """

    SILENCE = 7 * INTERIM
    """How long a session without a stop may still be going on."""

    def __init__(self, world: World, reports: Reports) -> None:
        self._reports = reports
        self._claims: dict[str, list[tuple[float, float, float, int]]] = defaultdict(list)
        """Address -> (from, certain to, possible to, person) of each session, by beginning."""
        for stay in world.stays():
            heard = reports.heard[id(stay)]
            if heard.last_sent < 0:
                continue
            boots = reports.boots_heard[stay.point.name]
            for one in stay.addresses:
                if one.address not in heard.addresses:
                    continue
                first = heard.addresses[one.address]
                is_first = one.from_s <= stay.from_s
                begins = stay.from_s if is_first or ":" in one.address else first
                certain = stay.to_s if heard.stopped else heard.last_sent
                possible = stay.to_s if heard.stopped else heard.last_sent + self.SILENCE
                if not heard.stopped:
                    later = [boot + 31 for boot in boots if boot >= stay.to_s - 1]
                    if later:
                        possible = min(possible, *later)
                        if later[0] - heard.last_sent <= 2 * INTERIM:
                            certain = possible
                following = [
                    told
                    for address, told in heard.addresses.items()
                    if ":" not in address and told > first
                ]
                if ":" not in one.address and following:
                    certain, possible = min(certain, one.to_s), min(possible, *following)
                self._claims[one.address].append((begins, certain, possible, stay.person))
        for claims in self._claims.values():
            claims.sort()

    def hears_of(self, person: int, address: str, from_s: float, to_s: float) -> bool:
        """Whether any report that arrived tells that `person` may have had it then."""
        return any(
            who == person and begins <= to_s and possible >= from_s
            for begins, _, possible, who in self._claims.get(address, ())
        )

    def knows(self, person: int, address: str, from_s: float, to_s: float, guard: float) -> bool:
        """Whether the reports prove `person`, and nobody else, between two moments.

        A roaming device may be between two access points for less than `guard`.
        """
        claims = self._claims.get(address, [])
        if any(
            begins - guard <= to_s and possible + guard >= from_s
            for begins, _, possible, who in claims
            if who != person
        ):
            return False
        own = [(begins, certain) for begins, certain, _, who in claims if who == person]
        reached: float | None = None
        for begins, certain in own:
            if reached is None:
                if begins <= from_s <= certain + guard:
                    reached = certain
            elif begins - guard <= reached:
                reached = max(reached, certain)
        return reached is not None and reached >= to_s
