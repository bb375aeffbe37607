"""Recognises sFlow datagrams, which carry samples of packets and no flows.

sFlow version 5 and 4 begin with a 32-bit version and the type of the agent's address. Decodes
nothing: a sample cannot say that a flow did not take place.
"""

from __future__ import annotations

import struct

_START = struct.Struct("!II")
_VERSIONS = frozenset({2, 4, 5})
_AGENT_OCTETS = {1: 4, 2: 16}
"""Address type and the octets of the address."""

_REST_OCTETS = 12
"""Sequence number, uptime and count at the least."""


def is_sflow(datagram: memoryview) -> bool:
    """True when `datagram` begins as an sFlow datagram does."""
    if len(datagram) < _START.size:
        return False
    version, kind = _START.unpack_from(datagram)
    octets = _AGENT_OCTETS.get(kind)
    return (
        version in _VERSIONS
        and octets is not None
        and len(datagram) >= _START.size + octets + _REST_OCTETS
    )
