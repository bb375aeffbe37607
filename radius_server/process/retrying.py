"""Conversations that outlive an outage: a round that could not be decided is asked again.

When a back end is away, or the slow queue has no room, the peer hears nothing, and everything
stays as it was before the round. The packet that the NAS sends again then finds the question
open that had no answer. RFC 5080 section 2.2.1. Nothing is ever granted without an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

from identity.domain.access import Decision, Denied, Granted, Method, Reason, Unavailable
from radius_server.process.admission import confirm
from radius_server.process.questions import (
    AccessRequest,
    Answered,
    Busy,
    Challenge,
    Compute,
    Dialogue,
    Question,
    Silence,
)

Said = Challenge | Decision | Answered


def patient(
    dialogue: Dialogue, request: AccessRequest, renew: Callable[[AccessRequest], None]
) -> Dialogue:
    """`dialogue`, which hears of an outage only where nothing can be asked again.

    That is in the first round, which the NAS begins anew by itself, and of a computation that
    failed, which may have been done by half.

    Args:
        request: the first of the conversation.
        renew: told the request that has come again.
    """
    first, latest = True, request
    answer: Any = None
    while True:
        try:
            question = dialogue.send(answer)
        except StopIteration as ended:
            decision: Decision | Answered = ended.value
            return decision
        answer = yield question
        if type(question) is Challenge:
            first, latest = False, answer
            continue
        while not first and isinstance(answer, Busy | Unavailable):
            if type(question) is Compute and isinstance(answer, Unavailable):
                break
            again: AccessRequest = yield Silence(answer)
            if again.eap_message != latest.eap_message:
                return _lost()
            latest = again
            renew(again)
            answer = yield question


def repeated(said: Said, latest: AccessRequest, dialogue: Dialogue) -> Dialogue:
    """A conversation whose last word could not be stored, before the round that came to it.

    A grant is decided again when the packet comes again: the account may have changed.

    Args:
        latest: the request that was answered by `said`.
    """
    waiting = _repeat(said, latest, dialogue)
    next(waiting)
    return waiting


def _repeat(said: Said, latest: AccessRequest, dialogue: Dialogue) -> Dialogue:
    again: AccessRequest = yield Silence(Busy())
    if again.eap_message != latest.eap_message:
        return _lost()
    if not isinstance(said, Challenge):
        return (yield from settle(again, said))
    answer = yield said
    return (yield from _rest(dialogue, answer))


def _rest(dialogue: Dialogue, answer: Any) -> Dialogue:
    while True:
        try:
            question = dialogue.send(answer)
        except StopIteration as ended:
            decision: Decision | Answered = ended.value
            return decision
        answer = yield question


def settle(
    request: AccessRequest, decided: Decision | Answered
) -> Generator[Question, Any, Decision | Answered]:
    """A decision of a while ago, decided again on the account as it is now; a refusal stays.

    What the protocol had to say was said for a grant; a refusal is told without it.
    """
    decision = decided.decision if isinstance(decided, Answered) else decided
    if not isinstance(decision, Granted):
        return decided
    decision = yield from confirm(request, decision)
    if not isinstance(decided, Answered) or isinstance(decision, Unavailable):
        return decision
    if isinstance(decision, Granted):
        return replace(decided, decision=decision)
    return Answered(decision=decision, identity=decided.identity, trace=decided.trace)


def _lost() -> Denied:
    return Denied(Reason.EAP_LOST, Method.EAP)
