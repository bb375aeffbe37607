"""TEAP's fragments: those of EAP-TLS with a version, and TLVs outside of TLS. RFC 9930 section 4.1.

Outer TLVs travel in the first message of each side alone. They are not secret; the
Crypto-Binding proves later that nobody changed them.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from common.errors import EapViolation
from radius_server.eap.framing import Flags, Framing
from radius_server.eap.methods import Send

VERSION = 1

_OUTER_TLVS = 0x10
_VERSION_BITS = 0x07
_KNOWN_BITS = Flags.LENGTH | Flags.MORE | Flags.START
_LENGTH_OCTETS = 4


class TeapFraming(Framing):
    """One conversation's fragments.

    Args:
        octets: the longest EAP packet to send.
        outer: our Outer TLVs; they must fit into one packet.
    """

    def __init__(self, octets: int, outer: bytes) -> None:
        super().__init__(octets, versioned=True)
        self.outer = outer
        self.peer_outer = b""
        """The peer's Outer TLVs, once it has spoken."""
        self._outer_octets = 0
        self._has_spoken = False

    def start(self) -> Generator[Send, bytes, bytes]:
        """Open the conversation; the peer's first message."""
        return (yield from self._translated(super().start()))

    def exchange(self, message: bytes, is_fragment: bool = False) -> Generator[Send, bytes, bytes]:
        """Send `message` in as many fragments as it takes; the peer's next message.

        Args:
            is_fragment: what `message` holds is itself a fragment of something inside.

        Raises:
            EapViolation: the peer breaks the rules of fragments or speaks another version.
        """
        return (yield from self._translated(super().exchange(message, is_fragment)))

    def _translated(self, course: Generator[Send, bytes, bytes]) -> Generator[Send, bytes, bytes]:
        answer: Any = None
        while True:
            try:
                step = course.send(answer)
            except StopIteration as ended:
                message: bytes = ended.value
                return self._without_outer(message)
            translated = Send(self._to_send(step.type_data), is_fragment=step.is_fragment)
            answer = self._received((yield translated))

    def _to_send(self, type_data: bytes) -> bytes:
        flags = type_data[0] | VERSION
        if not flags & Flags.START:
            return bytes((flags,)) + type_data[1:]
        length = len(self.outer).to_bytes(_LENGTH_OCTETS, "big")
        return bytes((flags | _OUTER_TLVS,)) + length + self.outer

    def _received(self, type_data: bytes) -> bytes:
        """As EAP-TLS would have it."""
        if not type_data:
            return type_data
        flags, rest = type_data[0], type_data[1:]
        if flags & _VERSION_BITS != VERSION:
            raise EapViolation("version_wrong")
        if flags & _OUTER_TLVS:
            at = _LENGTH_OCTETS if flags & Flags.LENGTH else 0
            if len(rest) < at + _LENGTH_OCTETS:
                raise EapViolation("outer_length_missing")
            self._outer_octets = int.from_bytes(rest[at : at + _LENGTH_OCTETS], "big")
            rest = rest[:at] + rest[at + _LENGTH_OCTETS :]
        return bytes((flags & _KNOWN_BITS,)) + rest

    def _without_outer(self, message: bytes) -> bytes:
        """What is left for TLS; Outer TLVs of later messages count for nothing."""
        octets, self._outer_octets = self._outer_octets, 0
        if octets > len(message):
            raise EapViolation("outer_length_wrong")
        at = len(message) - octets
        if not self._has_spoken:
            self.peer_outer = message[at:]
            self._has_spoken = True
        return message[:at]
