"""Collects what an export holds: records of every kind, answers, reports and proofs, as items.

Knows nothing of letters, keys or the register.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.clock import unix_milliseconds
from common.config import Config
from common.errors import Refused
from db.engine import Database
from traffic.archive.seals import make_seal
from traffic.evidence.archive_records import RAW_FLOWS, archive_tables, flow_tables
from traffic.evidence.database_records import database_tables
from traffic.evidence.proofs import Proofs, prove
from traffic.evidence.reports import clock_report, gap_report
from traffic.evidence.scope import Scope, subject_tree
from traffic.evidence.subjects import Found, find
from traffic.evidence.tables import Table
from traffic.lookup.coverage import open_reader

_SEGMENT = re.compile(r"[a-z]+:([^#]+\.parquet)#\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Everything of a bundle but the papers."""

    items: dict[str, bytes]
    counts: tuple[tuple[str, int], ...]
    """Records of each table that has any."""
    accounts: frozenset[int]
    """Whose identity is in it."""
    outcomes: tuple[str, ...]
    """Of the look-ups in it."""
    gaps: int
    proofs: Proofs


def gather(database: Database, config: Config, scope: Scope, actor: str, now: datetime) -> Gathered:
    """Everything that bears on `scope`.

    Raises:
        NotFound: nobody has a name that was given.
        UsageError: it is more than one bundle can hold.
        ArchiveError: a segment is altered, missing, unreadable or under no seal.
        BackendUnavailable: the database does not answer.
    """
    zone, archive = config.site.timezone, config.data_dir / "archive"
    reader = open_reader(config)
    found = [find(database, config, reader, scope, one, actor) for one in scope.subjects]
    archived = archive_tables(config, found, zone)
    accounts = [row["account_id"] for row in _rows(archived, "archived") if row["account_id"]]
    with database.read() as session:
        tables = database_tables(session, found, accounts, zone) + archived
    items = flow_tables(archive, [flow for one in found for flow in one.flows], zone)
    for table in tables:
        items.update(table.items())
    items.update(_answers(found, zone))
    clock = clock_report(
        config, scope.window, _rows(tables, "accounting"), _lines(items.get(RAW_FLOWS, b""))
    )
    gaps = gap_report(database, config, reader, scope.window, now)
    items["reports/clock.json"] = json_item(clock)
    items["reports/gaps.json"] = json_item(gaps)
    cited = _cited(items, found, [*clock["server"], *gaps["gaps"]])
    # What came into the archive while this was collected lies under no seal yet.
    with suppress(Refused):
        make_seal(archive, config.keys_dir, unix_milliseconds)
    proofs = prove(archive, config.keys_dir, _segments(cited))
    items.update(proofs.items)
    counts = [(table.name, len(table.rows)) for table in tables]
    counts.insert(4, ("flows", len({flow.record for one in found for flow in one.flows})))
    return Gathered(
        items=items,
        counts=tuple(one for one in counts if one[1]),
        accounts=frozenset(int(row["account_id"]) for row in _rows(tables, "accounts")),
        outcomes=tuple(str(one.answer["outcome"]) for one in found if one.answer),
        gaps=len(gaps["gaps"]),
        proofs=proofs,
    )


def json_item(tree: object) -> bytes:
    """A JSON document for people and programs."""
    return json.dumps(tree, ensure_ascii=False, indent=1).encode() + b"\n"


def _answers(found: Sequence[Found], zone: str) -> dict[str, bytes]:
    answers = [one for one in found if one.answer is not None]
    return {
        f"lookup/answer-{number}.json": json_item(
            {"subject": subject_tree(one.subject, zone), **_without_duration(one.answer or {})}
        )
        for number, one in enumerate(answers, 1)
    }


def _without_duration(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "elapsed_ms"}


def _rows(tables: Iterable[Table], name: str) -> list[dict[str, Any]]:
    return [row for table in tables if table.name == name for row in table.rows]


def _lines(octets: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in octets.splitlines()]


def _cited(
    items: Mapping[str, bytes], found: Sequence[Found], reported: Iterable[Mapping[str, Any]]
) -> Iterator[str]:
    """Every record id that records, answers and reports cite."""
    for name, octets in items.items():
        if name.startswith("records/") and name.endswith(".jsonl"):
            yield from (row["record"] for row in _lines(octets))
    for one in found:
        yield from one.cited
    yield from (row["record"] for row in reported if "record" in row)


def _segments(records: Iterable[str]) -> set[str]:
    """The segments among what is cited; other records lie in the database."""
    found = (_SEGMENT.fullmatch(record) for record in records)
    return {match[1] for match in found if match is not None}
