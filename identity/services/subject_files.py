"""What is held on somebody as a file they can read: JSON, or a ZIP with a CSV for each table."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from common.clock import to_rfc3339
from common.spreadsheets import plain_cell
from identity.services.subjects import Table


def make_tree(
    username: str,
    made_at: datetime,
    kept_until: datetime | None,
    held: Mapping[str, Table],
    note: str,
    zone: str,
) -> dict[str, Any]:
    """The whole export: about whom, as of when, until when it is kept, and the tables."""
    return {
        "about": username,
        "made_at": to_rfc3339(made_at, zone),
        "kept_until": None if kept_until is None else to_rfc3339(kept_until, zone),
        "note": note,
        "held": dict(held),
    }


def as_json(tree: Mapping[str, Any]) -> bytes:
    """The export as one JSON document."""
    return json.dumps(tree, ensure_ascii=False, indent=2).encode()


def as_zip(tree: Mapping[str, Any]) -> bytes:
    """A CSV for each table, with the marks that let a spreadsheet read Thai."""
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as archive:
        about = {name: value for name, value in tree.items() if name != "held"}
        archive.writestr("about.json", json.dumps(about, ensure_ascii=False, indent=2))
        for name, rows in tree["held"].items():
            text = io.StringIO()
            if rows:
                writer = csv.DictWriter(text, fieldnames=list(rows[0]))
                writer.writeheader()
                writer.writerows(
                    {key: plain_cell(value) for key, value in row.items()} for row in rows
                )
            archive.writestr(f"{name}.csv", text.getvalue().encode("utf-8-sig"))
    return octets.getvalue()
