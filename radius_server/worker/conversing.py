"""The EAP conversations of a worker: which one a packet goes on with, and what becomes of a round.

A challenge leaves without a commit, because nothing is decided yet; but one that tells the
peer of a refusal leaves after the row of that refusal is stored (docs/decisions/0010).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace

from common.metrics import Counters
from identity.domain.access import Denied, Granted, Method, Reason
from radius_server.packet.codes import Attribute
from radius_server.process.access import decide
from radius_server.process.questions import AccessRequest, Answered, Challenge, Converses, Silence
from radius_server.process.retrying import repeated
from radius_server.worker.arrivals import Listener, Turn
from radius_server.worker.conversations import Conversations, holder
from radius_server.worker.exchange import Exchange
from radius_server.worker.outcome import Outcome, challenge, reject
from radius_server.worker.questions import Login, Questions, settled
from radius_server.worker.siblings import Siblings


class Conversing:
    """Begins conversations, goes on with them, and sends or notes what each round came to."""

    def __init__(
        self,
        eap: Converses | None,
        siblings: Siblings,
        questions: Questions,
        counters: Counters,
        forget: Callable[[Hashable], None],
        answer: Callable[[Exchange], None],
        pending: Callable[[], Outcome],
    ) -> None:
        """What is done with exchanges.

        Args:
            forget: lets the next copy of a request be new.
            answer: sends the reply of one.
            pending: where rows are put now.
        """
        self._eap = eap
        self._siblings = siblings
        self._questions = questions
        self._counters = counters
        self._forget = forget
        self._answer = answer
        self._pending = pending
        self._open: Conversations[Login] = Conversations(siblings.number, abandoned=self._abandoned)

    def take(
        self,
        exchange: Exchange,
        request: AccessRequest,
        listener: Listener,
        turn: Turn,
        handed: bool,
    ) -> None:
        """Begin an EAP conversation, or go on with the one that State names."""
        state = exchange.packet.values.get(Attribute.STATE)
        # Who comes back is taken to where its TLS session is.
        worker = self._siblings.holders.find(request.station) if state is None else holder(state)
        if (
            worker is not None
            and worker != self._siblings.number
            and not handed
            and self._hand_over(worker, listener, exchange)
        ):
            self._counters.add("radius_handed_over")
            self._forget(exchange.key)
            return
        if state is None:
            if self._questions.is_full:
                # What is begun is finished first; the NAS asks again.
                self._counters.add("radius_dropped", reason="slow_queue_full")
                self._forget(exchange.key)
                return
            turn.logins.append(Login(decide(request, self._eap), (exchange, request)))
            return
        login = self._open.take(state, turn.now)
        if login is None or login.origin[0].nas.facts.nas_client_id != (
            exchange.nas.facts.nas_client_id
        ):
            lost = Denied(Reason.EAP_LOST, Method.EAP)
            turn.logins.append(Login(settled(lost), (exchange, request)))
            return
        login.origin, login.answer, login.decision = (exchange, request), request, None
        turn.logins.append(login)

    def _hand_over(self, worker: int, listener: Listener, exchange: Exchange) -> bool:
        if listener.index < 0:
            # A connection stays where it is; the sibling gives its reply back.
            nas, octets = exchange.nas.facts.radsec_identity, exchange.packet.octets
            return nas is not None and self._siblings.lend(
                worker, nas, exchange.source, octets, exchange.socket
            )
        return self._siblings.hand_over(
            worker, listener.index, exchange.source, exchange.packet.octets
        )

    def ask(self, login: Login, question: Challenge, outcome: Outcome, now: float) -> None:
        """Send the peer what the conversation has to say next."""
        exchange, request = login.origin
        login.state = self._open.put(login, now)
        exchange.reply = challenge(exchange, question.eap_message, login.state)
        if question.refusal is None or login.is_noted:
            self._answer(exchange)
        else:
            login.is_noted = True
            exchange.conversation = login
            outcome.noted(exchange, question.refusal, request.user_name)

    def conclude(self, login: Login) -> None:
        """A later round than the first has come to a decision, which is about to be stored."""
        exchange, request = login.origin
        exchange.conversation = login
        decision = login.decision
        if isinstance(decision, Answered) and isinstance(decision.decision, Granted):
            self._siblings.holders.note(request.station, self._siblings.number)

    def wait(self, login: Login, now: float) -> None:
        """Let the conversation be as it was before the round that its packet began."""
        exchange = login.origin[0]
        self._forget(exchange.key)
        self._open.keep(exchange.packet.values[Attribute.STATE], login, now)

    def take_back(self, exchange: Exchange, now: float) -> None:
        """What the conversation came to could not be stored: it has not been said."""
        login: Login = exchange.conversation
        said, request = login.decision, login.origin[1]
        assert said is not None and not isinstance(said, Silence)
        if isinstance(said, Challenge):
            self._open.drop(login.state)
        login.dialogue = repeated(said, request, login.dialogue)
        login.is_noted = False
        self.wait(login, now)

    def end(self, login: Login) -> None:
        """Answer the end of a conversation whose refusal is stored: no other row is made."""
        exchange, decision = login.origin[0], login.decision
        is_told = isinstance(decision, Answered) and isinstance(decision.decision, Denied)
        exchange.reply = reject(exchange, decision if is_told else None)  # type: ignore[arg-type]
        self._answer(exchange)

    def expire(self, now: float) -> None:
        """Give up the conversations whose peer has said nothing for too long."""
        self._open.expire(now)

    def _abandoned(self, login: Login) -> None:
        """A peer that went away leaves its line all the same: it looks like a refusal to its user.

        A check that it failed was counted when it was told.
        """
        question = login.decision
        if not isinstance(question, Challenge) or question.if_abandoned is None or login.is_noted:
            return
        exchange, request = login.origin
        gone = replace(exchange, socket=_Nobody(), key=())
        self._pending().noted(gone, question.if_abandoned, request.user_name)


class _Nobody:
    """Takes the reply to a conversation whose peer has gone."""

    def sendto(self, _reply: bytes, _target: object) -> None:
        """Drop it."""
