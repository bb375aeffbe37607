"""Random records and random questions: leaving segments out changes no answer.

By the very SQL that answers. `YUENYAN_ROUNDS` makes it longer than the gate has time for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from tests.unit.traffic.left_out import LeftOut, leave_out_everywhere
from traffic.archive.about import RowsOf, inside_name
from traffic.archive.entries import Entry
from traffic.archive.inside import Inside
from traffic.archive.kinds import NAT
from traffic.archive.manifest import Manifest
from traffic.archive.reading import Asked, FlowReader
from traffic.archive.segments import SegmentWriter
from traffic.archive.tables import TableArchive
from traffic.decoders.batch import FlowBatch
from traffic.decoders.fields import COLUMNS
from traffic.lookup.attribution import Window
from traffic.lookup.blocks import find_blocks
from traffic.lookup.nat_logs import find_logged
from traffic.lookup.question import Question
from traffic.lookup.samples import find_samples

ROUNDS = int(os.environ.get("YUENYAN_ROUNDS", "1"))
SEED = int(os.environ.get("YUENYAN_SEED", "4"))
SEGMENTS = 7
QUESTIONS = 9

BASE_MS = 1_790_000_000_000
PREFIXES = (
    ("10.0.0.0/8", "192.168.4.0/23", "fd00::/8"),
    ("10.0.0.0/16", "10.255.0.0/16", "fd00:1::/61", "fd00:1:0:f::/64", "2001:db8:7::42/128"),
    ("10.20.0.0/14", "203.0.113.0/28", "fd00:1::/48"),
)
FOURS = (
    *("0.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.255.255", "10.5.0.1", "10.20.30.40", "10.255.0.1"),
    *("192.168.3.255", "192.168.4.0", "192.168.5.255", "192.168.6.0", "203.0.113.7"),
    *("203.0.113.8", "198.51.100.9", "255.255.255.255"),
)
SIXES = (
    *("::", "fd00::1", "fd00:1::1", "fd00:1::2", "fd00:1:0:7::9", "fd00:1:0:8::9", "fd00:1:0:f::"),
    *("fd00:1:0:f:8000::1", "2001:db8:7::42", "2001:db8:7::43", "2001:db8::7", "::ffff:10.0.0.1"),
    *("::203.0.113.7", "64:ff9b::c633:6409"),
)
PORTS = (0, 1, 80, 4000, 4001, 65535)
PROTOCOLS = (0, 1, 6, 17, 47, 58, 132, 136, 255)
SIDES = ("src", "dst", "nat_src", "nat_dst")
EVENTS = ("create", "delete", "session", "seen", "block-create", "block-delete")
FORMS = ("pf-state", "flow-block", "", None)


def make_flows(rng: Random) -> FlowBatch:
    """A few flows: columns are missing, families stand side by side, much is zero."""
    rows = rng.randint(1, 5)
    at = [BASE_MS + rng.randint(0, 60_000) for _ in range(rows)]
    lists: dict[str, list[int]] = dict.fromkeys(
        ("received_ms", "exported_ms", "start_ms", "end_ms"), at
    )
    lists["exporter"] = [0] * rows
    for side in SIDES:
        if rng.random() < 0.7:
            lists[f"{side}4"] = [int(ip_address(rng.choice(FOURS))) for _ in range(rows)]
        if rng.random() < 0.5:
            six = [int(ip_address(rng.choice(SIXES))) for _ in range(rows)]
            lists[f"{side}6_high"] = [one >> 64 for one in six]
            lists[f"{side}6_low"] = [one & (1 << 64) - 1 for one in six]
        if rng.random() < 0.7:
            lists[f"{side}_port"] = [rng.choice(PORTS) for _ in range(rows)]
    if rng.random() < 0.8:
        lists["protocol"] = [rng.choice(PROTOCOLS) for _ in range(rows)]
    if rng.random() < 0.8:
        lists["nat_event"] = [rng.choice((0, 1, 4, 5)) for _ in range(rows)]
    columns = {name: np.array(values, COLUMNS[name]) for name, values in lists.items()}
    return FlowBatch(rows, columns, ("192.0.2.1",))


def make_row(rng: Random) -> dict[str, Any]:
    """A row of the kind `nat`; each column may be missing."""
    address = tuple(one for one in (*FOURS, *SIXES) if int(ip_address(one)))
    row: dict[str, Any] = {
        "received_at": BASE_MS + rng.randint(0, 60_000),
        "source": "192.0.2.1",
        "form": rng.choice(FORMS),
        "event": rng.choice(EVENTS),
        "protocol": rng.choice((None, *PROTOCOLS)),
        "inside_address": rng.choice((None, *address[:6])),
        "inside_port": rng.choice((None, *PORTS)),
        "outside_address": rng.choice((None, *address[-12:], *address[8:14])),
        "outside_port": rng.choice((None, *PORTS)),
        "outside_port_to": rng.choice((None, None, *PORTS)),
        "destination_address": rng.choice((None, *address[:3])),
        "destination_port": rng.choice((None, *PORTS)),
    }
    return {name: value for name, value in row.items() if value is not None}


class Archive:
    """One archive of small segments."""

    def __init__(self, folder: Path, rng: Random) -> None:
        self.folder, self.rng = folder, rng
        self.manifest = Manifest(folder)
        self.tables = TableArchive(folder, "node")
        self.inside = [Inside(prefixes) for prefixes in PREFIXES]
        for number in range(SEGMENTS):
            self._add(number)
        self.readers = [FlowReader(folder, inside) for inside in self.inside]

    def _add(self, number: int) -> None:
        # Most of a site's archive was written by the prefixes of today.
        inside = self.inside[0 if self.rng.random() < 0.6 else self.rng.randrange(3)]
        segment = SegmentWriter(self.folder, inside).write(
            make_flows(self.rng), f"flow/date=2026-09-21/hour=13/node-{number:012d}.parquet"
        )
        with self.manifest.locked():
            self.manifest.append([Entry(kind="flow", node="node", **asdict(segment))])
        rows = [make_row(self.rng) for _ in range(self.rng.randint(1, 4))]
        self.tables.append(NAT, rows)

    def flows(self) -> Callable[[], object]:
        """A question for the flows of an address or a prefix."""
        rng = self.rng
        asked = Asked(self._network(), BASE_MS - 1, BASE_MS + 60_001)
        reader = self.readers[0 if rng.random() < 0.6 else rng.randrange(3)]
        return lambda: reader.find_flows([asked], 1000)

    def _network(self) -> IPv4Network | IPv6Network:
        rng = self.rng
        if rng.random() < 0.6:
            length = rng.choice((32, 32, 31, 24, 16, 15, 9, 8, 7, 0))
            return ip_network((rng.choice(FOURS), length), strict=False)
        length = rng.choice((128, 128, 127, 65, 64, 63, 61, 57, 56, 55, 48, 8, 0))
        return ip_network((rng.choice(SIXES), length), strict=False)

    def translations(self) -> Callable[[], object]:
        """A question for what stood behind an outside address, by flows or by events."""
        rng = self.rng
        public = ip_address(rng.choice((*FOURS, *SIXES)))
        port = rng.choice((None, *PORTS))
        protocols = rng.choice(((), (6,), (17,), (1, 58)))
        destination = rng.choice((None, None, ip_address(rng.choice((*FOURS, *SIXES)))))
        there = rng.choice((None, *PORTS)) if destination is not None else None
        span = (BASE_MS - 1, BASE_MS + 60_001)
        return lambda: self.readers[0].find_translations(
            public,
            port,
            protocols,
            *span,
            1000,
            events=True,
            destination=destination,
            destination_port=there,
        )

    def lines(self) -> Callable[[], object]:
        """A question that log lines answer."""
        rng = self.rng
        address = ip_address(rng.choice((*FOURS, *SIXES)))
        if isinstance(address, IPv6Address) and address.ipv4_mapped and rng.random() < 0.5:
            address = address.ipv4_mapped
        at = datetime.fromtimestamp(BASE_MS / 1000 + 30, UTC)
        window = Window(at - timedelta(seconds=40), at + timedelta(seconds=40))
        port, protocol = rng.choice((None, *PORTS)), rng.choice((None, "tcp", "icmp"))
        question = Question(
            address=address,
            port=port,
            protocol=protocol,
            at=at,
            tolerance=timedelta(seconds=40),
            case="c",
            reason="r",
            destination=rng.choice((None, ip_address(rng.choice(FOURS)))),
            destination_port=rng.choice((None, *PORTS)),
        )
        numbers = question.protocol_numbers

        index, inside = self.readers[0].index, "10.0.0.2"

        def ask() -> object:
            return (
                find_logged(self.tables, index, question, window, 0),
                find_blocks(self.tables, index, str(address), port, numbers, window),
                find_samples(self.tables, index, str(address), window),
                find_samples(self.tables, index, None, window),
                self.tables.read(
                    *(NAT, "inside_address = ?", [inside]),
                    among=index,
                    about=RowsOf((inside_name(inside),)),
                ),
            )

        return ask


@pytest.mark.parametrize("kind", ["flows", "translations", "lines"])
@pytest.mark.parametrize("seed", range(SEED, SEED + ROUNDS))
def test_what_is_left_out_answers_nothing(
    seed: int, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path, Random(seed))
    counted = LeftOut()
    for number in range(QUESTIONS):
        ask = getattr(archive, kind)()
        with_all = ask()
        with monkeypatch.context() as patch:
            left = leave_out_everywhere(patch)
            assert ask() == with_all, (seed, number)
        counted.out += left.out
        counted.read += left.read
    assert counted.out or ROUNDS > 1
    assert counted.read or ROUNDS > 1
