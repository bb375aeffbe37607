"""EAP-MSCHAPv2 (type 26): draft-kamath-pppext-eap-mschapv2, over RFC 2759.

Challenge, Response, Success with our proof and its acknowledgement; or Failure. A wrong
password ends it: there is no second try and no change of password inside it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum

from common.errors import EapViolation
from identity.domain.access import Granted, Method
from radius_server.eap.methods import EapMethod, MethodResult, Send
from radius_server.eap.packet import readable
from radius_server.process.known_secrets import as_of_now
from radius_server.process.mschap import (
    CHALLENGE_OCTETS,
    NT_RESPONSE_OCTETS,
    Response2,
    without_domain,
)
from radius_server.process.mschap_login import mschap2
from radius_server.process.questions import AccessRequest

SERVER_NAME = b"yuenyan"
_VALUE_OCTETS = 49
_HEADER_OCTETS = 4
_MSK_OCTETS = 64


class OpCode(IntEnum):
    """Section 2 of the draft."""

    CHALLENGE = 1
    RESPONSE = 2
    SUCCESS = 3
    FAILURE = 4


def mschapv2(
    request: AccessRequest,
    identity: str,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> EapMethod:
    """The method from our Challenge on.

    Args:
        identity: whose account is looked for; the Name of the Response must be the same,
            but for a domain.

    Raises:
        EapViolation: the peer's words have another form, name somebody else, or say that
            it does not believe in us.
    """
    challenge = random(CHALLENGE_OCTETS)
    number = random(1)[0]
    value = bytes((CHALLENGE_OCTETS,)) + challenge
    answer = yield Send(packet(OpCode.CHALLENGE, number, value + SERVER_NAME))
    found = parse_response(answer)
    if found is None:
        raise EapViolation("mschapv2_response_wrong")
    response, name = found
    if not _is_named(name, identity):
        raise EapViolation("mschapv2_name_is_not_the_identity")
    asked = request
    if identity != request.user_name:
        asked = replace(request, user_name=identity)
    proof = yield from mschap2(asked, name, response, challenge, Method.EAP_MSCHAP2)
    if not isinstance(proof.decision, Granted):
        told = f"{proof.message} M=Login refused".encode()
        failure = packet(OpCode.FAILURE, response.identifier, told)
        return MethodResult(proof.decision, identity=identity, failure=failure)
    told = f"{proof.message} M=OK".encode()
    acknowledged = yield Send(packet(OpCode.SUCCESS, response.identifier, told))
    if acknowledged[:1] != bytes((OpCode.SUCCESS,)):
        # A peer that cannot check our proof takes us for a false server, rightly.
        raise EapViolation("mschapv2_server_not_believed")
    decision = yield from as_of_now(request, proof.decision)
    msk = (proof.receive_key + proof.send_key).ljust(_MSK_OCTETS, b"\0")
    return MethodResult(decision, msk=msk, identity=identity)


def packet(op_code: OpCode, number: int, rest: bytes) -> bytes:
    """The Type-Data of one message: OpCode, MS-CHAPv2-ID, MS-Length, and the rest."""
    length = _HEADER_OCTETS + len(rest)
    return bytes((op_code, number)) + length.to_bytes(2, "big") + rest


def parse_response(type_data: bytes) -> tuple[Response2, bytes] | None:
    """The Response and the Name behind it, or None when this is nothing of the kind.

    MS-Length is not looked at: peers are known to be wrong about it, and the EAP packet
    has a length of its own.
    """
    value = type_data[_HEADER_OCTETS + 1 : _HEADER_OCTETS + 1 + _VALUE_OCTETS]
    if len(value) != _VALUE_OCTETS or type_data[0] != OpCode.RESPONSE:
        return None
    if type_data[_HEADER_OCTETS] != _VALUE_OCTETS:
        return None
    answer = value[24 : 24 + NT_RESPONSE_OCTETS]
    name = type_data[_HEADER_OCTETS + 1 + _VALUE_OCTETS :]
    return Response2(value[:CHALLENGE_OCTETS], answer, type_data[1]), name


def _is_named(name: bytes, identity: str) -> bool:
    """Whether `name` is the identity; a domain may stand before either, and case is nothing."""
    # An octet that is no UTF-8 stands in the identity with a backslash, which ends no domain.
    if _folded(readable(name)) == _folded(identity):
        return True
    local = without_domain(identity.encode())
    return _folded(readable(without_domain(name))) == _folded(local.decode())


def _folded(name: str) -> str:
    return name.strip().casefold()
