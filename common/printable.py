"""Text that may be shown on a terminal, apart from what logs are made with.

A command that prints a table must not wait for a library of logs.
"""

from __future__ import annotations

_UNSAFE = {code: f"\\x{code:02x}" for code in [*range(32), 127, *range(0x80, 0xA0)]}


def printable(text: str) -> str:
    """`text` with control characters escaped; for names that come from outside."""
    return text.translate(_UNSAFE)
