"""Rows of the archive that bear on an export: flows whole, and every kind of table.

Every row says in which segment it lies; those segments are what the proofs are about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from common.clock import to_rfc3339
from common.config import Config
from common.errors import ArchiveError, UsageError
from identity.domain.spellings import spellings
from traffic.archive.about import RowsOf, asked_names, inside_name
from traffic.archive.kinds import ACCESS, KINDS, LEASE, NAT, SESSION, TIME
from traffic.archive.reading import FlowRecord, rows_by_segment
from traffic.archive.tables import Found as Row
from traffic.archive.tables import TableArchive
from traffic.collectors.paths import node_name
from traffic.evidence.subjects import Found
from traffic.evidence.tables import Table, json_lines
from traffic.lookup.attribution import Window
from traffic.lookup.question import NUMBERS
from traffic.lookup.service import NAT_LOOK_BACK
from traffic.lookup.trees import flow_tree
from traffic.moments import from_milliseconds, to_milliseconds

MAX_ROWS = 50_000
"""Of one kind and subject; beyond it an export is refused rather than cut."""

_BACK_MS = int(NAT_LOOK_BACK.total_seconds() * 1000)

RAW_FLOWS = "raw/flows.jsonl"
"""Every column of the flows, as they lie in their segments."""


def flow_tables(archive: Path, flows: Sequence[FlowRecord], zone: str) -> dict[str, bytes]:
    """The flows as items: readable, and every column as stored.

    Raises:
        ArchiveError: a segment cannot be read.
    """
    unique = list({flow.record: flow for flow in flows}.values())
    table = Table("flows")
    for flow in sorted(unique, key=lambda one: (one.received_ms, one.record)):
        tree = flow_tree(flow, zone)
        table.add({"record": tree.pop("record"), **tree})
    if not table.rows:
        return {}
    return {**table.items(), RAW_FLOWS: json_lines(_whole_rows(archive, table.rows))}


def archive_tables(config: Config, found: Sequence[Found], zone: str) -> list[Table]:
    """NAT, lease, access and session rows that bear on what was found.

    Raises:
        ArchiveError: a segment cannot be read.
        UsageError: it is more than one bundle can hold.
    """
    archive = TableArchive(config.data_dir / "archive", node_name())
    tables = []
    for kind, name in _NAMES.items():
        chosen = {
            row.record: row
            for one in found
            for question in _questions(kind, one)
            for row in _ask(archive, kind, question)
        }
        cited = {record for one in found for record in one.cited} - set(chosen)
        chosen |= {row.record: row for row in _of_records(archive, kind, cited)}
        table = Table(name)
        for record in sorted(chosen):
            table.add(*_shown(kind, record, chosen[record].values, zone))
        tables.append(table)
    return tables


_NAMES = {
    table.name: name
    for table, name in ((NAT, "nat"), (LEASE, "leases"), (ACCESS, "access"), (SESSION, "archived"))
}


@dataclass(frozen=True, slots=True)
class _Question:
    """Rows wanted of one kind."""

    where: str
    parameters: list[Any]
    window: Window
    same: tuple[str, ...] = ()
    """Columns whose last row before the window tells what held when it began."""
    opens: tuple[str, ...] = ()
    """Events which that row must be, to count."""
    whenever: bool = False
    """It is asked for by a key and may be as old as it likes."""
    about: RowsOf | None = None
    """What the rows wanted are named."""


def _questions(kind_name: str, found: Found) -> list[_Question]:
    """What together chooses the rows of one subject."""
    window, subject = found.window, found.subject
    if found.everyone:
        return [_Question("true", [], window)]
    asked: list[_Question] = []
    if kind_name == NAT.name:
        same = ("protocol", "outside_address", "outside_port", "inside_address", "inside_port")
        if subject.address is None:
            for address, span in found.spans:
                about = RowsOf((inside_name(address),))
                asked.append(
                    _Question("inside_address = ?", [address], span, same, _CREATED, about=about)
                )
        else:
            asked += [
                _Question(where, told, span, same, _CREATED, about=about)
                for where, told, span, about in _translations(found)
            ]
    elif kind_name == LEASE.name:
        for address, span in found.spans:
            asked.append(_Question("address = ?", [address], span, ("address",), _ASSIGNED))
        if subject.mac is not None:
            asked.append(_Question("mac = ?", [subject.mac], window, ("mac",), _ASSIGNED))
    elif kind_name == ACCESS.name:
        for address, span in found.spans:
            # What else somebody did from an address behind the one asked about does not bear on it.
            if subject.address is None or address == str(subject.address):
                asked.append(_Question("client_address = ?", [address], span))
        if found.references:
            where, references = "list_contains(?, session_ref)", [sorted(found.references)]
            asked.append(_Question(where, references, window, whenever=True))
        if subject.address is None and subject.mac is not None:
            asked.append(_Question("mac = ?", [subject.mac], window))
        if subject.address is None and subject.user is not None:
            # As devices sent it, which is any of its spellings.
            where, name = "nfc_normalize(lower(user_name)) = ?", spellings(subject.user)[-1]
            asked.append(_Question(where, [name], window))
    elif found.sessions:
        where = "list_contains(?, session_key)"
        keys = [sorted(found.sessions)]
        asked.append(_Question(where, keys, window, ("session_key",), whenever=True))
    return asked


def _translations(found: Found) -> list[tuple[str, list[Any], Window, RowsOf]]:
    """(condition, its parameters, when, about whom) of translations from or to the address."""
    subject = found.subject
    inside = "inside_address = ?"
    outside = "outside_address = ?"
    port = None
    if subject.port is not None and subject.protocol != "icmp":
        port = subject.port
        inside += f" AND inside_port = {subject.port:d}"
        # So does one that tells no port, which pings never do.
        outside += f" AND ({subject.port:d} BETWEEN outside_port AND {_LAST_PORT} OR"
        outside += " (outside_port IS NULL AND coalesce(protocol, 0) NOT IN (1, 58)))"
    if subject.protocol is not None:
        numbers = ", ".join(str(int(number)) for number in NUMBERS[subject.protocol])
        of = f" AND coalesce(protocol, {int(NUMBERS[subject.protocol][0])}) IN ({numbers})"
        inside, outside = inside + of, outside + of
    if subject.destination is not None:
        # A line that does not say where the traffic went stays, as in the look-up.
        there = f" AND coalesce(destination_address, '{subject.destination}')"
        there += f" = '{subject.destination}'"
        if subject.destination_port is not None:
            there += f" AND coalesce(destination_port, 0) IN (0, {subject.destination_port:d})"
        inside, outside = inside + there, outside + there
    address = str(subject.address)
    from_it, to_it = RowsOf((inside_name(address),)), RowsOf(asked_names(address, port))
    if not found.narrowed:
        return [
            (inside, [address], found.window, from_it),
            (outside, [address], found.window, to_it),
        ]
    asked: list[tuple[str, list[Any], Window, RowsOf]] = []
    for held, span in found.spans:
        asked.append((f"{outside} AND inside_address = ?", [address, held], span, to_it))
        if held == address:
            asked.append((inside, [address], span, from_it))
    return asked


_CREATED = ("create", "block-create")
_ASSIGNED = ("assign", "renew")
_LAST_PORT = "coalesce(outside_port_to, outside_port)"


def _ask(archive: TableArchive, kind_name: str, question: _Question) -> list[Row]:
    """The rows of the window, and of what was told before it what still held then."""
    from_ms, to_ms = (
        to_milliseconds(question.window.from_at),
        to_milliseconds(question.window.to_at),
    )
    kind = KINDS[kind_name]
    rows = archive.read(
        kind,
        question.where,
        question.parameters,
        from_ms=None if question.whenever else from_ms - (_BACK_MS if question.same else 0),
        to_ms=None if question.whenever else to_ms,
        limit=MAX_ROWS + 1,
        about=question.about,
    )
    if len(rows) > MAX_ROWS:
        raise UsageError(
            f"more than {MAX_ROWS} records of {kind.name} bear on it: ask for a shorter period"
        )
    if question.whenever and not question.same:
        return rows
    within = [row for row in rows if from_ms <= row.values["received_at"] <= to_ms]
    before = {
        tuple(row.values[name] for name in question.same): row
        for row in rows
        if row.values["received_at"] < from_ms
    }
    held = [
        row
        for row in before.values()
        if not question.opens or row.values["event"] in question.opens
    ]
    if kind is SESSION:
        # Its beginning and its end show that it was open, whenever they came.
        ends = {row.values["session_key"]: row for row in rows}
        begins = {row.values["session_key"]: row for row in reversed(rows)}
        held += [row for row in rows if row.values["record"] != "accounting"]
        held += [*begins.values(), *ends.values()]
    return [*held, *within]


def _of_records(archive: TableArchive, kind_name: str, records: Iterable[str]) -> list[Row]:
    """The rows of these ids, whenever they were received."""
    found: list[Row] = []
    for path, numbers in sorted(rows_by_segment(records, kind_name).items()):
        where = "filename = ? AND list_contains(?, file_row_number)"
        values = [str(archive.archive / path), numbers]
        found += archive.read(KINDS[kind_name], where, values, limit=len(numbers))
    return found


def _shown(
    kind_name: str, record: str, values: dict[str, Any], zone: str
) -> tuple[dict[str, Any], bytes | None]:
    """(a row of the table, its octets as received)."""
    row: dict[str, Any] = {"record": record}
    for name, type_ in KINDS[kind_name].columns.items():
        if name != "raw":
            value = values[name]
            is_time = type_ == TIME and value is not None
            row["what" if name == "record" else name] = (
                to_rfc3339(from_milliseconds(value), zone) if is_time else value
            )
    return row, values.get("raw")


def _whole_rows(archive: Path, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every stored column of flow rows; times in milliseconds since 1970 UTC."""
    import duckdb

    wanted = rows_by_segment((row["record"] for row in rows), "flow")
    connection = duckdb.connect(":memory:")
    connection.execute("SET autoinstall_known_extensions = false")
    whole: list[dict[str, Any]] = []
    try:
        for path, numbers in sorted(wanted.items()):
            answer = connection.execute(
                "SELECT * FROM read_parquet(?, file_row_number = true, hive_partitioning = false)"
                " WHERE file_row_number IN (SELECT unnest(?)) ORDER BY file_row_number",
                [str(archive / path), numbers],
            )
            names = [column[0] for column in answer.description]
            for values in answer.fetchall():
                told = dict(zip(names, values, strict=True))
                number = told.pop("file_row_number")
                whole.append(
                    {
                        "record": f"flow:{path}#{number}",
                        **{name: _plain(value) for name, value in told.items()},
                    }
                )
    except duckdb.Error as error:
        raise ArchiveError("archive", f"cannot be read: {error}") from error
    finally:
        connection.close()
    return whole


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_rfc3339(value)
    return value.hex() if isinstance(value, bytes) else value
