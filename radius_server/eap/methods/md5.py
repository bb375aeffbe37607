"""EAP-MD5 (type 4): CHAP in EAP, without keys and without proof of ours. RFC 3748 section 5.4.

Off unless configured: on the air it can be guessed at, and no encryption can come of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

from common.errors import EapViolation
from identity.domain.access import Method
from radius_server.eap.methods import EapMethod, MethodResult, Send
from radius_server.packet.authenticator import chap_fits
from radius_server.process.known_secrets import prove_knowledge
from radius_server.process.questions import AccessRequest, RecoveredSecret

_VALUE_OCTETS = 16


def md5(
    request: AccessRequest,
    identity: str,
    next_identifier: Callable[[], int],
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> EapMethod:
    """Let `identity` answer a challenge with its password.

    Args:
        next_identifier: tells the Identifier of the next EAP-Request, which is hashed too.

    Raises:
        EapViolation: the answer has another form.
    """
    challenge = random(_VALUE_OCTETS)
    identifier = next_identifier()
    answer = yield Send(bytes((_VALUE_OCTETS,)) + challenge)
    value = answer[1 : 1 + _VALUE_OCTETS]
    if len(value) != _VALUE_OCTETS or answer[0] != _VALUE_OCTETS:
        raise EapViolation("md5_value_wrong")

    def fits(secret: RecoveredSecret) -> bool:
        response = bytes((identifier,)) + value
        return secret.password is not None and chap_fits(response, challenge, secret.password)

    asked = replace(request, user_name=identity)
    decision, _ = yield from prove_knowledge(asked, Method.EAP_MD5, fits)
    return MethodResult(decision, identity=identity)
