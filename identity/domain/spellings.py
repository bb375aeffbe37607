"""The forms in which one user name is written. Loads nothing else: a look-up waits for it."""

from __future__ import annotations

import unicodedata


def composed(name: str) -> str:
    """`name` with its marks in the one order and form that look like it (NFC, RFC 8265).

    Of a Thai vowel and tone mark either may be typed first; an accent may stand for itself.
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def spellings(name: str) -> tuple[str, ...]:
    """How the account that `name` means may be stored: as it is spelled, else as new ones are."""
    stored = name.strip().casefold()
    return tuple(dict.fromkeys((stored, composed(stored))))
