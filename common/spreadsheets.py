"""Cells of CSV files that people open in a spreadsheet."""

from __future__ import annotations

from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def plain_cell(value: Any) -> Any:
    """`value`; a text that a spreadsheet would take for a formula gets an apostrophe before it.

    Names come from whoever registers, and the file is opened by an officer.
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
