"""EAP methods without a tunnel of their own, alone or inside TTLS and PEAP.

A method is a generator. It yields `Send(type_data)`, the Type-Data of its next EAP-Request of
its type, and is sent the Type-Data of the peer's EAP-Response; or it yields a Question and is
sent the answer. It returns a `MethodResult`. Headers, Identifiers, Nak and the EAP-Success
are no concern of a method; neither are the limits of the role (see process.admission).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from identity.domain.access import Decision, Denied
from radius_server.process.questions import AccessRequest, Question


@dataclass(slots=True)
class Send:
    """Send this Type-Data in the next EAP-Request. Answer: the Type-Data of the EAP-Response."""

    type_data: bytes = field(repr=False)
    if_abandoned: Denied | None = None
    """What it has come to when the peer never answers: this tells it whether it guessed right."""
    is_fragment: bool = False
    """More of the same message follows, or more of the peer's is asked for: no round of its own."""


@dataclass(slots=True)
class MethodResult:
    """What a method came to.

    `msk` is 64 octets when the method makes keys (RFC 3748 section 7.10), else empty; so is
    `emsk`, which fewer methods make.
    `identity` is who proved to be, when the method names somebody itself.
    `failure` is the Type-Data of a last EAP-Request that tells of the failure; its answer
    does not matter. `ends_at` is when what was proven ends at the latest, if that is known:
    a certificate does, or the revocation list it was looked up in.
    """

    decision: Decision
    msk: bytes = field(default=b"", repr=False)
    identity: str = ""
    trace: tuple[str, ...] = ()
    failure: bytes = field(default=b"", repr=False)
    emsk: bytes = field(default=b"", repr=False)
    ends_at: datetime | None = None


EapMethod = Generator[Question | Send, Any, MethodResult]

MethodFunction = Callable[[AccessRequest, str], EapMethod]
"""`def gtc(request, identity)`: `identity` is what the peer said in EAP-Response/Identity."""
