"""Cuts a TCP stream into IPFIX messages: RFC 7011 section 10.4.2, by the length in each header.

Pure. A stream that does not begin with a message header where one is due cannot be read on: what
comes after it can be told apart by nothing.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from common.errors import MalformedPacket
from traffic.decoders.ipfix import HEADER_OCTETS
from traffic.decoders.sessions import VERSION

_START = struct.Struct("!HH")


class Message(NamedTuple):
    """One message; `whole` is False when the connection ended in it."""

    octets: bytes
    whole: bool


class MessageFramer:
    """One connection's octets; `feed` returns the messages that they complete."""

    def __init__(self) -> None:
        self._held = bytearray()

    @property
    def waiting(self) -> int:
        """Octets that wait for the rest of their message."""
        return len(self._held)

    def feed(self, octets: bytes) -> list[Message]:
        """The messages that end in `octets`.

        Raises:
            MalformedPacket: where a message is due something else stands.
        """
        self._held += octets
        found: list[Message] = []
        position = 0
        try:
            while len(self._held) - position >= _START.size:
                version, length = _START.unpack_from(self._held, position)
                if version != VERSION or length < HEADER_OCTETS:
                    raise MalformedPacket("an IPFIX stream without a message header", position)
                if len(self._held) - position < length:
                    break
                found.append(Message(bytes(self._held[position : position + length]), whole=True))
                position += length
        except MalformedPacket:
            if not found:
                raise
            # What was whole counts; the next call finds the same octets and says so.
        del self._held[:position]
        return found

    def finish(self) -> list[Message]:
        """What had come of a message when the connection ended: kept, because it is evidence."""
        held, self._held = bytes(self._held), bytearray()
        return [Message(held, whole=False)] if held else []
