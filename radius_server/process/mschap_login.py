"""MS-CHAP and MS-CHAPv2 as dialogues, for RADIUS itself, TTLS, PEAP and EAP-MSCHAPv2.

The arithmetic is in `mschap`; whose secret fits is found by `known_secrets`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from identity.domain.access import Decision, Denied, Granted, Method, Reason, Unavailable
from identity.domain.directory import NtProof
from radius_server.packet.authenticator import encode_vendor
from radius_server.process.admission import admit
from radius_server.process.known_secrets import first_fit, nt_hash_of, nt_key_of, prove_knowledge
from radius_server.process.mschap import (
    CHALLENGE1_OCTETS,
    CHALLENGE_OCTETS,
    RESPONSE_OCTETS,
    Response1,
    Response2,
    authenticator_response_by,
    challenge_hash,
    failure_message,
    session_keys1,
    session_keys_by,
)
from radius_server.process.questions import (
    AccessRequest,
    Answered,
    Dialogue,
    Question,
    RecoveredSecret,
)

MICROSOFT = 311
MS_CHAP_RESPONSE, MS_CHAP_ERROR, MS_CHAP_CHALLENGE = 1, 2, 11
MS_CHAP2_RESPONSE, MS_CHAP2_SUCCESS = 25, 26

_CODES = {
    Reason.OUTSIDE_HOURS: 646,
    Reason.SUSPENDED: 647,
    Reason.EXPIRED: 649,
    Reason.NO_CONSENT: 649,
    Reason.SIMULTANEOUS: 649,
    Reason.QUOTA: 649,
    Reason.DISK_FULL: 649,
}
"""RFC 2759 section 6. 648 and 709 would make the peer ask for a new password."""

_AUTHENTICATION_FAILURE = 691


@dataclass(slots=True)
class MschapProof:
    """What a proof by MS-CHAP came to.

    `message` is what the peer is told: `S=…` of version 2 when it is granted (nothing in
    version 1), `E=…` when it is denied. The keys are those of the authenticator, 16 octets
    each, in version 2; `keys1` is the 24 octets of MS-CHAP-MPPE-Keys in version 1.
    """

    decision: Decision
    message: str = ""
    receive_key: bytes = field(default=b"", repr=False)
    send_key: bytes = field(default=b"", repr=False)
    keys1: bytes = field(default=b"", repr=False)


MschapDialogue = Generator[Question, Any, MschapProof]


@dataclass(frozen=True, slots=True)
class Attempt1:
    """A peer's answer to a challenge of 8 octets. RFC 2433."""

    response: Response1
    challenge: bytes
    method: Method = Method.MSCHAP

    def fits(self, secret: RecoveredSecret) -> bool:
        """Whether the answer was made with `secret`."""
        return self.response.fits(self.challenge, nt_hash_of(secret))

    def granted(self, decision: Granted, secret: RecoveredSecret) -> MschapProof:
        """The keys that come with a good answer."""
        return MschapProof(decision, keys1=session_keys1(nt_hash_of(secret)))

    def denied(self, decision: Decision) -> MschapProof:
        """What the peer is told of a refusal."""
        return MschapProof(decision, failure_message(_code(decision), self.challenge, 2))


@dataclass(frozen=True, slots=True)
class Attempt2:
    """A peer's answer to a challenge of 16 octets, and the user name it hashed. RFC 2759."""

    response: Response2
    challenge: bytes
    name: bytes
    method: Method = Method.MSCHAP2

    def fits(self, secret: RecoveredSecret) -> bool:
        """Whether the answer was made with `secret`."""
        return self.response.fits(self.challenge, self.name, nt_hash_of(secret))

    def nt_proof(self) -> NtProof | None:
        """The same for whoever knows the password; None when it has a wrong size."""
        sizes = len(self.challenge), len(self.response.peer_challenge)
        if sizes != (CHALLENGE_OCTETS, CHALLENGE_OCTETS):
            return None
        joint = challenge_hash(self.response.peer_challenge, self.challenge, self.name)
        return NtProof(joint, self.response.nt_response)

    def granted(self, decision: Granted, secret: RecoveredSecret) -> MschapProof:
        """Our own proof and the keys that come with a good answer."""
        key = nt_key_of(secret)
        message = authenticator_response_by(self.response, self.challenge, self.name, key)
        return MschapProof(decision, message, *session_keys_by(key, self.response.nt_response))

    def denied(self, decision: Decision) -> MschapProof:
        """What the peer is told of a refusal."""
        return MschapProof(decision, failure_message(_code(decision), self.challenge, 3))


Attempt = Attempt1 | Attempt2


def mschap1(request: AccessRequest, response: Response1, challenge: bytes) -> MschapDialogue:
    """Whose `response` it is to our `challenge` of 8 octets, in version 1."""
    return (yield from prove_attempt(request, Attempt1(response, challenge)))


def mschap2(
    request: AccessRequest,
    name: bytes,
    response: Response2,
    challenge: bytes,
    method: Method = Method.MSCHAP2,
) -> MschapDialogue:
    """Whose `response` it is to our `challenge` of 16 octets, in version 2.

    Args:
        request: its `user_name` is whose account is looked for.
        name: the user name as the peer hashed it, with or without a domain before it.
    """
    return (yield from prove_attempt(request, Attempt2(response, challenge, name, method)))


def prove_attempt(request: AccessRequest, attempt: Attempt) -> MschapDialogue:
    """Who answered; the limits of the role come afterwards."""
    proof = attempt.nt_proof() if isinstance(attempt, Attempt2) else None
    decision, secret = yield from prove_knowledge(request, attempt.method, attempt.fits, proof)
    if isinstance(decision, Granted) and secret is not None:
        return attempt.granted(decision, secret)
    return attempt.denied(decision)


def is_mschap(request: AccessRequest) -> bool:
    """Whether the request carries a proof by MS-CHAP."""
    return request.mschap_challenge is not None and (
        request.mschap_response is not None or request.mschap2_response is not None
    )


def mschap_login(request: AccessRequest) -> Dialogue:
    """The whole of a login by the MS-CHAP attributes of RADIUS. RFC 2548 section 2."""
    attempt = _attempt(request)
    if attempt is None:
        method = Method.MSCHAP if request.mschap2_response is None else Method.MSCHAP2
        return Denied(Reason.BAD_REQUEST, method)
    if isinstance(attempt, Attempt1) and not attempt.response.uses_nt:
        # Only the LAN Manager response: too weak to be worth keeping its hash.
        return Denied(Reason.METHOD_UNSUPPORTED, Method.MSCHAP)
    proof = yield from prove_attempt(request, attempt)
    if isinstance(proof.decision, Granted):
        admitted = yield from admit(request, proof.decision)
        if not isinstance(admitted, Granted):
            proof = attempt.denied(admitted)
    return _answered(attempt, proof)


def station_knows(request: AccessRequest, passwords: tuple[str, ...]) -> bool:
    """Whether the proof in the request was made with one of `passwords`."""
    attempt = _attempt(request)
    return attempt is not None and first_fit(attempt.fits, passwords) is not None


def mschap_station(
    request: AccessRequest, passwords: tuple[str, ...], decision: Decision
) -> Decision | Answered:
    """`decision` on a device with what MS-CHAP says back beside it."""
    attempt = _attempt(request)
    if attempt is None:
        return decision
    secret = first_fit(attempt.fits, passwords)
    if isinstance(decision, Granted) and secret is not None:
        return _answered(attempt, attempt.granted(decision, secret))
    return _answered(attempt, attempt.denied(decision))


def _attempt(request: AccessRequest) -> Attempt | None:
    """What the request tries, or None when an attribute of it has a wrong size."""
    challenge = request.mschap_challenge or b""
    value = request.mschap2_response or request.mschap_response or b""
    size = CHALLENGE_OCTETS if request.mschap2_response is not None else CHALLENGE1_OCTETS
    if len(value) != RESPONSE_OCTETS or len(challenge) != size:
        return None
    if request.mschap2_response is None:
        return Attempt1(Response1.of_attribute(value), challenge)
    return Attempt2(Response2.of_attribute(value), challenge, request.user_name.encode())


def _answered(attempt: Attempt, proof: MschapProof) -> Decision | Answered:
    decision = proof.decision
    if isinstance(decision, Unavailable):
        return decision
    attributes = b""
    if proof.message:
        kind = MS_CHAP2_SUCCESS if isinstance(decision, Granted) else MS_CHAP_ERROR
        told = bytes((attempt.response.identifier,)) + proof.message.encode()
        attributes = encode_vendor(MICROSOFT, kind, told)
    return Answered(
        decision=decision,
        attributes=attributes,
        receive_key=proof.receive_key,
        send_key=proof.send_key,
        mschap_keys=proof.keys1,
    )


def _code(decision: Decision) -> int:
    if isinstance(decision, Denied):
        return _CODES.get(decision.reason, _AUTHENTICATION_FAILURE)
    return _AUTHENTICATION_FAILURE
