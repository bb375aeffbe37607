"""The gateways of the schools: address translation and what they export of it.

Flows are exported late (up to the active time-out), by clocks that may be minutes wrong, in
NetFlow 9 datagrams built octet by octet (RFC 3954); datagrams are lost on the way, and all of
them while the collector is down. Ports are used again, on some gateways for another
destination at the same time (endpoint-dependent mapping, RFC 4787 section 4.1).
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from random import Random
from typing import NamedTuple

from tests.district.world import Holding, School, World

TCP, UDP = 6, 17
IDLE = 15.0
"""Inactive time-out: how long after its last packet a flow is exported at the latest."""

IPV4_FIELDS = (
    *((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (1, 4), (2, 4), (22, 4), (21, 4)),
    *((225, 4), (227, 2)),
)
IPV6_FIELDS = (
    (27, 16),
    (28, 16),
    (7, 2),
    (11, 2),
    (4, 1),
    (6, 1),
    (1, 4),
    (2, 4),
    (22, 4),
    (21, 4),
)
_IPV4 = struct.Struct("!4s4sHHBBIIII4sH")
_IPV6 = struct.Struct("!16s16sHHBBIIII")
_RECORDS = 24
"""Most records in one datagram."""

Mapping = tuple[str, int, int]
"""Public address, protocol, public port."""


class Connection(NamedTuple):
    """A connection that really was."""

    person: int
    inside: str
    public: str
    """Empty for IPv6, which nobody translates."""
    port: int
    protocol: int
    destination: str
    from_s: float
    to_s: float
    lost: bool
    """Whether a record of it never reached us."""


@dataclass(slots=True, kw_only=True)
class Gateway:
    """How one school's gateway behaves."""

    school: School
    by_destination: bool
    """Endpoint-dependent mapping."""
    hold: float
    """Seconds a port rests before it is used again."""
    active: float
    """Active time-out of its exporter."""
    skew: float
    """The exporter's clock less the true time."""
    ports: int

    @property
    def exporter(self) -> str:
        """Where its datagrams come from."""
        return f"172.16.{self.school.number // 200}.{self.school.number % 200 + 10}"


class Sent(NamedTuple):
    """A datagram that reached the collector."""

    received_s: float
    exporter: str
    octets: bytes


class _Record(NamedTuple):
    export_s: float
    octets: tuple[bytes, int, int, int, int]
    """Both ends of the record, in world milliseconds, are the last two."""
    tail: bytes
    connection: int
    six: bool


class Traffic:
    """All connections of a world and all datagrams that told of them and arrived."""

    def __init__(self, world: World, epoch: int, *, every_seconds: float = 90.0) -> None:
        self._world = world
        self._random = world.random
        self._epoch = epoch
        self._every = every_seconds
        seconds = world.size.seconds
        begins = self._random.uniform(seconds * 0.3, seconds * 0.7)
        self.outage = (begins, begins + seconds / 12)
        """When the collector was down."""
        self.gateways = [self._gateway(school) for school in world.schools]
        self.connections: list[Connection] = []
        self.datagrams: list[Sent] = []
        for gateway in self.gateways:
            self._run(gateway)
        self.datagrams.sort()
        self.behind: dict[Mapping, list[Connection]] = defaultdict(list)
        """Who really used a public port."""
        for one in self.connections:
            if one.public:
                self.behind[one.public, one.protocol, one.port].append(one)

    def _gateway(self, school: School) -> Gateway:
        rng = self._random
        people = self._world.size.people / self._world.size.schools
        return Gateway(
            school=school,
            by_destination=rng.random() < 0.3,
            hold=rng.choice((1.0, 20.0, 60.0)),
            active=rng.choice((60.0, 300.0, 1800.0)),
            skew=rng.choice((0.0, 0.0, rng.uniform(-4, 4), rng.uniform(-600, 600))),
            ports=max(40, int(people)),
        )

    def _run(self, gateway: Gateway) -> None:
        rng, busy = self._random, dict[tuple[object, ...], float]()
        planned: list[tuple[float, float, Holding]] = []
        for visit in self._world.visits:
            if visit.school is gateway.school:
                for held in visit.holdings:
                    planned.extend(self._planned(held))
        planned.sort(key=lambda one: one[:2])
        records: list[_Record] = []
        for begin, end, held in planned:
            number = len(self.connections)
            one = self._connect(gateway, held, begin, end, busy)
            if one is None:
                continue
            self.connections.append(one)
            records.extend(self._records(gateway, one, number, rng))
        records.sort(key=lambda one: one.export_s)
        lost = self._export(gateway, records)
        for number in lost:
            self.connections[number] = self.connections[number]._replace(lost=True)

    def _planned(self, held: Holding) -> Iterator[tuple[float, float, Holding]]:
        rng, at = self._random, held.from_s
        while True:
            at += rng.expovariate(1 / self._every)
            if at >= held.to_s - 0.5:
                return
            mean = rng.choice((1.0, 1.0, 1.0, 30.0, 30.0, 900.0))
            yield at, min(at + rng.expovariate(1 / mean), held.to_s), held

    def _connect(
        self,
        gateway: Gateway,
        held: Holding,
        begin: float,
        end: float,
        busy: dict[tuple[object, ...], float],
    ) -> Connection | None:
        rng = self._random
        protocol = TCP if rng.random() < 0.7 else UDP
        if ":" in held.address:
            destination = f"2001:db8:ffff::{rng.randrange(1, 60):x}"
            port = rng.randrange(1024, 65_536)
            return Connection(
                held.person, held.address, "", port, protocol, destination, begin, end, False
            )
        destination = f"198.18.0.{rng.randrange(1, 60)}"
        for _ in range(30):
            public = gateway.school.public(rng.randrange(2))
            port = 1024 + rng.randrange(gateway.ports)
            key: tuple[object, ...] = (public, protocol, port)
            if gateway.by_destination:
                key = (*key, destination)
            if busy.get(key, -1e9) + gateway.hold < begin:
                busy[key] = end
                return Connection(
                    held.person,
                    held.address,
                    public,
                    port,
                    protocol,
                    destination,
                    begin,
                    end,
                    False,
                )
        return None

    def _records(
        self, gateway: Gateway, one: Connection, number: int, rng: Random
    ) -> Iterator[_Record]:
        """The pieces in which it is exported: each as long as the active time-out at most."""
        source, destination = ip_address(one.inside).packed, ip_address(one.destination).packed
        inside_port = rng.randrange(1024, 65_536) if one.public else one.port
        tail = (
            b"" if not one.public else ip_address(one.public).packed + struct.pack("!H", one.port)
        )
        begin = one.from_s
        while True:
            end = min(begin + gateway.active, one.to_s)
            is_last = end >= one.to_s
            export = end + (rng.uniform(0.1, IDLE) if is_last else 0.1)
            head = (
                source + destination,
                inside_port,
                one.protocol,
                int(begin * 1000),
                int(end * 1000),
            )
            yield _Record(export, head, tail, number, not one.public)
            if is_last:
                return
            begin = end

    def _export(self, gateway: Gateway, records: list[_Record]) -> set[int]:
        """Send the records, a second's worth together; connections that were told of in vain."""
        rng, lost, sequence = self._random, set[int](), 0
        boot, templates_at, index = -3600.25, -1e9, 0
        while index < len(records):
            second = int(records[index].export_s)
            chosen = [records[index]]
            while (
                len(chosen) < _RECORDS
                and index + len(chosen) < len(records)
                and int(records[index + len(chosen)].export_s) == second
            ):
                chosen.append(records[index + len(chosen)])
            index += len(chosen)
            sent = max(second + 1.0, chosen[-1].export_s) + rng.uniform(0, 0.2)
            sets = b""
            if sent - templates_at > 60:
                templates_at = sent
                sets += _template(256, IPV4_FIELDS) + _template(257, IPV6_FIELDS)
            for identifier, six in ((256, False), (257, True)):
                body = b"".join(_encode(one, boot) for one in chosen if one.six is six)
                if body:
                    body += bytes(-len(body) % 4)
                    sets += struct.pack("!HH", identifier, 4 + len(body)) + body
            head = struct.pack(
                "!HHIIII",
                9,
                len(chosen),
                int((sent - boot) * 1000) % 2**32,
                int(self._epoch + sent + gateway.skew),
                sequence,
                1,
            )
            sequence += 1
            if self.outage[0] <= sent <= self.outage[1] or rng.random() < 0.001:
                lost.update(one.connection for one in chosen)
                # Without its template nothing after it could be read until the next.
                templates_at = -1e9 if sent == templates_at else templates_at
                continue
            received = sent + rng.uniform(0.001, 0.05)
            self.datagrams.append(Sent(received, gateway.exporter, head + sets))
        return lost


def _encode(one: _Record, boot: float) -> bytes:
    addresses, inside_port, protocol, begin, end = one.octets
    up = int(boot * 1000)
    middle = (inside_port, 443, protocol, 0x1B, 4000, 20, begin - up, end - up)
    if one.six:
        return _IPV6.pack(addresses[:16], addresses[16:], *middle)
    return _IPV4.pack(
        addresses[:4], addresses[4:], *middle, one.tail[:4], int.from_bytes(one.tail[4:], "big")
    )


def _template(number: int, fields: tuple[tuple[int, int], ...]) -> bytes:
    body = struct.pack("!HH", number, len(fields))
    body += b"".join(struct.pack("!HH", *one) for one in fields)
    return struct.pack("!HH", 0, 4 + len(body)) + body
