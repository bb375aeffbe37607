"""How commands print: readable tables for people, stable JSON for scripts.

Knows nothing of what is printed.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime

import click

from common.clock import to_rfc3339
from common.printable import printable


def print_json(value: object) -> None:
    """One JSON document on standard output, Thai text as it is."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns as wide as their widest cell; None is shown as a dash."""
    table = [tuple(headings), *(tuple(_cell(value) for value in row) for row in rows)]
    widths = [max(_width(row[column]) for row in table) for column in range(len(headings))]
    for row in table:
        padded = (
            text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True)
        )
        click.echo("  ".join(padded).rstrip())


def print_fields(fields: dict[str, object]) -> None:
    """One `name: value` a line; what is None is left out."""
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        if value is not None:
            click.echo(f"{name.replace('_', ' '):<{width}}  {_cell(value)}")


def moment(value: datetime | None, zone: str) -> str | None:
    """A stored moment as RFC 3339 with the site's offset, or None."""
    return None if value is None else to_rfc3339(value, zone)


def short_moment(value: datetime | None, zone: str) -> str | None:
    """A stored moment for a table: to the second, with the site's offset."""
    return None if value is None else to_rfc3339(value.replace(microsecond=0), zone)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(str(value))


def _width(text: str) -> int:
    """Columns that `text` takes on a terminal; Thai vowels and tone marks take none."""
    return sum(
        0
        if unicodedata.category(symbol) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(symbol) in "WF"
        else 1
        for symbol in text
    )
