"""A stream of RADIUS packets cut into packets. RFC 6613 section 2.6.1. Pure."""

from __future__ import annotations

from common.errors import MalformedPacket
from radius_server.packet.packet import HEADER_OCTETS, MAXIMUM_OCTETS


class Framer:
    """Holds what has come of a packet until the rest is there; never more than one packet.

    A wrong Length leaves no way to find the next packet: whoever feeds closes the connection.
    """

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, octets: bytes) -> list[bytes]:
        """The packets that are whole now, in the order they came.

        Raises:
            MalformedPacket: a Length below 20 or above 4096 (RFC 2865 section 3).
        """
        octets = self._rest + octets
        packets, at, end = [], 0, len(octets)
        while end - at >= 4:
            length = octets[at + 2] << 8 | octets[at + 3]
            if not HEADER_OCTETS <= length <= MAXIMUM_OCTETS:
                raise MalformedPacket(f"length field says {length}", 2)
            if end - at < length:
                break
            packets.append(octets[at : at + length])
            at += length
        self._rest = octets[at:]
        return packets

    @property
    def waiting(self) -> int:
        """Octets of a packet that is not whole yet."""
        return len(self._rest)
