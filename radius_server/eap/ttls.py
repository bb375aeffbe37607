"""EAP-TTLSv0 (RFC 5281): what a peer proves by attributes inside TLS.

PAP, CHAP, MS-CHAP, MS-CHAPv2 and EAP are told apart by the attributes of the first message.
Who is proven by them is decided by the same dialogues as outside of a tunnel.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from common.errors import EapViolation, MalformedPacket
from identity.domain.access import Decision, Denied, Granted, Method, Reason
from radius_server.eap.avp import Avp, decode_avps, encode_avp
from radius_server.eap.methods import EapMethod, MethodResult, Send
from radius_server.eap.negotiation import Ask, InnerOffers, negotiate, shown
from radius_server.eap.packet import (
    Response,
    Type,
    decode_response,
    encode_request,
    peer_identity,
    readable,
)
from radius_server.eap.tunnel import Tools, Tunnel, guarded
from radius_server.packet.codes import Attribute
from radius_server.process.admission import admit
from radius_server.process.mschap import Response1, Response2
from radius_server.process.mschap_login import (
    MICROSOFT,
    MS_CHAP2_RESPONSE,
    MS_CHAP2_SUCCESS,
    MS_CHAP_CHALLENGE,
    MS_CHAP_RESPONSE,
    MschapProof,
    mschap1,
    mschap2,
)
from radius_server.process.one_proof import CHANGES
from radius_server.process.proofs import prove
from radius_server.process.questions import AccessRequest, Question

_CHAP_CHALLENGE_OCTETS = 16
_MSCHAP_CHALLENGE_OCTETS = 8
_IDENTIFIER_OCTETS = 1

Attributes = dict[tuple[int, int], bytes]
Steps = Generator[Question | Send, Any, MethodResult]


def ttls(
    request: AccessRequest, identity: str, tools: Tools, inner_offers: InnerOffers
) -> EapMethod:
    """The method, as TTLS version 0.

    Args:
        identity: the outer one; it proves nothing and may be anonymous.
        inner_offers: the EAP methods that may be spoken inside, in order.
    """
    tunnel = Tunnel(Type.TTLS, Method.EAP_TTLS, request, tools)
    return (yield from guarded(Method.EAP_TTLS, _ttls(request, tunnel, tools, inner_offers)))


def _ttls(request: AccessRequest, tunnel: Tunnel, tools: Tools, inner_offers: InnerOffers) -> Steps:
    yield from tunnel.open()
    if tunnel.session is not None:
        decision = yield from tunnel.resumed_decision()
        if isinstance(decision, Granted):
            yield from tunnel.acknowledge_tls_1_3()
        return tunnel.result(decision, tunnel.session.username)
    said = _read((yield from tunnel.listen()))
    _check_one_proof(said)
    eap = said.get((0, Attribute.EAP_MESSAGE))
    if eap is not None:
        return (yield from _eap(request, tunnel, tools, inner_offers, eap))
    octets = said.get((0, Attribute.USER_NAME), b"")
    name = readable(octets)
    if b"\0" in octets:
        # No account has such a name, and no database takes it.
        tunnel.trace(f"inner:unreadable={shown(name)}")
        return tunnel.result(Denied(Reason.BAD_NAME, Method.EAP_TTLS), name)
    inner = replace(request, user_name=name, eap_message=None, call_check=False)
    tools.course.requests.append(inner)
    if (MICROSOFT, MS_CHAP2_RESPONSE) in said:
        decision = yield from _mschap2(inner, tunnel, said)
    elif (MICROSOFT, MS_CHAP_RESPONSE) in said:
        decision = yield from _mschap1(inner, tunnel, said)
    else:
        decision = yield from _password(inner, tunnel, said)
    return tunnel.result(decision, name)


def _password(
    inner: AccessRequest, tunnel: Tunnel, said: Attributes
) -> Generator[Question, Any, Decision]:
    """PAP (RFC 5281 section 11.2.5) or CHAP (11.2.2)."""
    password = said.get((0, Attribute.USER_PASSWORD))
    chap = said.get((0, Attribute.CHAP_PASSWORD))
    if chap is not None:
        _check_challenge(
            tunnel,
            said.get((0, Attribute.CHAP_CHALLENGE), b""),
            chap[:_IDENTIFIER_OCTETS],
            _CHAP_CHALLENGE_OCTETS,
        )
        inner.chap_password, inner.chap_challenge = chap, said[0, Attribute.CHAP_CHALLENGE]
    elif password is not None:
        # The tunnel hides the length by zero octets at the end, like RADIUS itself.
        inner.password = password.rstrip(b"\0")
    else:
        raise EapViolation("no_inner_method")
    tunnel.trace(f"inner:{'pap' if chap is None else 'chap'}={shown(inner.user_name)}")
    return (yield from _admitted(inner, (yield from prove(inner))))


def _mschap1(
    inner: AccessRequest, tunnel: Tunnel, said: Attributes
) -> Generator[Question, Any, Decision]:
    """MS-CHAP. RFC 5281 section 11.2.3."""
    response = _response1(said[MICROSOFT, MS_CHAP_RESPONSE])
    challenge = said.get((MICROSOFT, MS_CHAP_CHALLENGE), b"")
    number = bytes((response.identifier,))
    _check_challenge(tunnel, challenge, number, _MSCHAP_CHALLENGE_OCTETS)
    tunnel.trace(f"inner:mschap={shown(inner.user_name)}")
    proof = yield from mschap1(inner, response, challenge)
    return (yield from _admitted(inner, proof.decision))


def _mschap2(
    inner: AccessRequest, tunnel: Tunnel, said: Attributes
) -> Generator[Question | Send, Any, Decision]:
    """MS-CHAPv2, whose success the peer wants proven too. RFC 5281 section 11.2.4."""
    try:
        response = Response2.of_attribute(said[MICROSOFT, MS_CHAP2_RESPONSE])
    except MalformedPacket as error:
        raise EapViolation("mschap_response_wrong") from error
    challenge = said.get((MICROSOFT, MS_CHAP_CHALLENGE), b"")
    number = bytes((response.identifier,))
    _check_challenge(tunnel, challenge, number, _CHAP_CHALLENGE_OCTETS)
    tunnel.trace(f"inner:mschapv2={shown(inner.user_name)}")
    proof: MschapProof = yield from mschap2(inner, inner.user_name.encode(), response, challenge)
    decision = yield from _admitted(inner, proof.decision)
    if isinstance(decision, Granted):
        told = number + proof.message.encode()
        # The acknowledgement says nothing; a peer that doubts us goes away.
        yield from tunnel.exchange(encode_avp(Avp(MICROSOFT, MS_CHAP2_SUCCESS, told)))
    return decision


def _eap(
    request: AccessRequest,
    tunnel: Tunnel,
    tools: Tools,
    inner_offers: InnerOffers,
    message: bytes,
) -> Steps:
    """EAP inside. RFC 5281 section 11.2.1: the peer begins with its Identity."""
    response = _inner_response(message)
    if response.type != Type.IDENTITY:
        raise EapViolation("no_inner_identity")
    name = peer_identity(response.type_data)
    tools.course.trace.append(f"inner:identity={shown(name)}")
    inner = replace(request, user_name=name, eap_message=None, call_check=False)
    outer = tools.course
    course = outer.inside(Method.EAP_TTLS, (response.identifier + 1) & 0xFF)
    negotiation = negotiate(inner, name, inner_offers(course), course, "inner")
    answer: Any = None
    while True:
        try:
            step = negotiation.send(answer)
        except StopIteration as ended:
            result: MethodResult = ended.value
            break
        if isinstance(step, Ask):
            number = course.next_identifier
            octets = encode_request(number, step.type, step.type_data)
            avp = encode_avp(Avp(0, Attribute.EAP_MESSAGE, octets))
            said = _read((yield from tunnel.exchange(avp, step.is_fragment)))
            answer = _inner_response(said.get((0, Attribute.EAP_MESSAGE), b""), number)
            course.next_identifier = (number + 1) & 0xFF
        else:
            answer = yield step
    tools.course.trace.extend(result.trace)
    tunnel.ends_at = result.ends_at  # a certificate's, which is not shown again when it is resumed
    return tunnel.result(result.decision, result.identity or name)


def _inner_response(octets: bytes, number: int | None = None) -> Response:
    try:
        response = decode_response(octets)
    except MalformedPacket as error:
        raise EapViolation("inner_malformed") from error
    if number is not None and response.identifier != number:
        raise EapViolation("inner_identifier_wrong")
    return response


def _admitted(inner: AccessRequest, decision: Decision) -> Generator[Question, Any, Decision]:
    if isinstance(decision, Granted):
        return (yield from admit(inner, decision))
    return decision


def _check_challenge(tunnel: Tunnel, challenge: bytes, number: bytes, octets: int) -> None:
    """The challenge must be the one that both ends of this tunnel know: RFC 5281 section 11.1.

    Whoever could choose it could replay an answer heard elsewhere.
    """
    if challenge + number != tunnel.engine.challenge(octets + _IDENTIFIER_OCTETS):
        raise EapViolation("challenge_not_of_this_tunnel")


def _response1(octets: bytes) -> Response1:
    try:
        return Response1.of_attribute(octets)
    except MalformedPacket as error:
        raise EapViolation("mschap_response_wrong") from error


_KNOWN = frozenset(
    {
        (0, int(Attribute.USER_NAME)),
        (0, int(Attribute.USER_PASSWORD)),
        (0, int(Attribute.CHAP_PASSWORD)),
        (0, int(Attribute.CHAP_CHALLENGE)),
        (0, int(Attribute.EAP_MESSAGE)),
        (MICROSOFT, MS_CHAP_CHALLENGE),
        (MICROSOFT, MS_CHAP_RESPONSE),
        (MICROSOFT, MS_CHAP2_RESPONSE),
        *((MICROSOFT, kind) for kind in CHANGES),
    }
)


_PROOFS = (
    (0, int(Attribute.USER_PASSWORD)),
    (0, int(Attribute.CHAP_PASSWORD)),
    (0, int(Attribute.EAP_MESSAGE)),
    (MICROSOFT, MS_CHAP_RESPONSE),
    (MICROSOFT, MS_CHAP2_RESPONSE),
    *((MICROSOFT, kind) for kind in CHANGES),
)


def _check_one_proof(said: Attributes) -> None:
    """The same rule as outside of the tunnel (`one_proof`): two proofs are none."""
    proofs = [key for key in _PROOFS if key in said]
    if len(proofs) > 1:
        told = "_".join(f"{vendor}_{code}" for vendor, code in proofs)
        raise EapViolation(f"several_proofs_{told}")


def _read(octets: bytes) -> Attributes:
    """The attributes of one message; those in several pieces are joined.

    Raises:
        EapViolation: one that must be understood (M bit) is not known here.
    """
    found: Attributes = {}
    for avp in decode_avps(octets):
        key = (avp.vendor, avp.code)
        if key not in _KNOWN:
            if avp.mandatory:
                raise EapViolation(f"avp_unknown_{avp.vendor}_{avp.code}")
            continue
        if key in found and key != (0, Attribute.EAP_MESSAGE):
            raise EapViolation(f"avp_repeated_{avp.vendor}_{avp.code}")
        found[key] = found.get(key, b"") + avp.value
    return found
