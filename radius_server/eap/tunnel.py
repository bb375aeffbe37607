"""What the methods over TLS share: the handshake, resumption, talking inside, the keys.

RFC 5216, 5281, 9190, 9427. A `Tunnel` belongs to one conversation. What is said inside is
the matter of `ttls`, `peap` and `tls_method`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from OpenSSL import SSL, crypto

from common.errors import EapViolation
from identity.domain.access import (
    AccountSnapshot,
    Decision,
    Denied,
    Granted,
    Method,
    Reason,
    Unavailable,
)
from identity.pki import names
from radius_server.eap.framing import Framing
from radius_server.eap.methods import EapMethod, MethodResult, Send
from radius_server.eap.negotiation import Course, labelled, shown
from radius_server.eap.ocsp import OcspTerms
from radius_server.eap.packet import Type
from radius_server.eap.sessions import LIFETIME, TlsSession, TlsSessions, revision_of
from radius_server.eap.tls import MSK_OCTETS, Flight, TlsEngine
from radius_server.process.admission import admit
from radius_server.process.known_secrets import if_active
from radius_server.process.questions import AccessRequest, Compute, FindAccount, Proof, Question

PROTECTED_SUCCESS = b"\0"
"""The application data that ends a TLS 1.3 handshake for good. RFC 9190 section 2.1.1."""

Steps = Generator[Question | Send, Any, None]

_NO_RESUMPTION = frozenset({Method.VOUCHER, Method.TOKEN})
"""A token works once, and a voucher counts its devices: both must be looked at each time.
So must the password of a directory's account, which may have been changed there."""


class TunnelFailed(Exception):  # noqa: N818 - reads as what happened
    """The tunnel does not come about, or broke; `decision` says why."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision)
        self.decision = decision


@dataclass(slots=True)
class Contexts:
    """Two TLS contexts of the same settings: one resumes sessions, one never does."""

    resuming: SSL.Context
    full: SSL.Context
    good_until: datetime | None = None
    """When what client certificates are checked against, a revocation list, grows stale."""


@dataclass(slots=True)
class Tools:
    """What a tunnel works with; `octets` is the longest EAP packet to send."""

    octets: int
    contexts: Contexts
    sessions: TlsSessions
    course: Course
    ocsp: OcspTerms | None = None
    """Which client certificates are asked about; None: none."""


class Tunnel:
    """One TLS conversation of EAP type `kind`."""

    def __init__(
        self,
        kind: Type,
        method: Method,
        request: AccessRequest,
        tools: Tools,
        framing: Framing | None = None,
    ) -> None:
        self._kind = kind
        self._method = method
        self._request = request
        self._tools = tools
        self._framing = framing or Framing(tools.octets, versioned=kind != Type.TLS)
        self._engine = TlsEngine(tools.contexts.resuming)
        self._messages: list[bytes] = []
        self._pending = b""
        self._early = b""
        self.session: TlsSession | None = None
        """The session this tunnel resumes, if it does."""
        self._account: AccountSnapshot | None = None
        self.ends_at: datetime | None = None
        """When its session may no longer be resumed, if that is earlier than for others."""

    @property
    def engine(self) -> TlsEngine:
        return self._engine

    def open(self) -> Steps:
        """Shake hands.

        Raises:
            TunnelFailed: no handshake came about; the alert has been sent.
        """
        message = yield from self._framing.start()
        while True:
            self._messages.append(message)
            flight = yield from self._compute(self._engine, message)
            if self._engine.taken_up and self.session is None and not flight.failure:
                flight = yield from self._resume_or_begin_anew(flight)
            if flight.failure:
                yield from self._fail(flight)
            if flight.done:
                break
            message = yield from self._framing.exchange(flight.out)
        self._messages.clear()
        self._pending, self._early = flight.out, flight.application
        self.trace(f"tls:version={self._engine.version}")
        if self.session is not None:
            self.trace("tls:resumed")

    def trace(self, item: str) -> None:
        """Add to the conversation's trace."""
        self._tools.course.trace.append(item)

    def listen(self) -> Generator[Question | Send, Any, bytes]:
        """What the peer says first inside, after the rest of our handshake has been sent."""
        if self._early:
            early, self._early = self._early, b""
            return early
        return (yield from self._talk(self._take_pending()))

    def exchange(
        self, plain: bytes, is_fragment: bool = False
    ) -> Generator[Question | Send, Any, bytes]:
        """Say `plain` inside; what the peer says inside in turn, maybe nothing.

        Args:
            is_fragment: as in Send, of what is spoken inside.
        """
        records = self._take_pending() + self._engine.encrypt(plain)
        return (yield from self._talk(records, is_fragment))

    def finish_handshake(self) -> Steps:
        """Send the last of our handshake, if there is any; the peer acknowledges it."""
        if self._pending:
            yield from self._talk(self._take_pending())

    def acknowledge_tls_1_3(self) -> Steps:
        """Tell a TLS 1.3 peer under protection that no more handshake follows; RFC 9190."""
        if self._engine.is_tls_1_3:
            yield from self.exchange(PROTECTED_SUCCESS)
        else:
            yield from self.finish_handshake()

    def resumed_decision(self) -> Proof:
        """May the account of the resumed session come in now? Policy is asked anew."""
        session, account = self.session, self._account
        assert session is not None and account is not None
        self.trace(f"inner:resumed={shown(session.username)}")
        decision = if_active(self._request, account, self._method)
        if isinstance(decision, Granted):
            return (yield from admit(self._request, decision))
        return decision

    def result(
        self, decision: Decision, identity: str, msk: bytes = b"", keeps_session: bool = True
    ) -> MethodResult:
        """The end of the method: keys for who is granted, and the session kept for later."""
        decision = labelled(decision, self._method)
        if not isinstance(decision, Granted):
            if isinstance(decision, Denied):
                self.trace(f"policy:{decision.reason.value}")
            return MethodResult(decision, identity=identity)
        may_resume = keeps_session and decision.method not in _NO_RESUMPTION
        if may_resume and not decision.account.origin:
            self._remember(decision)
        keys = msk or self.keys()
        return MethodResult(
            decision,
            msk=keys[:MSK_OCTETS],
            identity=identity,
            emsk=keys[MSK_OCTETS:],
            ends_at=min((end for end in self._ends() if end is not None), default=None),
        )

    def keys(self) -> bytes:
        """MSK and EMSK."""
        return self._engine.key_material(self._kind)

    def _remember(self, granted: Granted) -> None:
        ends = (self._request.now + LIFETIME, *self._ends())
        session = self.session or TlsSession(
            kind=self._kind,
            username=granted.account.username,
            method=granted.method,
            revision=revision_of(granted.account),
            ends_at=min(end for end in ends if end is not None),
        )
        self._tools.sessions.remember(self._engine.keep(), session)

    def _ends(self) -> tuple[datetime | None, datetime | None]:
        proven = self.ends_at if self.session is None else self.session.ends_at
        return proven, self._tools.contexts.good_until

    def _resume_or_begin_anew(self, flight: Flight) -> Generator[Question | Send, Any, Flight]:
        """Go on with the resumed session if it is somebody's; else shake hands in full.

        Nothing of the resumption has been sent yet, so the peer sees a server that does not
        know its session, which it must be ready for.
        """
        tools = self._tools
        session = tools.sessions.find(self._engine.taken_up, self._kind, self._request.now)
        if session is not None:
            account = yield FindAccount(session.username)
            if isinstance(account, Unavailable):
                raise TunnelFailed(account)
            if account is not None and revision_of(account) == session.revision:
                self.session, self._account = session, account
                return flight
            tools.sessions.forget(self._engine.taken_up)
        self._engine = TlsEngine(tools.contexts.full)
        for message in self._messages:
            flight = yield from self._compute(self._engine, message)
        return flight

    def _compute(
        self, engine: TlsEngine, message: bytes
    ) -> Generator[Question | Send, Any, Flight]:
        flight = yield Compute(partial(engine.receive, message))
        if isinstance(flight, Unavailable):
            raise TunnelFailed(flight)
        assert isinstance(flight, Flight)
        return flight

    def _talk(
        self, records: bytes, is_fragment: bool = False
    ) -> Generator[Question | Send, Any, bytes]:
        # Application data costs microseconds: the pool would cost more.
        flight = self._engine.receive((yield from self._framing.exchange(records, is_fragment)))
        if flight.failure:
            yield from self._fail(flight)
        return flight.application

    def _fail(self, flight: Flight) -> Steps:
        for item in (*_described(flight.doubted), flight.failure):
            self.trace(item)
        refused = Denied(_reason(flight.failure), self._method)
        if flight.out:
            self._tools.course.refuse(refused, self._request.user_name)
            # RFC 5216 section 2.1.3: the alert goes out, the peer may answer, then Failure.
            yield from self._framing.exchange(flight.out)
        raise TunnelFailed(refused)

    def _take_pending(self) -> bytes:
        pending, self._pending = self._pending, b""
        return pending


def guarded(method: Method, course: EapMethod) -> EapMethod:
    """`course`, whose tunnel may fail or whose peer may break the rules of it."""
    try:
        return (yield from course)
    except TunnelFailed as failed:
        return MethodResult(failed.decision)
    except EapViolation as violation:
        trace = (f"eap:violation={violation.reason}",)
        return MethodResult(Denied(Reason.EAP_PROTOCOL, method), trace=trace)


def _described(doubted: tuple[crypto.X509, int] | None) -> tuple[str, ...]:
    """Which certificate was refused; nobody that we know need have issued it."""
    if doubted is None:
        return ()
    certificate, depth = doubted
    try:
        found = certificate.to_cryptography()
        serial, told = f"{found.serial_number:x}", names.describe(found)
    except ValueError:
        return ("certificate:unreadable",)
    return (
        f"certificate:serial={serial}",
        f"certificate:{'name' if depth == 0 else 'issuer'}={shown(told)}",
    )


def _reason(failure: str) -> Reason:
    if failure == "tls:certificate=certificate_revoked":
        return Reason.CERTIFICATE_REVOKED
    if failure.startswith(("tls:certificate=", "tls:error=peer_did_not_return_a_certificate")):
        return Reason.CERTIFICATE_REFUSED
    return Reason.TLS_FAILED
