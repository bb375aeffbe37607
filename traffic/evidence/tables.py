"""A table of records in a bundle: JSON Lines and CSV of the same rows, raw octets beside them.

Every row begins with `record`, the id that answers cite. The CSV is for reading in a
spreadsheet: a cell that one would take for a formula gets an apostrophe before it; the JSON
Lines have it as it was.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.spreadsheets import plain_cell

_MARK = "\ufeff"
"""Spreadsheets take a file without it for Windows-874 or worse."""


@dataclass(slots=True)
class Table:
    """Rows of one kind; every row has the same columns."""

    name: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    raw: dict[str, bytes] = field(default_factory=dict)
    """Item -> octets as received."""

    def add(self, row: Mapping[str, Any], raw: bytes | None = None, suffix: str = "bin") -> None:
        """Take a row; of its raw octets the row names the item and the hash."""
        kept = dict(row)
        if raw is not None:
            item = f"raw/{self.name}/{len(self.raw) + 1:06d}.{suffix}"
            self.raw[item] = raw
            kept |= {"raw": item, "raw_sha256": hashlib.sha256(raw).hexdigest()}
        self.rows.append(kept)

    def items(self) -> dict[str, bytes]:
        """The items of a bundle; none when there is no row."""
        if not self.rows:
            return {}
        return {
            f"records/{self.name}.jsonl": json_lines(self.rows),
            f"records/{self.name}.csv": _csv(self.rows),
            **self.raw,
        }


def json_lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """One object a line, in UTF-8."""
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
    return (_MARK + text.getvalue()).encode()


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return plain_cell(value)
