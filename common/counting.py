"""Numbers in English sentences. Loads nothing."""

from __future__ import annotations


def counted(count: int, one: str, many: str = "") -> str:
    """`1 segment`, `2 segments`: a number with its noun.

    Args:
        many: what stands behind other numbers than one, where that is more than an `s`.
    """
    return f"{count} {one}" if count == 1 else f"{count} {many or one + 's'}"
