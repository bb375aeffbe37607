"""TEAP version 1: EAP methods and passwords in TLVs inside TLS. RFC 9930 (RFC 7170 before it).

Each identity that is asked for, the user's and maybe the machine's, is proven by an inner
method, and each proof is bound to the tunnel before the next one begins. Who decides is the
same as outside of a tunnel; the decision for the user, if there is one, is that of the login.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from common.errors import EapViolation
from identity.domain.access import Decision, Denied, Granted, Method, Reason, Unavailable
from radius_server.eap import teap_tlv as tlvs
from radius_server.eap.methods import EapMethod, MethodResult, Send
from radius_server.eap.negotiation import InnerOffers
from radius_server.eap.packet import Type
from radius_server.eap.teap_framing import TeapFraming
from radius_server.eap.teap_inside import Inside, Proven, Turn
from radius_server.eap.teap_keys import Binding
from radius_server.eap.teap_tlv import IdentityType, Kind, Status, Tlv, TlvViolation
from radius_server.eap.tunnel import Tools, Tunnel, guarded
from radius_server.process.admission import admit
from radius_server.process.known_secrets import as_of_now
from radius_server.process.questions import AccessRequest, Proof, Question

_USED_UP = frozenset({Method.VOUCHER, Method.TOKEN})
"""Was good when it was told, and may be of no account."""

Steps = Generator[Question | Send, Any, MethodResult]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the site wants of TEAP."""

    authority: bytes
    """Authority-ID: the same from every worker, another one at every site."""
    identities: tuple[IdentityType, ...] = (IdentityType.USER,)
    """Each of them must be proven, in this order unless the peer wants another."""
    password: Turn = Turn.LAST
    prefers_emsk: bool = False
    """Demand that an inner method which makes an EMSK is bound by it."""


def teap(
    request: AccessRequest,
    identity: str,
    tools: Tools,
    inner_offers: InnerOffers,
    settings: Settings,
) -> EapMethod:
    """The method.

    Args:
        identity: the outer one; it proves nothing and may be anonymous.
        inner_offers: the EAP methods that may be spoken inside, in order.
    """
    outer = tlvs.encode((Tlv(Kind.AUTHORITY_ID, settings.authority, mandatory=False),))
    framing = TeapFraming(tools.octets, outer)
    tunnel = Tunnel(Type.TEAP, Method.EAP_TEAP, request, tools, framing)
    course = _teap(request, tunnel, framing, tools, inner_offers, settings)
    return (yield from guarded(Method.EAP_TEAP, course))


def _teap(
    request: AccessRequest,
    tunnel: Tunnel,
    framing: TeapFraming,
    tools: Tools,
    inner_offers: InnerOffers,
    settings: Settings,
) -> Steps:
    yield from tunnel.open()
    outer = framing.outer + framing.peer_outer
    binding = Binding(tunnel.engine, outer, settings.prefers_emsk)
    inside = Inside(request, tunnel, tools, inner_offers, binding, settings.password)
    try:
        if tunnel.session is not None:
            return (yield from _resumed(tunnel, tunnel.session.username, inside))
        # An Identity-Hint may come here; it is a hint.
        yield from tunnel.finish_handshake()
        return (yield from _in_full(request, tunnel, inside, settings.identities))
    except EapViolation as violation:
        if isinstance(violation, TlvViolation):
            # Section 3.9.3: it is told why; what it answers does not matter.
            failure = tlvs.result(Status.FAILURE), tlvs.error(violation.error)
            yield from tunnel.exchange(tlvs.encode(failure))
        tunnel.trace(f"eap:violation={violation.reason}")
        return MethodResult(Denied(Reason.EAP_PROTOCOL, Method.EAP_TEAP), identity=inside.name)


def _resumed(tunnel: Tunnel, name: str, inside: Inside) -> Steps:
    """Nothing is proven again, but both sides show that they hold the tunnel's keys."""
    decision = yield from tunnel.resumed_decision()
    if not isinstance(decision, Granted):
        return (yield from _refused(tunnel, inside, decision, name))
    inside.bind_tunnel()
    yield from inside.conclude()
    return tunnel.result(decision, name, inside.binding.session_keys()[0])


def _in_full(
    request: AccessRequest, tunnel: Tunnel, inside: Inside, identities: tuple[IdentityType, ...]
) -> Steps:
    proofs: list[Proven] = []
    remaining = list(identities)
    while remaining:
        proven = yield from inside.prove(remaining)
        if not _is_apart(proven, proofs, identities):
            tunnel.trace(f"teap:{proven.identity.name.lower()}_not_apart")
            proven.decision = Denied(Reason.EAP_NO_METHOD, Method.EAP_TEAP)
        if not isinstance(proven.decision, Granted):
            said = (tlvs.intermediate_result(Status.FAILURE),)
            return (yield from _refused(tunnel, inside, proven.decision, proven.name, said))
        remaining.remove(proven.identity)
        inside.bind(proven)
        proofs.append(proven)
    for earlier in proofs[:-1]:
        earlier.decision = yield from _by_now(request, earlier.decision)
        if not isinstance(earlier.decision, Granted):
            return (yield from _refused(tunnel, inside, earlier.decision, earlier.name))
    yield from inside.conclude()
    users = [proven for proven in proofs if proven.identity is IdentityType.USER]
    login = (users or proofs)[0]
    tunnel.ends_at = login.ends_at
    # Resuming looks at one account only.
    keeps_session = len(identities) == 1
    msk = inside.binding.session_keys()[0]
    return tunnel.result(login.decision, login.name, msk, keeps_session)


def _is_apart(
    proven: Proven, before: Sequence[Proven], identities: tuple[IdentityType, ...]
) -> bool:
    """Whether it proves something that no other proof of the conversation has.

    A person who knows a password, their own or another's, could give it for the machine too:
    beside a user, a machine is believed its certificate only.
    """
    if len(identities) == 1 or not isinstance(proven.decision, Granted):
        return True
    if proven.identity is IdentityType.MACHINE and not proven.by_certificate:
        return False
    account_id = proven.decision.account.account_id
    others = (earlier.decision for earlier in before)
    return all(
        not isinstance(other, Granted) or other.account.account_id != account_id for other in others
    )


def _by_now(request: AccessRequest, decision: Decision) -> Proof:
    """What was decided, on the account as it is after the proofs that followed."""
    if not isinstance(decision, Granted) or decision.method in _USED_UP:
        return decision
    decision = yield from as_of_now(request, decision)
    if isinstance(decision, Granted):
        return (yield from admit(request, decision))
    return decision


def _refused(
    tunnel: Tunnel, inside: Inside, decision: Decision, name: str, said: tuple[Tlv, ...] = ()
) -> Steps:
    """Tell the peer inside, if there is something to tell; its answer does not matter."""
    if isinstance(decision, Unavailable):
        return MethodResult(decision)
    inside.refuse(decision, name)
    failure = tlvs.result(Status.FAILURE), tlvs.error(tlvs.Error.UNSPECIFIED_FAILURE)
    yield from tunnel.exchange(tlvs.encode((*said, *failure)))
    return tunnel.result(decision, name)
