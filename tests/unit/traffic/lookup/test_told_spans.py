"""Made-up gateways and DHCP servers whose lines are lost, held back and told by odd clocks.

Whatever becomes of the lines: who really had a port or an address is among those that a span of
time is reckoned for, as long as a line of theirs arrived that can tell.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from traffic.archive.tables import Found
from traffic.lookup.leases import lease_spans
from traffic.lookup.nat_logs import pair
from traffic.moments import to_milliseconds

HELD_MS = 20 * 60_000
DAY_MS = 86_400_000
BEGIN_MS = 1_790_000_000_000
MARGIN_MS = 1_000
"""The clock error that every window is widened by."""
CLOCKS = (0, 0, -3_000, -30_000, 7 * 3_600_000)
"""How far a device's clock is ahead; a relay is never late by a clock that is not listened to."""
WORLDS = range(600)


class Relay:
    """Brings lines in their order; while it is down they wait for it."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.ahead = random.choice(CLOCKS)
        self.down = BEGIN_MS + random.randrange(900_000)
        self.up = self.down + (random.choice([0, 300_000, 900_000]) if self.ahead < 1 else 0)
        self.lines: list[tuple[int, dict[str, Any]]] = []

    def tell(self, at_ms: int, chance: float, **values: Any) -> bool:
        """Send a line; whether it was not lost."""
        if self.random.random() >= chance:
            return False
        self.lines.append((at_ms, values))
        return True

    def rows(self) -> list[Found]:
        found, latest = [], 0
        for number, (at_ms, values) in enumerate(sorted(self.lines, key=lambda line: line[0])):
            came = self.up if self.down <= at_ms < self.up else at_ms
            latest = max(latest, came + self.random.randrange(4))
            lasted = values.pop("lasted", None)
            started = None if lasted is None else latest - lasted
            row = {"received_at": latest, "event_at": at_ms + self.ahead, "started_at": started}
            row |= {"source": "g", "raw": b""}
            found.append(Found(record=f"x:{number}", values=values | row))
        return found


@pytest.mark.parametrize("kind", ["begins and ends", "ends and while it lasts", "begins"])
def test_whoever_had_a_port_is_among_those_it_is_reckoned_for(kind: str) -> None:
    for seed in WORLDS:
        random = Random(f"{kind} {seed}")
        relay, at_ms, truth = Relay(random), BEGIN_MS, []
        for _ in range(random.randint(1, 6)):
            at_ms += random.choice([1, 500, 5_000, 120_000])
            until = at_ms + random.choice([1, 2_000, 60_000, 600_000])
            inside = f"10.0.0.{random.randint(1, 3)}", random.randint(1, 3)
            line = {
                "protocol": 6, "inside_address": inside[0],
                "inside_port": inside[1], "outside_port": 50_000, "outside_port_to": None,
                "destination_address": random.choice("xy"), "destination_port": 443,
            }  # fmt: skip
            lasted, told = until - at_ms, False
            if kind != "ends and while it lasts":
                told |= relay.tell(at_ms, 0.8, event="create", **line)
            if kind == "begins and ends":
                known = {"lasted": lasted} if random.random() < 0.5 else {}
                told |= relay.tell(until, 0.8, event="delete", **line, **known)
            if kind == "ends and while it lasts":
                for seen in range(at_ms + 120_000, until, 120_000):
                    relay.tell(seen, 0.7, event="seen", lasted=seen - at_ms, **line)
                known = {"lasted": lasted} if random.random() < 0.8 else {}
                told |= relay.tell(until, 0.9, event="session", **line, **known)
            if told:
                truth.append((inside, at_ms, until))
            at_ms = until
        spans = pair(relay.rows(), BEGIN_MS - DAY_MS, at_ms + DAY_MS, HELD_MS)
        for inside, from_ms, to_ms in truth:
            for moment in (from_ms, (from_ms + to_ms) // 2, to_ms):
                assert any(
                    (span.inside_address, span.inside_port) == inside
                    and span.from_ms - MARGIN_MS <= moment <= span.to_ms + MARGIN_MS
                    for span in spans
                ), (seed, inside, moment - BEGIN_MS, spans)


def test_whoever_had_an_address_by_a_lease_that_was_told_is_among_its_holders() -> None:
    for seed in WORLDS:
        random = Random(seed)
        relay, at_ms, truth = Relay(random), BEGIN_MS, []
        for _ in range(random.randint(1, 6)):
            at_ms += random.choice([1, 5_000, 400_000])
            mac, length = random.choice(["aa", "bb", "cc"]) * 6, random.choice([120, 600])
            for renewal in range(random.randint(1, 4)):
                event = "renew" if renewal else "assign"
                line = {"event": event, "address": "10.0.0.5", "mac": mac}
                until = at_ms + length * 500
                if relay.tell(at_ms, 0.8, lease_seconds=length, **line):
                    truth.append((mac, at_ms, until))
                at_ms = until
            if random.random() < 0.5:
                relay.tell(at_ms, 0.8, event="release", address="10.0.0.5", mac=mac,
                           lease_seconds=None)  # fmt: skip
            else:
                at_ms += length * 500
        spans = lease_spans(relay.rows(), HELD_MS)
        for mac, from_ms, to_ms in truth:
            for moment in (from_ms, (from_ms + to_ms) // 2, to_ms):
                assert any(
                    span.mac == mac
                    and to_milliseconds(span.from_at) - MARGIN_MS <= moment
                    and moment <= to_milliseconds(span.to_at) + MARGIN_MS
                    for span in spans
                ), (seed, mac, moment - BEGIN_MS, spans)
