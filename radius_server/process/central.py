"""Central web authentication: an unknown device is let as far as the portal, no further.

The controller asks by MAC address. Whom nobody knows gets an Access-Accept that opens nothing: it
names the list by which the controller redirects, and the address it redirects to. When the
portal has proven somebody it has the controller ask again, and the answer is that account's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from identity.domain.access import Denied, Granted, Method, Reason, Unavailable
from identity.domain.central import (
    SESSION_SECONDS,
    Caught,
    CentralTerms,
    NotSent,
    is_session,
    redirect_to,
)
from radius_server.packet.authenticator import encode, encode_vendor
from radius_server.packet.codes import Attribute
from radius_server.packet.packet import Packet, sub_attributes
from radius_server.process.admission import admit
from radius_server.process.known_secrets import if_active
from radius_server.process.questions import (
    AccessRequest,
    Answered,
    Central,
    Dialogue,
    FindAccount,
    FindWebGrant,
)
from radius_server.process.voucher_code import ssid_of

_CISCO, _AV_PAIR = 9, 1
_AUDIT_SESSION = b"audit-session-id="
_LONGEST_CALLING = 32


def connection_of(
    terms: CentralTerms | NotSent, packet: Packet, source: tuple[Any, ...]
) -> Central | NotSent | None:
    """What the controller tells of the connection it asks for; None when it names none.

    NotSent where it redirects nobody: its other networks would take an Access-Accept for a yes.
    """
    if isinstance(terms, NotSent):
        return terms
    called = packet.values.get(Attribute.CALLED_STATION_ID, b"")
    ssid = ssid_of(called)
    if ssid not in terms.ssids:
        return NotSent.OTHER_SSID if ssid else NotSent.SSID_UNTOLD
    connection = _audit_session(packet)
    if not is_session(connection):
        return None
    return Central(
        terms=terms,
        connection=connection,
        calling=(packet.text(Attribute.CALLING_STATION_ID) or "")[:_LONGEST_CALLING],
        nas_address=next(_nas_addresses(packet), ""),
        source=str(source[0]).partition("%")[0],
    )


def _audit_session(packet: Packet) -> str:
    for value in packet.all(Attribute.VENDOR_SPECIFIC):
        for vendor, kind, inner in sub_attributes(value) or ():
            if (vendor, kind) == (_CISCO, _AV_PAIR) and inner.startswith(_AUDIT_SESSION):
                return inner.removeprefix(_AUDIT_SESSION).decode("ascii", "replace")
    return ""


def _nas_addresses(packet: Packet) -> Iterator[str]:
    for value in packet.all(Attribute.NAS_IP_ADDRESS):
        if len(value) == 4:
            yield ".".join(map(str, value))


def central_login(request: AccessRequest, central: Central | NotSent, mac: str) -> Dialogue:
    """A device that nobody has registered: its user's account, or the way to the portal."""
    if isinstance(central, NotSent):
        return Denied(Reason.UNKNOWN_DEVICE, Method.MAC, step=central)
    found = yield FindWebGrant(request.nas_client_id, mac, central.connection)
    if isinstance(found, Unavailable):
        return found
    if isinstance(found, Denied):
        return _sent(request, central, mac, found)
    account = None
    if found is not None:
        account = yield FindAccount(found.username)
        if isinstance(account, Unavailable):
            return account
    if account is None:
        return _sent(request, central, mac, Denied(Reason.SENT_TO_PORTAL, Method.MAC))
    if found is not None:
        # Asked again, the controller is told what is left, and no more than was granted.
        ends_at = min(account.expires_at or found.ends_at, found.ends_at)
        account = replace(account, expires_at=ends_at)
    decision = if_active(request, account, Method.PORTAL)
    if isinstance(decision, Granted):
        decision = yield from admit(request, decision)
    if isinstance(decision, Denied):
        # At the portal they can read why.
        return _sent(request, central, mac, decision)
    return decision


def _sent(request: AccessRequest, central: Central, mac: str, why: Denied) -> Denied | Answered:
    caught = Caught(
        station=mac,
        session=central.connection,
        calling=central.calling,
        nas_address=central.nas_address,
        source=central.source,
        issued_at=request.now,
    )
    terms = central.terms
    address = redirect_to(terms, request.nas_client_id, caught)
    if address is None:
        # Cut off it would be no address; `doctor` tells of it.
        return Denied(Reason.UNKNOWN_DEVICE, Method.MAC, step=NotSent.TOO_LONG)
    pairs = (f"url-redirect-acl={terms.acl}", f"url-redirect={address}")
    attributes = b"".join(encode_vendor(_CISCO, _AV_PAIR, pair.encode()) for pair in pairs)
    timeout = SESSION_SECONDS.to_bytes(4, "big")
    return Answered(
        decision=why,
        attributes=attributes + encode(Attribute.SESSION_TIMEOUT, timeout),
        trace=("central:sent_to_portal",),
        opens_portal=True,
    )
