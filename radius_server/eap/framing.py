"""EAP-TLS fragments: whole TLS messages in, pieces that fit the link out, and back.

RFC 5216 section 3.1, also used by TTLS (RFC 5281 section 9.1) and PEAP. Sends and receives
only through `Send`; knows nothing of what the messages hold.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from common.errors import EapViolation
from radius_server.eap.methods import Send
from radius_server.eap.packet import OVERHEAD_OCTETS

MAXIMUM_MESSAGE_OCTETS = 1 << 16
"""A flight with a long certificate chain has 10,000 octets; nobody honest has more than this."""

MINIMUM_LINK_OCTETS = 64
"""No link carries less; a Framed-MTU below it is a mistake of the NAS."""

_LAN_OCTETS = 4
"""Version, Type and Body Length of IEEE 802.1X, which go before the EAP packet."""

_VERSION_BITS = 0x07
_LENGTH_OCTETS = 4
_ACKNOWLEDGEMENT = Send(b"\0", is_fragment=True)


class Flags:
    """The octet before the data. The low three bits are a version in TTLS and PEAP: ours is 0.

    Plain integers: an IntFlag costs twenty times as much, for every packet.
    """

    LENGTH: Final = 0x80
    MORE: Final = 0x40
    START: Final = 0x20


def link_octets(framed_mtu: int | None, configured: int) -> int:
    """How long an EAP packet of ours may be: what is configured, or less when the link says so.

    RFC 3580 section 3.10: four octets less than Framed-MTU. One above what is configured is not
    used: the packet still has to fit into a RADIUS packet that no router on the way should have
    to cut.
    """
    if not framed_mtu:
        return configured
    return min(max(framed_mtu, MINIMUM_LINK_OCTETS) - _LAN_OCTETS, configured)


class Framing:
    """One TLS conversation's fragments.

    Args:
        octets: the longest EAP packet to send.
        versioned: whether the low bits of Flags are a version, which must be 0.
    """

    def __init__(self, octets: int, versioned: bool) -> None:
        self._room = octets - OVERHEAD_OCTETS - 1
        self._versioned = versioned

    def start(self) -> Generator[Send, bytes, bytes]:
        """Open the conversation; the peer's first message."""
        return (yield from self._receive((yield Send(bytes((Flags.START,))))))

    def exchange(self, message: bytes, is_fragment: bool = False) -> Generator[Send, bytes, bytes]:
        """Send `message` in as many fragments as it takes; the peer's next message, maybe empty.

        Args:
            is_fragment: what `message` holds is itself a fragment of something inside.

        Raises:
            EapViolation: the peer breaks the rules of fragments or sends too much.
        """
        if len(message) <= self._room:
            whole = Send(b"\0" + message, is_fragment=is_fragment)
            return (yield from self._receive((yield whole)))
        at = self._room - _LENGTH_OCTETS
        head = bytes((Flags.LENGTH | Flags.MORE,)) + len(message).to_bytes(_LENGTH_OCTETS, "big")
        answer = yield Send(head + message[:at], is_fragment=True)
        while at < len(message):
            self._acknowledged(answer)
            upto = at + self._room
            more = Flags.MORE if upto < len(message) else 0
            piece = bytes((more,)) + message[at:upto]
            answer = yield Send(piece, is_fragment=bool(more) or is_fragment)
            at = upto
        return (yield from self._receive(answer))

    def _acknowledged(self, type_data: bytes) -> None:
        """Between our fragments the peer says nothing (RFC 5216 section 2.1.5)."""
        flags, data = self._split(type_data)[::2]
        if data or flags & Flags.MORE:
            raise EapViolation("fragment_not_acknowledged")

    def _receive(self, type_data: bytes) -> Generator[Send, bytes, bytes]:
        flags, announced, data = self._split(type_data)
        if not flags & Flags.MORE:
            if announced is not None and announced != len(data):
                raise EapViolation("message_length_wrong")
            return data
        message = bytearray(data)
        while flags & Flags.MORE:
            if not data:
                raise EapViolation("fragment_empty")
            flags, again, data = self._split((yield _ACKNOWLEDGEMENT))
            # Some peers repeat the length in every fragment; it must not change.
            if again is not None and again != announced:
                raise EapViolation("message_length_changed")
            message += data
            if len(message) > (MAXIMUM_MESSAGE_OCTETS if announced is None else announced):
                raise EapViolation("message_too_long")
        if announced is not None and announced != len(message):
            raise EapViolation("message_length_wrong")
        return bytes(message)

    def _split(self, type_data: bytes) -> tuple[int, int | None, bytes]:
        """Flags, TLS Message Length if given, data."""
        if not type_data:
            raise EapViolation("flags_missing")
        flags = type_data[0]
        if flags & Flags.START or (self._versioned and flags & _VERSION_BITS):
            raise EapViolation("flags_wrong")
        if not flags & Flags.LENGTH:
            return flags, None, type_data[1:]
        if len(type_data) < 1 + _LENGTH_OCTETS:
            raise EapViolation("message_length_missing")
        announced = int.from_bytes(type_data[1 : 1 + _LENGTH_OCTETS], "big")
        if announced > MAXIMUM_MESSAGE_OCTETS:
            raise EapViolation("message_too_long")
        return flags, announced, type_data[1 + _LENGTH_OCTETS :]
