"""EAP-GTC (type 6): a question in words and the password in the clear. RFC 3748 section 5.6.

For the inside of a tunnel, where it works with every way a password is stored. Outside of
one anybody on the air would read along.
"""

from __future__ import annotations

from dataclasses import replace

from identity.domain.access import Method
from radius_server.eap.methods import EapMethod, MethodResult, Send
from radius_server.eap.negotiation import labelled
from radius_server.process.proofs import prove
from radius_server.process.questions import AccessRequest

PROMPT = b"Password: "


def gtc(request: AccessRequest, identity: str) -> EapMethod:
    """Ask for the password of `identity`; also takes tokens and voucher codes."""
    password = yield Send(PROMPT)
    asked = replace(request, user_name=identity, password=password, chap_password=None)
    decision = yield from prove(asked)
    return MethodResult(labelled(decision, Method.EAP_GTC), identity=identity)
