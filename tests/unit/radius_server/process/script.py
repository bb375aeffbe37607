"""Writes an access dialogue down as a script: what is asked, what is answered, how it ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from identity.domain.access import AccountSnapshot, Decision, RoleProfile
from identity.domain.tokens import TokenFacts
from radius_server.process.access import decide
from radius_server.process.questions import AccessRequest, Question

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
STATION = "3c22fb010203"


class Script:
    """`script(request).asked(Q, answer).asked(Q2, answer2).decides(decision)`."""

    def __init__(self, request: AccessRequest) -> None:
        self._dialogue = decide(request)
        self._send(None)

    def asked(self, question: Question, answer: Any) -> Script:
        """The core asks exactly `question` now; it is given `answer`."""
        assert self._decision is None, f"decided {self._decision} instead of asking {question}"
        assert self._question == question
        self._send(answer)
        return self

    def decides(self, decision: Decision) -> None:
        """The dialogue has ended with exactly `decision`."""
        assert self._decision is not None, f"asks {self._question} instead of {decision}"
        assert self._decision == decision

    def _send(self, answer: Any) -> None:
        self._question: Question | None = None
        self._decision: Decision | None = None
        try:
            self._question = self._dialogue.send(answer)
        except StopIteration as ended:
            self._decision = ended.value


def request(**changes: Any) -> AccessRequest:
    """A PAP login of alice from a known station."""
    facts: dict[str, Any] = {
        "user_name": "Alice",
        "nas_client_id": 7,
        "now": NOW,
        "password": b"wonderland",
        "station": STATION,
    }
    return AccessRequest(**(facts | changes))


def account(**changes: Any) -> AccountSnapshot:
    """Alice, active, a student without a simultaneous limit."""
    facts: dict[str, Any] = {
        "account_id": 1,
        "username": "alice",
        "kind": "person",
        "state": "active",
        "expires_at": None,
        "role": RoleProfile(name="student"),
        "password_hash": "$argon2id$…",
    }
    return AccountSnapshot(**(facts | changes))


def token(**changes: Any) -> TokenFacts:
    """A token of alice that is still good, bound to nothing."""
    facts: dict[str, Any] = {
        "token_id": 3,
        "token": "yt-secret",
        "expires_at": NOW + timedelta(seconds=60),
        "spent": False,
    }
    return TokenFacts(**(facts | changes))
