"""What is said inside of TEAP: an inner method for each identity, results, bindings.

RFC 9930 sections 3.6, 4.2 and 4.3. Which identities there are and what comes of them is the
matter of `teap`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from common.errors import EapViolation, MalformedPacket
from identity.domain.access import Decision, Denied, Granted, Method, Reason
from radius_server.eap import teap_tlv as tlvs
from radius_server.eap.methods import MethodResult, Send
from radius_server.eap.negotiation import Ask, Course, InnerOffers, negotiate, shown
from radius_server.eap.packet import (
    Response,
    Type,
    decode_response,
    encode_request,
    peer_identity,
    readable,
)
from radius_server.eap.teap_keys import Binding, of_mschapv2
from radius_server.eap.teap_tlv import Error, IdentityType, Kind, Message, Status, Tlv, TlvViolation
from radius_server.eap.tunnel import Tools, Tunnel
from radius_server.process.admission import admit
from radius_server.process.proofs import prove
from radius_server.process.questions import AccessRequest, Question

PROMPT = b"Password"

_MAXIMUM_NAKS = 2
"""Messages in a row with a TLV that is not known here; whoever needs it cannot be helped."""


class Turn(StrEnum):
    """When Basic-Password-Auth is asked for."""

    FIRST = "first"
    LAST = "last"
    """After EAP, if the peer knows none of its methods."""
    NEVER = "never"


Steps = Generator[Question | Send, Any, MethodResult]
Heard = Generator[Question | Send, Any, Message]


@dataclass(slots=True)
class Proven:
    """What an inner method came to; its keys when it made some."""

    identity: IdentityType
    name: str
    decision: Decision
    ends_at: datetime | None = None
    made_keys: bool = False
    by_certificate: bool = False
    msk: bytes = field(default=b"", repr=False)
    emsk: bytes = field(default=b"", repr=False)


class Inside:
    """The conversation inside of one tunnel."""

    def __init__(
        self,
        request: AccessRequest,
        tunnel: Tunnel,
        tools: Tools,
        inner_offers: InnerOffers,
        binding: Binding,
        password: Turn,
    ) -> None:
        self._request = request
        self._tunnel = tunnel
        self._outer = tools.course
        self._inner_offers = inner_offers
        self._password = password
        self._due: tuple[Tlv, ...] = ()
        """What the last proof is bound by; it goes out with the next message."""
        self.binding = binding
        self.name = ""
        """Who the peer last said it is; it may not have been proven."""

    def prove(self, allowed: Sequence[IdentityType]) -> Generator[Question | Send, Any, Proven]:
        """Have the first of `allowed` proven, or another of them that the peer has.

        Raises:
            TlvViolation: the peer breaks the rules of TLVs.
            EapViolation: it breaks those of EAP, or refuses.
        """
        wanted = tlvs.identity_type(allowed[0])
        if self._password is Turn.FIRST:
            message = yield from self._say(wanted, Tlv(Kind.BASIC_PASSWORD_REQUEST, PROMPT))
            if message.password is not None or Kind.BASIC_PASSWORD_REQUEST not in message.refused:
                return (yield from self._by_password(message, allowed))
        course = self._outer.inside(Method.EAP_TEAP, self._outer.next_identifier)
        message = yield from self._say(wanted, _payload(course.next_identifier, Type.IDENTITY))
        identity = self._identity(message, allowed)
        if identity is None:
            return _without(allowed[0])
        response = _response(message, course.next_identifier)
        if response.type != Type.IDENTITY:
            raise TlvViolation("no_inner_identity")
        self.name = name = peer_identity(response.type_data)
        self._tunnel.trace(f"inner:identity={shown(name)}")
        result = yield from self._by_eap(name, response.identifier, course)
        decision = result.decision
        nothing_in_common = isinstance(decision, Denied) and decision.reason is Reason.EAP_NO_METHOD
        if nothing_in_common and self._password is Turn.LAST:
            message = yield from self._say(Tlv(Kind.BASIC_PASSWORD_REQUEST, PROMPT))
            return (yield from self._by_password(message, allowed, identity))
        msk = result.msk
        if course.taken.get("inner") == Type.MSCHAPV2:
            msk = of_mschapv2(msk)
        return Proven(
            identity,
            result.identity or name,
            decision,
            ends_at=result.ends_at,
            made_keys=True,
            by_certificate=course.taken.get("inner") == Type.TLS,
            msk=msk,
            emsk=result.emsk,
        )

    def refuse(self, decision: Decision, name: str) -> None:
        """Write a refusal down before the peer is told of it: it may hang up then."""
        self._outer.inside(Method.EAP_TEAP, 0).refuse(decision, name)

    def bind(self, proven: Proven) -> None:
        """Tie what was proven to the tunnel, with the next message. Section 3.6.5."""
        if proven.made_keys:
            self.binding.add(proven.msk, proven.emsk)
        else:
            self.binding.add_nothing()
        self._due = (tlvs.intermediate_result(Status.SUCCESS), self.binding.request())

    def bind_tunnel(self) -> None:
        """Bind the tunnel alone, when nothing was to be proven in it."""
        self.binding.add_nothing()
        self._due = (self.binding.request(),)

    def conclude(self) -> Generator[Question | Send, Any, None]:
        """Tell of the success and hear of the peer's.

        Raises:
            EapViolation: the peer does not agree, or cannot prove the same keys.
        """
        message = yield from self._say(tlvs.result(Status.SUCCESS))
        # Section 3.6.5: what it asks for beyond is not done, and it has said what then counts.
        if message.result is None and message.action is not Status.SUCCESS:
            raise TlvViolation("result_missing")

    def _by_eap(self, name: str, identifier: int, course: Course) -> Steps:
        course.next_identifier = (identifier + 1) & 0xFF
        inner = replace(self._request, user_name=name, eap_message=None, call_check=False)
        negotiation = negotiate(inner, name, self._inner_offers(course), course, "inner")
        answer: Any = None
        while True:
            try:
                step = negotiation.send(answer)
            except StopIteration as ended:
                result: MethodResult = ended.value
                break
            if isinstance(step, Ask):
                number = course.next_identifier
                payload = _payload(number, step.type, step.type_data)
                message = yield from self._say(payload, is_fragment=step.is_fragment)
                answer = _response(message, number)
                course.next_identifier = (number + 1) & 0xFF
            else:
                answer = yield step
        for item in result.trace:
            self._tunnel.trace(item)
        return result

    def _by_password(
        self,
        message: Message,
        allowed: Sequence[IdentityType],
        known: IdentityType | None = None,
    ) -> Generator[Question | Send, Any, Proven]:
        """Section 3.6.2. One round: a wrong password is the end."""
        if message.password is None:
            if Kind.BASIC_PASSWORD_REQUEST in message.refused:
                return _without(known or allowed[0])
            raise TlvViolation("no_password")
        identity = known or self._identity(message, allowed)
        if identity is None:
            return _without(allowed[0])
        octets, password = message.password
        self.name = name = readable(octets)
        self._tunnel.trace(f"inner:password={shown(name)}")
        if b"\0" in octets:
            # No account has such a name, and no database takes it.
            return Proven(identity, name, Denied(Reason.BAD_NAME, Method.EAP_TEAP))
        inner = replace(self._request, user_name=name, eap_message=None, call_check=False)
        self._outer.requests.append(inner)
        inner.password = password
        decision = yield from prove(inner)
        if isinstance(decision, Granted):
            decision = yield from admit(inner, decision)
        return Proven(identity, name, decision)

    def _identity(self, message: Message, allowed: Sequence[IdentityType]) -> IdentityType | None:
        """Whose proof follows; None: of nobody who may come in. Section 4.2.3."""
        if message.identity is None:
            return allowed[0]
        for identity in allowed:
            if identity == message.identity:
                self._tunnel.trace(f"teap:{identity.name.lower()}")
                return identity
        self._tunnel.trace(f"teap:{allowed[0].name.lower()}_missing")
        return None

    def _say(self, *said: Tlv, is_fragment: bool = False) -> Heard:
        """Say it, with the binding that is due, and hear the answer."""
        due, self._due = self._due, ()
        plain = yield from self._tunnel.exchange(tlvs.encode((*due, *said)), is_fragment)
        for _ in range(_MAXIMUM_NAKS + 1):
            if not plain:
                # A peer that acknowledges only has given up.
                raise EapViolation("inner_empty")
            message = tlvs.read(plain)
            if message.unknown is None:
                self._heed(message, due)
                return message
            self._tunnel.trace(f"teap:unknown_tlv={message.unknown.kind}")
            plain = yield from self._tunnel.exchange(tlvs.encode((tlvs.nak(message.unknown),)))
        raise TlvViolation("tlv_unknown")

    def _heed(self, message: Message, due: Sequence[Tlv]) -> None:
        """A refusal ends it; what was due must be answered before anything else counts."""
        if Status.FAILURE in (message.result, message.intermediate, message.action):
            codes = ",".join(str(code) for code in message.errors)
            self._tunnel.trace(f"teap:peer_refused={codes}")
            raise EapViolation("peer_refused")
        if not due:
            if message.binding is not None:
                raise TlvViolation("binding_unexpected")
            return
        if message.binding is None:
            raise TlvViolation("binding_missing", Error.TUNNEL_COMPROMISE)
        self.binding.check(message.binding)
        if due[0].kind == Kind.INTERMEDIATE_RESULT and message.intermediate is None:
            raise TlvViolation("intermediate_result_missing")
        self._tunnel.trace("teap:cryptobinding")


def _without(identity: IdentityType) -> Proven:
    """The peer has no method, or no identity, that is wanted here."""
    return Proven(identity, "", Denied(Reason.EAP_NO_METHOD, Method.EAP_TEAP))


def _payload(number: int, kind: int, type_data: bytes = b"") -> Tlv:
    return Tlv(Kind.EAP_PAYLOAD, encode_request(number, kind, type_data))


def _response(message: Message, number: int) -> Response:
    if message.eap is None:
        raise TlvViolation("no_inner_eap")
    try:
        response = decode_response(message.eap)
    except MalformedPacket as error:
        raise TlvViolation("inner_malformed") from error
    if response.identifier != number:
        raise TlvViolation("inner_identifier_wrong")
    return response
