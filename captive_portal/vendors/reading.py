"""Small readers that several makes share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from common.errors import UsageError
from common.net import parse_address


def first(query: Mapping[str, str], names: Sequence[str]) -> str:
    """The first of `names` that has a value."""
    return next((query[name] for name in names if query.get(name)), "")


def find_address(text: str) -> str:
    """The address in `text`, or the empty text."""
    try:
        return str(parse_address(text))
    except UsageError:
        return ""
