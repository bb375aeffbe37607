"""One EAP conversation over RADIUS: identity, methods, and its end. RFC 3748, RFC 3579.

Every round is a `Challenge`; whatever goes wrong ends in EAP-Failure and a denial that says
why. The identity outside may be anonymous: who proved to be whom is in `Answered.identity`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from common.errors import EapViolation, MalformedPacket
from identity.domain.access import Denied, Granted, Method, Reason, Unavailable
from radius_server.eap.methods import MethodResult
from radius_server.eap.negotiation import Ask, Course, Offer, negotiate, shown
from radius_server.eap.packet import (
    Code,
    Response,
    Type,
    decode_response,
    encode_end,
    encode_request,
    peer_identity,
)
from radius_server.process.questions import (
    AccessRequest,
    Answered,
    Challenge,
    Dialogue,
    Question,
)

_MPPE_KEY_OCTETS = 32
_IDENTITY_OCTETS = 253

_GONE = Denied(Reason.EAP_LOST, Method.EAP)
"""What a conversation has come to whose peer says nothing more, if it failed no check before."""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """How long a conversation may get."""

    rounds: int = 50
    """Requests of ours, fragments apart; longer ones are loops or attacks."""
    fragments: int = 8
    """Times as many, fragments of either side with them: 40 octets a round."""


def converse(
    request: AccessRequest,
    offers: Callable[[AccessRequest, Course], Sequence[Offer]],
    ceilings: Ceilings,
    course: Course,
) -> Dialogue:
    """The conversation that `request` begins."""
    rounds = _Rounds(request, course, ceilings)
    identity = request.user_name
    try:
        identity = yield from rounds.identity()
        course.trace.append(f"eap:identity={shown(identity)}")
        result = yield from rounds.carry(
            negotiate(request, identity, offers(request, course), course, "eap")
        )
    except EapViolation as violation:
        course.trace.append(f"eap:violation={violation.reason}")
        result = MethodResult(Denied(Reason.EAP_PROTOCOL, Method.EAP))
    return _answered(result, identity, rounds.identifier, course.trace)


def _answered(
    result: MethodResult, identity: str, identifier: int, trace: list[str]
) -> Answered | Unavailable:
    decision = result.decision
    if isinstance(decision, Unavailable):
        return decision
    is_granted = isinstance(decision, Granted)
    return Answered(
        decision=decision,
        eap_message=encode_end(Code.SUCCESS if is_granted else Code.FAILURE, identifier),
        receive_key=result.msk[:_MPPE_KEY_OCTETS] if is_granted else b"",
        send_key=result.msk[_MPPE_KEY_OCTETS : 2 * _MPPE_KEY_OCTETS] if is_granted else b"",
        identity=result.identity or identity,
        trace=(*trace, *result.trace),
    )


class _Rounds:
    """Requests out and responses in, with their Identifiers."""

    def __init__(self, request: AccessRequest, course: Course, ceilings: Ceilings) -> None:
        self._request = request
        course.requests.append(request)
        self._course = course
        self._ceilings = ceilings
        self._count = 0
        self._packets = 0
        self.identifier = 0
        """That of the peer's last packet, or ours to it."""
        self.name = request.user_name
        """What the peer calls itself."""

    def identity(self) -> Generator[Question, Any, str]:
        """Who the peer says it is; asked for when it did not say so at once."""
        octets = self._request.eap_message or b""
        if octets:
            try:
                response = decode_response(octets)
            except MalformedPacket as error:
                raise EapViolation("malformed") from error
            self._number(response.identifier)
        else:
            # RFC 3579 section 2.1: an empty message asks the server to begin.
            response = yield from self._ask(Ask(Type.IDENTITY, b""))
        if response.type != Type.IDENTITY:
            raise EapViolation("no_identity")
        self.name = peer_identity(response.type_data[:_IDENTITY_OCTETS])
        return self.name

    def carry(
        self, negotiation: Generator[Question | Ask, Any, MethodResult]
    ) -> Generator[Question, Any, MethodResult]:
        """Take the requests of `negotiation` to the peer and pass its questions on."""
        answer: Any = None
        while True:
            try:
                step = negotiation.send(answer)
            except StopIteration as ended:
                result: MethodResult = ended.value
                return result
            answer = (yield from self._ask(step)) if isinstance(step, Ask) else (yield step)

    def _ask(self, ask: Ask) -> Generator[Question, Any, Response]:
        identifier = self._course.next_identifier
        octets = encode_request(identifier, ask.type, ask.type_data)
        self._step(ask.is_fragment or len(ask.type_data) <= 1)
        while True:
            request: AccessRequest = yield self._challenge(octets, ask)
            self._course.renew(request)
            try:
                response = decode_response(request.eap_message or b"")
            except MalformedPacket:
                response = None
            if response is not None and response.identifier == identifier:
                self._number(identifier)
                return response
            # RFC 3748 section 4.1: what does not fit is discarded. RADIUS wants an answer, so
            # the peer is asked the same again (RFC 3579 section 2.6.1).
            self._step(False)

    def _challenge(self, octets: bytes, ask: Ask) -> Challenge:
        refusal = next(iter(self._course.refusals), None)
        unproven = None
        # Whoever has not even said a name has tried nothing yet.
        if refusal is None and ask.type != Type.IDENTITY:
            failed = ask.if_abandoned
            step = "eap:unanswered" if failed is None else "eap:abandoned"
            trace = (*self._course.trace, step)
            unproven = Answered(decision=failed or _GONE, identity=self.name, trace=trace)
        return Challenge(octets, refusal, unproven)

    def _step(self, is_fragment: bool) -> None:
        self._packets += 1
        self._count += not is_fragment
        if (
            self._count > self._ceilings.rounds
            or self._packets > self._ceilings.rounds * self._ceilings.fragments
        ):
            raise EapViolation("too_many_rounds")

    def _number(self, identifier: int) -> None:
        self.identifier = identifier
        self._course.next_identifier = (identifier + 1) & 0xFF
