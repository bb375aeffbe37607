"""Writes into a finished segment where its pages lie (traffic.archive.places), before its footer.

What cannot be said in that form is left out, and such a segment is read by way of its footer.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.errors import ArchiveError
from traffic.archive import places, zstd
from traffic.archive.pages import DELTAS_BLOCK, UnknownPage, first_block, next_block, runs, varint
from traffic.archive.places import CONSTANT, DELTA, DICTIONARY, PLAIN, RUN_STEP, STEP, Chunk
from traffic.archive.records import STORED

if TYPE_CHECKING:
    import duckdb

_ENCODINGS = {"RLE_DICTIONARY": DICTIONARY, "DELTA_BINARY_PACKED": DELTA, "PLAIN": PLAIN}
_KEPT = frozenset((*STORED, "exported_at", *places.SORT_KEY))
"""Columns that one client's flows are made of."""

_WIDTHS = {"INT32": 4, "INT64": 8, "BYTE_ARRAY": 0}
_TOLD = (
    "path_in_schema, type, encodings, compression, num_values, data_page_offset, "
    "dictionary_page_offset, total_compressed_size"
)


def place(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Add the places to the segment `path`, unless it holds something that they cannot tell.

    What cannot be told, for whatever reason, must not keep flows from being stored.

    Raises:
        OSError: the disk refused.
    """
    library = zstd.library()
    if library is None or sys.byteorder != "little":
        return
    octets = path.read_bytes()
    try:
        added = _places(connection, path, octets, library)
    except (ArchiveError, UnknownPage, LookupError, ArithmeticError, ValueError, struct.error):
        return
    footer = len(octets) - places.behind(octets[-places.FOOTER_END :])
    with path.open("r+b") as stream:
        stream.seek(footer)
        stream.write(added + octets[footer:])
        stream.flush()
        os.fsync(stream.fileno())


def _places(
    connection: duckdb.DuckDBPyConnection, path: Path, octets: bytes, library: zstd.Decompressor
) -> bytes:
    quoted = str(path).replace("'", "''")
    told = connection.execute(
        f"SELECT row_group_id, row_group_num_rows, {_TOLD} FROM parquet_metadata('{quoted}') "  # noqa: S608
        "ORDER BY row_group_id, column_id"
    ).fetchall()
    told = [row for row in told if row[2] in _KEPT]
    groups: list[list[tuple[Any, ...]]] = []
    starts: list[int] = []
    rows = 0
    for group, count, *column in told:
        if group == len(groups):
            groups.append([])
            starts.append(rows)
            rows += count
        groups[group].append((count, *column))
    if any(start % STEP for start in starts):
        raise UnknownPage("row groups of odd sizes")
    names = [column[1] for column in groups[0]] if groups else []
    schema = connection.execute(
        f"SELECT name, repetition_type, converted_type FROM parquet_schema('{quoted}')"  # noqa: S608
    ).fetchall()
    if any(name.endswith("_at") and unit != "TIMESTAMP_MILLIS" for name, _, unit in schema):
        raise UnknownPage("times in other units")
    optional = {name for name, repeated, _ in schema if repeated != "REQUIRED"}
    noted_runs: list[list[tuple[int, int]]] = [[] for _ in groups]
    chunks = [
        [_chunk(octets, library, own, column[1] in optional, *column) for column in group]
        for own, group in zip(noted_runs, groups, strict=True)
    ]
    packed = {
        name
        for group in chunks
        for name, one in zip(names, group, strict=True)
        if one.encoding == DELTA
    }
    wanted = [name for name in names if name in packed or name in places.SORT_KEY]
    noted = _noted(connection, quoted, wanted)
    return places.encode(rows, names, starts, chunks, noted, noted_runs)


def _noted(
    connection: duckdb.DuckDBPyConnection, quoted: str, names: Sequence[str]
) -> list[tuple[str, int, bytes]]:
    """Columns whose values of each 256th row are not all zero, with these values."""
    shown = ", ".join(
        f"epoch_ms({name}) AS {name}" if name.endswith("_at") else name for name in names
    )
    found = connection.execute(
        f"SELECT {shown} FROM read_parquet('{quoted}', file_row_number = true) "  # noqa: S608
        f"WHERE file_row_number % {STEP} = 0 ORDER BY file_row_number"
    ).fetchnumpy()
    noted = []
    for name in names:
        values = np.asarray(found[name]).astype("<u8")
        if name in places.SORT_KEY and not values.any():
            continue
        width = 4 if int(values.max(initial=0)) < 1 << 32 else 8
        noted.append((name, width, values.astype(f"<u{width}").tobytes()))
    return noted


def _chunk(
    octets: bytes,
    library: zstd.Decompressor,
    noted_runs: list[tuple[int, int]],
    is_optional: bool,
    rows: int,
    name: str,
    type_: str,
    encodings: str,
    compression: str,
    values: int,
    data: int,
    dictionary: int | None,
    length: int,
) -> Chunk:
    """Where a column of a row group is.

    Raises:
        UnknownPage: it is not of the one form that is read without the footer.
    """
    encoding = _ENCODINGS.get(encodings)
    if encoding is None or compression != "ZSTD" or values != rows or type_ not in _WIDTHS:
        raise UnknownPage(f"{name} is {encodings}, {compression}, {type_}")
    body, unpacked, packed = _header(octets, data, rows)
    first = dictionary if dictionary is not None else data
    if body + packed != first + length:
        raise UnknownPage(f"{name} has several pages")
    page = library.whole(octets[body : body + packed], unpacked)
    skip = _levels(page, rows) if is_optional else 0
    chunk = Chunk(body, 0, packed, unpacked, 0, 0, 0, encoding, _WIDTHS[type_], skip)
    if encoding == DICTIONARY:
        if dictionary is None:
            raise UnknownPage(f"{name} has no dictionary")
        chunk.runs = len(noted_runs)
        found = runs(page, chunk.skip, rows, RUN_STEP)
        at, whole, squeezed = _header(octets, dictionary, None)
        chunk.dictionary_offset = at
        chunk.dictionary_packed, chunk.dictionary_unpacked = squeezed, whole
        if chunk.width and whole == chunk.width:
            only = library.whole(octets[at : at + squeezed], whole)
            chunk.encoding = CONSTANT
            chunk.dictionary_offset = int.from_bytes(only, "little")
        else:
            chunk.skip = page[chunk.skip]  # what is asked of it is the width of an index
            noted_runs += found
    elif encoding == DELTA:
        chunk.runs = len(noted_runs) + 1
        position = first_block(page, chunk.skip)
        for row in range(0, rows, DELTAS_BLOCK):
            noted_runs.append((row, position))
            if row + DELTAS_BLOCK < rows:
                position = next_block(page, position)
    return chunk


def _levels(page: memoryview, rows: int) -> int:
    """Octets of the definition levels, which must say that every row has a value."""
    length = int.from_bytes(page[:4], "little")
    position, counted = 4, 0
    while position < 4 + length:
        header, position = varint(page, position)
        if header & 1 or page[position] != 1:
            raise UnknownPage("values are missing")
        counted += header >> 1
        position += 1
    if counted < rows:
        raise UnknownPage("values are missing")
    return 4 + length


def _header(octets: bytes, position: int, rows: int | None) -> tuple[int, int, int]:
    """(where the page's body begins, its octets, its octets as packed) of a page's header.

    Thrift's compact protocol, as far as these headers need it: three numbers, then a struct of
    numbers, whose first is how many values there are.
    """
    try:
        numbers: list[int] = []
        for _ in range(3):
            if octets[position] != 0x15:
                raise UnknownPage("a page header of another form")
            value, position = varint(octets, position + 1)
            numbers.append((value >> 1) ^ -(value & 1))
        kind, unpacked, packed = numbers
        if (kind, octets[position]) != ((0, 0x2C) if rows is not None else (2, 0x4C)):
            raise UnknownPage("a page header of another form")
        position += 1
        counted = None
        while octets[position]:
            form = octets[position] & 0x0F
            position += 1
            if form in (1, 2):  # a truth value, which is in the octet itself
                continue
            if form != 5:
                raise UnknownPage("a page header of another form")
            value, position = varint(octets, position)
            counted = value >> 1 if counted is None else counted
        position += 1
        if octets[position]:
            raise UnknownPage("a page header of another form")
    except IndexError as error:
        raise ArchiveError("archive", "a segment ends in a page's header") from error
    if rows is not None and counted != rows:
        raise UnknownPage("several pages")
    return position + 1, unpacked, packed
