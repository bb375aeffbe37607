"""PEAPv0: EAP inside TLS, as Windows and the supplicants that follow it speak it.

[MS-PEAP]; draft-kamath-pppext-peapv0. Inside, EAP packets travel without Code, Identifier and
Length, but for the Extensions method (type 33), which tells the result and binds the inner
method to the tunnel. TLS 1.3: RFC 9427.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Generator
from dataclasses import replace
from enum import IntEnum
from typing import Any

from common.errors import EapViolation
from identity.domain.access import Decision, Denied, Granted, Method, Reason, Unavailable
from radius_server.eap.methods import EapMethod, MethodResult, Send
from radius_server.eap.negotiation import Ask, InnerOffers, negotiate, shown
from radius_server.eap.packet import (
    HEADER_OCTETS,
    OVERHEAD_OCTETS,
    Code,
    Response,
    Type,
    encode_request,
    peer_identity,
)
from radius_server.eap.tls import MSK_OCTETS
from radius_server.eap.tunnel import Tools, Tunnel, guarded
from radius_server.process.questions import AccessRequest, Question

Steps = Generator[Question | Send, Any, MethodResult]

_MANDATORY = 0x8000
_TYPE_BITS = 0x3FFF
_TLV_HEADER_OCTETS = 4
_SUCCESS, _FAILURE = 1, 2

_BINDING_REQUEST, _BINDING_RESPONSE = 0, 1
_BINDING_OCTETS = 56
_MAC_OCTETS = 20
_NONCE_OCTETS = 32

_TEMPORARY_KEY_OCTETS = 40
_INNER_KEY_OCTETS = 32
_COMPOUND_OCTETS = 60


class Tlv(IntEnum):
    """[MS-PEAP] section 2.2.8."""

    RESULT = 3
    CRYPTOBINDING = 12


def peap(
    request: AccessRequest, identity: str, tools: Tools, inner_offers: InnerOffers
) -> EapMethod:
    """The method, as PEAP version 0.

    Args:
        identity: the outer one; it proves nothing and may be anonymous.
        inner_offers: the EAP methods that may be spoken inside, in order.
    """
    tunnel = Tunnel(Type.PEAP, Method.EAP_PEAP, request, tools)
    return (yield from guarded(Method.EAP_PEAP, _peap(request, tunnel, tools, inner_offers)))


def _peap(request: AccessRequest, tunnel: Tunnel, tools: Tools, inner_offers: InnerOffers) -> Steps:
    yield from tunnel.open()
    if tunnel.session is not None:
        decision = yield from tunnel.resumed_decision()
        return (yield from _conclude(tunnel, tools, decision, tunnel.session.username, None))
    yield from tunnel.finish_handshake()
    inside = _Inside(tunnel, tools)
    response = yield from inside.ask(Ask(Type.IDENTITY, b""))
    if response.type != Type.IDENTITY:
        raise EapViolation("no_inner_identity")
    name = peer_identity(response.type_data)
    tunnel.trace(f"inner:identity={shown(name)}")
    inner = replace(request, user_name=name, eap_message=None, call_check=False)
    offers = inner_offers(inside.course)
    result = yield from inside.carry(negotiate(inner, name, offers, inside.course, "inner"))
    for item in result.trace:
        tunnel.trace(item)
    tunnel.ends_at = result.ends_at  # a certificate's, which is not shown again when it is resumed
    inner_key = result.msk[:_INNER_KEY_OCTETS].ljust(_INNER_KEY_OCTETS, b"\0")
    return (
        yield from _conclude(tunnel, tools, result.decision, result.identity or name, inner_key)
    )


class _Inside:
    """EAP without headers. Its Identifiers are those of the packets outside."""

    def __init__(self, tunnel: Tunnel, tools: Tools) -> None:
        self._tunnel = tunnel
        self._outer = tools.course
        outer = tools.course
        self.course = outer.inside(Method.EAP_PEAP, outer.next_identifier)

    def ask(self, ask: Ask) -> Generator[Question | Send, Any, Response]:
        """One request and its response."""
        plain = bytes((ask.type,)) + ask.type_data
        answer = _headless((yield from self._tunnel.exchange(plain, ask.is_fragment)))
        self.course.next_identifier = self._outer.next_identifier
        return answer

    def carry(
        self, negotiation: Generator[Question | Ask, Any, MethodResult]
    ) -> Generator[Question | Send, Any, MethodResult]:
        """Take the requests of `negotiation` to the peer and pass its questions on."""
        answer: Any = None
        while True:
            try:
                step = negotiation.send(answer)
            except StopIteration as ended:
                result: MethodResult = ended.value
                return result
            answer = (yield from self.ask(step)) if isinstance(step, Ask) else (yield step)


def _headless(plain: bytes) -> Response:
    """An inner response; some peers leave the header on, and then it fits the length."""
    if not plain:
        raise EapViolation("inner_empty")
    has_header = (
        len(plain) >= OVERHEAD_OCTETS
        and plain[0] == Code.RESPONSE
        and int.from_bytes(plain[2:HEADER_OCTETS], "big") == len(plain)
    )
    if has_header:
        plain = plain[HEADER_OCTETS:]
    return Response(0, plain[0], plain[1:])


def _conclude(
    tunnel: Tunnel, tools: Tools, decision: Decision, identity: str, inner_key: bytes | None
) -> Steps:
    """Tell the result inside and bind it. [MS-PEAP] sections 3.1.5.5, 3.2.5.

    Args:
        inner_key: 32 octets of the inner method, zeros when it makes none; None when the
            session was resumed and there was no inner method.
    """
    if isinstance(decision, Unavailable):
        return MethodResult(decision)
    granted = isinstance(decision, Granted)
    tlvs = _tlv(Tlv.RESULT | _MANDATORY, (_SUCCESS if granted else _FAILURE).to_bytes(2, "big"))
    compound, mac_key = compound_keys(tunnel.keys(), inner_key)
    if granted:
        tlvs += cryptobinding(mac_key, _BINDING_REQUEST, secrets.token_bytes(_NONCE_OCTETS))
    else:
        tools.course.inside(Method.EAP_PEAP, 0).refuse(decision, identity)
    answer = yield from tunnel.exchange(
        encode_request(tools.course.next_identifier, Type.EXTENSIONS, tlvs)
    )
    if not granted:
        return tunnel.result(decision, identity)
    told = _read_tlvs(answer)
    if told.get(Tlv.RESULT) != _SUCCESS.to_bytes(2, "big"):
        tunnel.trace("peap:peer_refused")
        return tunnel.result(Denied(Reason.EAP_PROTOCOL, Method.EAP_PEAP, None), identity)
    binding = told.get(Tlv.CRYPTOBINDING)
    if binding is None:
        # A peer may know nothing of binding; then both use the keys of TLS alone.
        return tunnel.result(decision, identity)
    if not _binds(mac_key, binding):
        tunnel.trace("peap:cryptobinding_wrong")
        return tunnel.result(Denied(Reason.EAP_PROTOCOL, Method.EAP_PEAP, None), identity)
    tunnel.trace("peap:cryptobinding")
    return tunnel.result(decision, identity, session_key(compound))


def compound_keys(key_material: bytes, inner_key: bytes | None) -> tuple[bytes, bytes]:
    """IPMK (40 octets) and CMK (20) from the tunnel's keys. [MS-PEAP] section 3.1.5.5.2.2."""
    if inner_key is None:
        keys = key_material[:_COMPOUND_OCTETS]
    else:
        label = b"Inner Methods Compound Keys"
        keys = _prf_plus(key_material[:_TEMPORARY_KEY_OCTETS], label + inner_key, _COMPOUND_OCTETS)
    return keys[:_TEMPORARY_KEY_OCTETS], keys[_TEMPORARY_KEY_OCTETS:]


def session_key(compound: bytes) -> bytes:
    """The MSK of a bound PEAP login, from its IPMK. [MS-PEAP] section 3.1.5.5.2.2."""
    return _prf_plus(compound, b"Session Key Generating Function\0", MSK_OCTETS)


def cryptobinding(mac_key: bytes, subtype: int, nonce: bytes) -> bytes:
    """A Cryptobinding TLV with its Compound_MAC. [MS-PEAP] section 2.2.8.1.1."""
    # Reserved, Version 0, Received Version 0, SubType.
    bare = _tlv(Tlv.CRYPTOBINDING, bytes((0, 0, 0, subtype)) + nonce + bytes(_MAC_OCTETS))
    return bare[:-_MAC_OCTETS] + _compound_mac(mac_key, bare)


def _compound_mac(mac_key: bytes, bare: bytes) -> bytes:
    return hmac.digest(mac_key, bare + bytes((Type.PEAP,)), hashlib.sha1)


def _binds(mac_key: bytes, value: bytes) -> bool:
    """Whether the peer's Cryptobinding proves the same keys. Some send our nonce back."""
    if len(value) != _BINDING_OCTETS or value[:4] != bytes((0, 0, 0, _BINDING_RESPONSE)):
        return False
    bare = _tlv(Tlv.CRYPTOBINDING, value[:-_MAC_OCTETS] + bytes(_MAC_OCTETS))
    return hmac.compare_digest(_compound_mac(mac_key, bare), value[-_MAC_OCTETS:])


def _prf_plus(key: bytes, seed: bytes, octets: int) -> bytes:
    """PRF+ of PEAP version 0: HMAC-SHA-1, a counter and two zero octets behind the seed."""
    made, block = b"", b""
    while len(made) < octets:
        counter = len(made) // _MAC_OCTETS + 1
        block = hmac.digest(key, block + seed + bytes((counter, 0, 0)), hashlib.sha1)
        made += block
    return made[:octets]


def _tlv(kind: int, value: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value


def _read_tlvs(plain: bytes) -> dict[int, bytes]:
    """The TLVs of an EAP-Response of type Extensions, which has its header."""
    if len(plain) < OVERHEAD_OCTETS or plain[0] != Code.RESPONSE or plain[4] != Type.EXTENSIONS:
        raise EapViolation("no_result")
    found: dict[int, bytes] = {}
    at = OVERHEAD_OCTETS
    while at < len(plain):
        kind = int.from_bytes(plain[at : at + 2], "big")
        length = int.from_bytes(plain[at + 2 : at + 4], "big")
        at += _TLV_HEADER_OCTETS
        if at + length > len(plain):
            raise EapViolation("tlv_cut_short")
        found[kind & _TYPE_BITS] = plain[at : at + length]
        at += length
    return found
