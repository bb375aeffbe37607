"""A request proves one thing in one way, and names one person: what goes against that is refused.

RFC 2865 sections 4.1 and 5.44, RFC 3579 section 3.3. Which of two proofs counts would be the
server's guess, and the next server, or a look at the log, might guess otherwise.
"""

from __future__ import annotations

from collections import Counter

from radius_server.packet.codes import Attribute
from radius_server.packet.packet import HEADER_OCTETS, Packet, sub_attributes
from radius_server.process.mschap_login import (
    MICROSOFT,
    MS_CHAP2_RESPONSE,
    MS_CHAP_CHALLENGE,
    MS_CHAP_RESPONSE,
)

MICROSOFT_OCTETS = MICROSOFT.to_bytes(4, "big")
CHANGES = {3: "MS-CHAP-CPW-1", 4: "MS-CHAP-CPW-2", 27: "MS-CHAP2-CPW"}
"""A change of the password, RFC 2548 sections 2.1.6, 2.1.7 and 2.3.4: a proof of its own, which
none is granted beside. Who hears of a success would take the new password for the valid one."""

_PAP, _CHAP = int(Attribute.USER_PASSWORD), int(Attribute.CHAP_PASSWORD)
_ARAP = 70  # ARAP-Password, RFC 2869 section 5.4
_EAP = int(Attribute.EAP_MESSAGE)
_VENDOR_SPECIFIC = int(Attribute.VENDOR_SPECIFIC)
_PROOFS = {
    _PAP: "User-Password",
    _CHAP: "CHAP-Password",
    _ARAP: "ARAP-Password",
    _EAP: "EAP-Message",
}
_MICROSOFT_PROOFS = {
    MS_CHAP_RESPONSE: "MS-CHAP-Response",
    MS_CHAP2_RESPONSE: "MS-CHAP2-Response",
    **CHANGES,
}
_ONCE = {
    int(Attribute.USER_NAME): "User-Name",
    _PAP: "User-Password",
    _CHAP: "CHAP-Password",
    int(Attribute.STATE): "State",
    int(Attribute.CALLING_STATION_ID): "Calling-Station-Id",
    int(Attribute.CHAP_CHALLENGE): "CHAP-Challenge",
    _ARAP: "ARAP-Password",
}
"""What a proof is made of. Other attributes may come twice, whatever a table says: equipment
does so, and nobody gets in by them."""
_MICROSOFT_ONCE = _MICROSOFT_PROOFS | {MS_CHAP_CHALLENGE: "MS-CHAP-Challenge"}


def too_much(packet: Packet) -> str:
    """What an Access-Request has too much of, such as `User-Password+CHAP-Password`, or ""."""
    values = packet.values
    # Asked of every login: what nearly all are is found out first.
    several = (_PAP in values) + (_CHAP in values) + (_EAP in values) + (_ARAP in values) > 1
    has_microsoft = _VENDOR_SPECIFIC in values and MICROSOFT_OCTETS in packet.octets
    if not (several or has_microsoft or packet.has_repeats):
        return ""
    return (_repeated(packet) if packet.has_repeats else "") or _together(packet, has_microsoft)


def _together(packet: Packet, has_microsoft: bool) -> str:
    names = [name for kind, name in _PROOFS.items() if kind in packet.values]
    microsoft: Counter[int] = Counter()
    for value in packet.all(_VENDOR_SPECIFIC) if has_microsoft else ():
        for vendor, kind, _ in sub_attributes(value) or ():
            if vendor == MICROSOFT and kind in _MICROSOFT_ONCE:
                microsoft[kind] += 1
    for kind, count in microsoft.items():
        if count > 1:
            return f"{_MICROSOFT_ONCE[kind]}+{_MICROSOFT_ONCE[kind]}"
    names += [name for kind, name in _MICROSOFT_PROOFS.items() if kind in microsoft]
    return "+".join(names) if len(names) > 1 else ""


def _repeated(packet: Packet) -> str:
    octets, at, seen = packet.octets, HEADER_OCTETS, set()
    while at < len(octets):
        attribute = octets[at]
        if attribute in _ONCE:
            if attribute in seen:
                return f"{_ONCE[attribute]}+{_ONCE[attribute]}"
            seen.add(attribute)
        at += octets[at + 1]
    return ""
