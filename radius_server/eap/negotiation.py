"""Which EAP method is spoken, and its course: proposals, Nak, the method itself. RFC 3748.

The same for the outside and for the inside of a tunnel: it yields `Ask` for an EAP-Request
and is sent the EAP-Response, or yields a question. How they travel is the caller's matter.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from common.errors import EapViolation
from identity.domain.access import Decision, Denied, Granted, Method, Reason
from identity.domain.admission import find_code
from radius_server.eap.methods import EapMethod, MethodResult, Send
from radius_server.eap.packet import Response, Type
from radius_server.process.admission import admit
from radius_server.process.questions import AccessRequest, Answered, Proof, Question

_TAIL = 3
"""How much of a voucher code a log may show: the code is a credential."""

_KEPT = frozenset({Method.VOUCHER, Method.TOKEN})


@dataclass(slots=True)
class Ask:
    """Send this EAP-Request. Answer: the peer's Response."""

    type: int
    type_data: bytes = field(repr=False)
    if_abandoned: Denied | None = None
    is_fragment: bool = False
    """Both as in Send."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A method that may be proposed.

    `start(request, identity)` begins it. A tunnel asks for admission itself, because it has
    to tell the peer of a refusal inside.
    """

    type: Type
    name: str
    method: Method
    start: Callable[[AccessRequest, str], EapMethod]
    is_tunnel: bool = False


@dataclass(slots=True)
class Course:
    """What the parts of one conversation share.

    `next_identifier` is that of the next EAP-Request outside, kept by whoever sends it.
    `taken` is what the peer took: its method outside ("eap") and inside ("inner").
    `refusals` has one item as soon as a check has failed for good.
    """

    trace: list[str] = field(default_factory=list)
    next_identifier: int = 0
    taken: dict[str, Type] = field(default_factory=dict)
    refusals: list[Answered] = field(default_factory=list)
    tunnel: Method | None = None
    """Whose inside this is."""
    requests: list[AccessRequest] = field(default_factory=list)
    """What is decided on, outside and inside: each is of the time of the latest packet."""

    def inside(self, tunnel: Method, next_identifier: int) -> Course:
        """The course of what is spoken inside of a tunnel; all but the Identifiers is shared."""
        return replace(self, next_identifier=next_identifier, tunnel=tunnel)

    def renew(self, latest: AccessRequest) -> None:
        """The peer's next packet has come: what is decided from now on is decided at its time."""
        for request in self.requests:
            request.now = latest.now

    def refuse(self, decision: Decision, identity: str) -> None:
        """Before the peer is told of a refusal: it is written down with what tells it."""
        if self.refusals or not isinstance(decision, Denied):
            return
        trace = tuple(self.trace)
        if self.tunnel is not None:
            decision = labelled(decision, self.tunnel)
            trace = (*trace, f"policy:{decision.reason.value}")
        self.refusals.append(Answered(decision=decision, identity=identity, trace=trace))


InnerOffers = Callable[[Course], Sequence[Offer]]
"""The methods that may be spoken inside of a tunnel, in order."""

Negotiation = Generator[Question | Ask, Any, MethodResult]


def negotiate(
    request: AccessRequest, identity: str, offers: Sequence[Offer], course: Course, prefix: str
) -> Negotiation:
    """Propose `offers` in order until the peer takes one, and see it through.

    Args:
        course: its trace gets an item `PREFIX:method=NAME` for each proposal.

    Raises:
        EapViolation: the peer answers with a type that was not asked for.
    """
    if course.tunnel is not None:
        course.requests.append(request)
    remaining = list(offers)
    while remaining:
        offer = remaining.pop(0)
        course.trace.append(f"{prefix}:method={offer.name}")
        method = offer.start(request, identity)
        result = yield from _run(offer, method, course, identity)
        if isinstance(result, Response):
            course.trace.append(f"{prefix}:nak={','.join(str(kind) for kind in result.type_data)}")
            remaining = [other for other in remaining if other.type in result.type_data]
            continue
        course.taken[prefix] = offer.type
        if isinstance(result.decision, Granted) and not offer.is_tunnel:
            result.decision = yield from _admitted(request, result.decision)
        return result
    return MethodResult(Denied(Reason.EAP_NO_METHOD, Method.EAP))


def _run(
    offer: Offer, method: EapMethod, course: Course, identity: str
) -> Generator[Question | Ask, Any, MethodResult | Response]:
    """The method's result, or the Nak that its first request was answered with."""
    answer: Any = None
    begun = False
    while True:
        try:
            step = method.send(answer)
        except StopIteration as ended:
            result: MethodResult = ended.value
            break
        if not isinstance(step, Send):
            answer = yield step
            continue
        response: Response = yield Ask(
            offer.type, step.type_data, step.if_abandoned, step.is_fragment
        )
        # RFC 3748 section 5.3.1: only a first request may be answered with a Nak.
        if response.type == Type.NAK and not begun:
            method.close()
            return response
        if response.type != offer.type:
            method.close()
            raise EapViolation(f"type_{response.type}_instead_of_{int(offer.type)}")
        answer, begun = response.type_data, True
    if result.failure:
        course.refuse(result.decision, result.identity or identity)
        yield Ask(offer.type, result.failure)
    return result


_Decision = TypeVar("_Decision", bound=Decision)


def _admitted(request: AccessRequest, granted: Granted) -> Proof:
    """The limits of now: the method may have asked with the time at which its answer came."""
    refusal = granted.account.refusal(request.now)
    if refusal is not None:
        return Denied(refusal, granted.method, granted.account.account_id)
    return (yield from admit(request, granted))


def labelled(decision: _Decision, method: Method) -> _Decision:
    """The same decision, come to by `method`; a voucher or a token stays what it is."""
    if isinstance(decision, Granted | Denied) and decision.method not in _KEPT:
        return replace(decision, method=method)
    return decision


def shown(identity: str) -> str:
    """`identity` as a trace may show it: short, printable, and no voucher code."""
    if find_code(identity) is not None:
        return f"…{identity.strip()[-_TAIL:]}"
    return "".join(sign if sign.isprintable() else "�" for sign in identity[:64])
