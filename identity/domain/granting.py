"""Sessions that the portal begins by itself, where no accounting tells of them. Pure."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum


class Basis(StrEnum):
    """How it is known that a session began."""

    CALL = "call"
    """A controller said yes to letting the device in."""
    LINK = "link"
    """The browser was given the link that lets the device in; nobody told that it was used."""


FIRST_LOOK = timedelta(seconds=5)
"""After the beginning: then a controller has noticed the device, and knows its address."""

LOOK_EVERY = timedelta(seconds=60)
"""As often as a report of accounting is kept."""

ABSENT_AFTER = timedelta(minutes=3)
"""A device that was on no list for so long has left; should it come back, the session goes on."""
