"""What a bundle says of its own limits: clocks, gaps, and the program that made it.

The clock report shows what was measured and says what was not; it never claims more.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from statistics import median
from typing import Any

from common.config import Config
from db.engine import Database
from traffic.archive.entries import canonical
from traffic.archive.kinds import CLOCK, GAP
from traffic.archive.reading import FlowReader
from traffic.archive.tables import TableArchive
from traffic.collectors.paths import node_name
from traffic.lookup.attribution import Window
from traffic.lookup.coverage import find_gaps, find_logged_gaps, find_pending
from traffic.lookup.let_go import find_let_go
from traffic.lookup.question import CLOCK_ERROR_MS
from traffic.lookup.samples import find_samples
from traffic.lookup.silence import find_silences
from traffic.lookup.store import DatabaseStore
from traffic.lookup.trees import gap_tree, ms_text
from traffic.moments import to_milliseconds

Row = Mapping[str, Any]

LIMITS_EN = (
    "Times in RADIUS and NetFlow are told in whole seconds, or come with a header that is. "
    "They cannot show that a clock was right to 10 milliseconds, and this report does not say so. "
    f"Every search here was widened by {CLOCK_ERROR_MS} ms at both ends; that figure is assumed. "
    "The time of record is always when this server received a datagram; what a device says of "
    "the time stands beside it."
)
LIMITS_TH = (
    "เวลาที่อุปกรณ์แจ้งผ่าน RADIUS และ NetFlow ละเอียดเพียงระดับวินาที "
    "จึงใช้พิสูจน์ไม่ได้ว่านาฬิกาของอุปกรณ์คลาดเคลื่อนไม่เกิน 10 มิลลิวินาที และรายงานนี้ไม่ได้อ้างเช่นนั้น "
    f"การค้นทุกครั้งเผื่อเวลาไว้ด้านละ {CLOCK_ERROR_MS} มิลลิวินาที ซึ่งเป็นค่าที่กำหนดไว้ มิใช่ค่าที่วัดได้ "
    "เวลาที่ถือเป็นหลักคือเวลาที่เครื่องแม่ข่ายได้รับข้อมูล ส่วนเวลาที่อุปกรณ์แจ้งแสดงไว้ประกอบเท่านั้น"
)
NOT_MEASURED_EN = "No measurement of this server's clock was kept for the period."
NOT_MEASURED_TH = "ไม่มีผลการวัดนาฬิกาของเครื่องแม่ข่ายเก็บไว้ในช่วงเวลาดังกล่าว"


def clock_report(
    config: Config, window: Window, accounting: Sequence[Row], flows: Sequence[Row]
) -> dict[str, Any]:
    """How far clocks were apart, as far as anybody measured.

    Args:
        accounting: rows with `received_at`, `event_timestamp` and `nas`.
        flows: whole rows with `received_at`, `exported_at` and `exporter`.
    """
    archive = TableArchive(config.data_dir / "archive", node_name())
    samples = archive.read(
        CLOCK,
        from_ms=to_milliseconds(window.from_at),
        to_ms=to_milliseconds(window.to_at),
        limit=100_000,
    )
    zone = config.site.timezone
    report: dict[str, Any] = {
        "server": [
            {
                "record": one.record,
                **one.values,
                "received_at": ms_text(one.values["received_at"], zone),
            }
            for one in samples
        ],
        "equipment_seconds": _deltas(
            (str(row["nas"]), row["received_at"], row["event_timestamp"]) for row in accounting
        ),
        "exporters_seconds": _deltas(
            (str(row["exporter"]), row["received_at"], row["exported_at"]) for row in flows
        ),
        "assumed_error_ms": CLOCK_ERROR_MS,
        "statement": {"th": LIMITS_TH, "en": LIMITS_EN},
    }
    if samples:
        report["server_summary"] = {
            "samples": len(samples),
            "largest_offset_us": max(abs(one.values["offset_us"] or 0) for one in samples),
            "largest_error_us": max(one.values["error_us"] or 0 for one in samples),
            "not_synchronised": sum(one.values["state"] != "synchronised" for one in samples),
        }
    else:
        report["server_summary"] = {"samples": 0, "th": NOT_MEASURED_TH, "en": NOT_MEASURED_EN}
    return report


def _deltas(told: Iterable[tuple[str, str, str | None]]) -> dict[str, dict[str, float | int]]:
    """For each device how far its clock was from ours when it spoke: ours minus its own."""
    found: dict[str, list[float]] = {}
    for name, received, own in told:
        if own is not None:
            delta = datetime.fromisoformat(received) - datetime.fromisoformat(own)
            found.setdefault(name, []).append(delta.total_seconds())
    return {
        name: {
            "samples": len(values),
            "least": round(min(values), 3),
            "median": round(median(values), 3),
            "most": round(max(values), 3),
        }
        for name, values in sorted(found.items())
    }


def gap_report(
    database: Database, config: Config, reader: FlowReader, window: Window, now: datetime
) -> dict[str, Any]:
    """What is known to be missing of the period: all that a look-up of it would have told."""
    zone = config.site.timezone
    store = DatabaseStore(database)
    archive = TableArchive(config.data_dir / "archive", node_name())
    spans = [
        *find_gaps(store, reader, window, now, ["collector", "radius"]),
        *find_logged_gaps(store, reader, window),
        *find_silences(config, window, now),
        *find_let_go(store, config, reader.index, window, now),
    ]
    for one in (
        find_samples(archive, reader.index, None, window),
        find_pending(config, reader, window, now),
    ):
        spans += [] if one is None else [one]
    last, first = to_milliseconds(window.to_at), to_milliseconds(window.from_at)
    archived = archive.read(
        GAP, "epoch_ms(from_at) <= ? AND epoch_ms(to_at) >= ?", [last, first], limit=100_000
    )
    told = [
        {
            "record": row.record,
            "kind": row.values["kind"],
            "source": row.values["source"],
            "reason": row.values["reason"],
            "from": ms_text(row.values["from_at"], zone),
            "to": ms_text(row.values["to_at"], zone),
            "lost": row.values["lost"],
        }
        for row in archived
    ]
    gaps = [gap_tree(gap, zone) for gap in spans]
    return {"gaps": [*gaps, *told], "complete": not (gaps or told)}


def software(config: Config) -> dict[str, Any]:
    """Which program, set up how, made the bundle; secrets are not part of the fingerprint."""
    tree = config.model_dump(mode="json", exclude={"database", "proxy", "source"})
    return {
        "name": "yuenyan",
        "version": version("yuenyan"),
        "python": platform.python_version(),
        "configuration_sha256": hashlib.sha256(canonical(tree)).hexdigest(),
    }
