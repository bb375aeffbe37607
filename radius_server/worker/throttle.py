"""Holds back devices that fail: asked before a password is checked, taught by every decision.

A device that waits gets a plain reject at once, without argon2 and without a look at any
secret. See docs/decisions on throttling.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from common.config import Config
from common.metrics import Counters
from identity.domain.access import Denied, Granted, Method, Reason
from identity.domain.throttle import Limits, Penalties, Who
from radius_server.process.questions import (
    Answered,
    AskDirectory,
    Challenge,
    CheckPassword,
    Question,
    RecoverSecret,
)

if TYPE_CHECKING:
    from radius_server.worker.questions import Login

_GUESSES = frozenset({Reason.WRONG_PASSWORD, Reason.UNKNOWN_ACCOUNT, Reason.VOUCHER_UNKNOWN})
"""Refusals that a guesser collects; unknown names count like known ones, or they would tell."""

_NOT_GUESSED = frozenset({Method.MAC, Method.PROXY})


def throttle_limits(config: Config) -> Limits:
    """What [radius] says of throttling."""
    radius = config.radius
    return Limits(
        account_failures=radius.throttle_account_failures,
        device_failures=radius.throttle_device_failures,
        longest_seconds=radius.throttle_longest_seconds,
        forget_seconds=radius.throttle_forget_seconds,
    )


class Throttle:
    """One worker's use of the penalties that all workers share."""

    def __init__(
        self, penalties: Penalties, counters: Counters, stored: Callable[[str], str] = str
    ) -> None:
        """`stored` takes what is not part of an account's name, a realm of ours, off a name."""
        self._stored = stored
        self._penalties = penalties
        self._counters = counters

    def is_idle(self, now: float) -> bool:
        """Whether nobody waits; then nothing else here needs to be asked."""
        return self._penalties.are_idle(now)

    def refusal(self, question: Question | None, now: float) -> Denied | None:
        """The answer to a question that this device may not ask about this account now."""
        if not isinstance(question, CheckPassword | RecoverSecret | AskDirectory):
            return None
        request, account = question.request, question.account
        account_id = None if account is None else account.account_id
        if request is None or not self._penalties.holds_back(
            self._tried(account_id, request.user_name),
            request.station,
            request.nas_client_id,
            now,
        ):
            return None
        return self._denied(question, "account_device")

    def device_refusal(self, question: Question | None, now: float) -> Denied | None:
        """The answer to a question that would cost argon2, when this device may ask none."""
        if not isinstance(question, CheckPassword | AskDirectory) or question.request is None:
            return None
        request = question.request
        if not self._penalties.holds_back_device(request.station, request.nas_client_id, now):
            return None
        return self._denied(question, "device")

    def learn(self, decided: Iterable[Login]) -> None:
        """Note what these logins came to."""
        now = time.monotonic()
        idle = self._penalties.are_idle(now)
        for login in decided:
            decision = login.decision
            if type(decision) is Challenge:
                # What tells the peer whether it guessed right is a failure until it proves more.
                decision = decision.refusal or decision.if_abandoned
            name = ""
            if type(decision) is Answered:
                name, decision = decision.identity, decision.decision
            if type(decision) is Denied:
                if (
                    decision.reason in _GUESSES
                    and decision.method not in _NOT_GUESSED
                    and not login.is_counted
                ):
                    login.is_counted = True  # a conversation may tell of it more than once
                    request = login.origin[1]
                    self._penalties.failed(
                        self._tried(decision.account_id, name or request.user_name),
                        request.station,
                        request.nas_client_id,
                        now,
                    )
            elif type(decision) is Granted and not idle:
                request = login.origin[1]
                if login.is_counted:
                    self._penalties.take_back(request.station, request.nas_client_id)
                self._penalties.succeeded(
                    decision.account.account_id, request.station, request.nas_client_id
                )

    def _tried(self, account_id: int | None, name: str) -> Who:
        """Whose password it was: one account has one count, however its name is written."""
        return self._stored(name) if account_id is None else account_id

    def _denied(self, question: CheckPassword | RecoverSecret | AskDirectory, by: str) -> Denied:
        self._counters.add("radius_throttled", by=by)
        account_id = question.account.account_id if question.account is not None else None
        return Denied(Reason.THROTTLED, Method.PAP, account_id, f"throttle:{by}")
