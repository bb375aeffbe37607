"""Drives an EAP method against a peer written here, with answers to its questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from identity.domain.access import AccountSnapshot, RoleProfile
from identity.domain.recoverable import nt_hash
from identity.domain.tokens import TokenFacts
from radius_server.eap.methods import EapMethod, MethodResult, Send
from radius_server.process.questions import (
    AccessRequest,
    AskDirectory,
    CheckPassword,
    Compute,
    FindAccount,
    FindTokens,
    RecoveredSecret,
    RecoverSecret,
    SpendToken,
)

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
PASSWORD = "ลูกช้าง wonderland"

Peer = Callable[[bytes], bytes]
"""Type-Data of a request in, Type-Data of the response out."""


def request(name: str = "Alice") -> AccessRequest:
    """What an Access-Request with EAP in it is made into."""
    return AccessRequest(user_name=name, nas_client_id=7, now=NOW, station="3c22fb010203")


def account(**changes: Any) -> AccountSnapshot:
    """Alice, active, whose password is kept."""
    facts: dict[str, Any] = {
        "account_id": 1,
        "username": "alice",
        "kind": "person",
        "state": "active",
        "expires_at": None,
        "role": RoleProfile(name="student"),
        "password_hash": "$argon2id$…",
        "recoverable": "password",
    }
    return AccountSnapshot(**(facts | changes))


def token() -> TokenFacts:
    """A token of Alice."""
    return TokenFacts(
        token_id=3, token="yt-secret", expires_at=NOW + timedelta(seconds=60), spent=False
    )


@dataclass
class World:
    """What the questions of a method are answered from."""

    account: AccountSnapshot | None = field(default_factory=account)
    password: str = PASSWORD
    tokens: list[TokenFacts] = field(default_factory=list)
    later: AccountSnapshot | None = None
    """The account as the looks after the first `looks` see it; None: as before."""
    looks: int = 1
    asked: list[str] = field(default_factory=list)

    def answer(self, question: Any) -> Any:
        self.asked.append(type(question).__name__)
        match question:
            case FindAccount(username):
                looked = self.asked.count("FindAccount")
                found = (
                    self.later if self.later is not None and looked > self.looks else self.account
                )
                return found if found is not None and username == found.username else None
            case RecoverSecret():
                return self._secret()
            case FindTokens():
                return self.tokens
            case SpendToken():
                return True
            case CheckPassword(_, password):
                return password == self.password.encode()
            case AskDirectory():
                return None
            case Compute(work):
                return work()
        raise AssertionError(f"nobody answers {question}")

    def _secret(self) -> RecoveredSecret | None:
        assert self.account is not None
        if self.account.recoverable == "nt-hash":
            return RecoveredSecret(nt_hash=nt_hash(self.password))
        if self.account.recoverable == "password":
            return RecoveredSecret(password=self.password.encode())
        return None


def play(method: EapMethod, peer: Peer, world: World) -> tuple[MethodResult, list[bytes]]:
    """The result, and every Type-Data that was sent to the peer."""
    sent: list[bytes] = []
    answer: Any = None
    while True:
        try:
            step = method.send(answer)
        except StopIteration as ended:
            return ended.value, sent
        if isinstance(step, Send):
            sent.append(step.type_data)
            assert len(sent) < 200
            answer = peer(step.type_data)
        else:
            answer = world.answer(step)
