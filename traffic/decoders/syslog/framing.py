"""Cuts a TCP stream into syslog messages: RFC 6587, both ways, chosen message by message.

Pure. A message that starts with a digit is counted (section 3.4.1), any other ends with a
line feed (section 3.4.2). What is longer than a message may be is cut, said so, and skipped.
"""

from __future__ import annotations

from typing import NamedTuple

from common.errors import MalformedPacket

LONGEST = 16_384
"""Octets of a message: RFC 5424 section 6.1 asks for 2,048, firewalls send up to 4,000."""

_COUNT_DIGITS = 7
"""RFC 6587 sets no limit; nobody means ten megabytes."""


class Frame(NamedTuple):
    """One message; `whole` is False when it was longer than LONGEST and cut there."""

    octets: bytes
    whole: bool


class Framer:
    """One connection's octets; `feed` returns the messages that they complete."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._skip = 0
        """Octets still to come of a counted message that was cut."""
        self._skip_line = False

    @property
    def waiting(self) -> int:
        """Octets that wait for the rest of their message."""
        return len(self._held)

    def feed(self, octets: bytes) -> list[Frame]:
        """The messages that end in `octets`.

        Raises:
            MalformedPacket: a count that is none; nothing after it can be told apart.
        """
        self._held += octets
        found: list[Frame] = []
        while self._held:
            if self._skip:
                self._drop(min(self._skip, len(self._held)))
            elif self._skip_line:
                end = self._held.find(b"\n")
                self._skip_line = end < 0
                del self._held[: len(self._held) if end < 0 else end + 1]
            elif not self._next(found):
                break
        return found

    def finish(self) -> list[Frame]:
        """What the peer had sent of a message when it closed: kept, because it may be all."""
        held, self._held = bytes(self._held), bytearray()
        if self._skip or self._skip_line or not held.strip():
            return []
        return [Frame(held, not held[:1].isdigit())]

    def _drop(self, octets: int) -> None:
        del self._held[:octets]
        self._skip -= octets

    def _next(self, found: list[Frame]) -> bool:
        """Take one message; False when its rest has not come."""
        if self._held[:1].isdigit():
            return self._counted(found)
        end = self._held.find(b"\n", 0, LONGEST + 1)
        if end >= 0:
            line = bytes(self._held[:end]).rstrip(b"\r\0")
            del self._held[: end + 1]
            if line:
                found.append(Frame(line, whole=True))
            return True
        if len(self._held) <= LONGEST:
            return False
        found.append(Frame(bytes(self._held[:LONGEST]), whole=False))
        del self._held[:LONGEST]
        self._skip_line = True
        return True

    def _counted(self, found: list[Frame]) -> bool:
        space = self._held.find(b" ", 0, _COUNT_DIGITS + 1)
        if space < 0:
            if len(self._held) <= _COUNT_DIGITS and self._held.isdigit():
                return False
            raise MalformedPacket("a syslog stream with a count that is none")
        digits = bytes(self._held[:space])
        if not digits.isdigit() or digits.startswith(b"0"):
            raise MalformedPacket("a syslog stream with a count that is none")
        count, start = int(digits), space + 1
        wanted = min(count, LONGEST)
        if len(self._held) - start < wanted:
            return False
        message = bytes(self._held[start : start + wanted])
        del self._held[: start + wanted]
        self._skip = count - wanted
        found.append(Frame(message, whole=count <= LONGEST))
        return True
