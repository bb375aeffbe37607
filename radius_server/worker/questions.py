"""Answers the questions of access dialogues: at once from memory or one read for the whole
batch, or later from a bounded pool of threads when they are slow (argon2, vouchers, tokens).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from common.errors import BackendUnavailable, ConfigError, ValueRefused
from common.garbage import let_go
from common.logging import get_logger
from common.metrics import Counters
from identity.domain.access import (
    Decision,
    Granted,
    Method,
    Unavailable,
    Vouched,
)
from identity.domain.recoverable import Recoverable
from identity.domain.throttle import Penalties
from identity.stores.sql import KeptSecret, SqlStore
from identity.verified import VerifiedPasswords
from radius_server.process.questions import (
    Answered,
    AskDirectory,
    AskStanding,
    Busy,
    Challenge,
    CheckPassword,
    Compute,
    Dialogue,
    FindAccount,
    FindOpenStations,
    FindTokens,
    FindUsage,
    FindWebGrant,
    Question,
    RecoveredSecret,
    RecoverSecret,
    RedeemVoucher,
    Silence,
    SpendToken,
    Usage,
)
from radius_server.process.retrying import repeated, settle
from radius_server.worker.directory import Directory, OpenStations
from radius_server.worker.fair_queue import FairQueue
from radius_server.worker.responders import Responders
from radius_server.worker.throttle import Throttle

_UNKNOWN = object()

DIRECTORY_THREADS = 4
"""They wait for an answer nearly all of their time, so they may be more than cores."""


@dataclass(slots=True)
class Login:
    """A dialogue under way and whatever its owner needs to answer it."""

    dialogue: Dialogue
    origin: Any
    answer: Any = None
    """What the dialogue is sent when it starts or, a conversation, goes on."""
    question: Question | None = None
    decision: Decision | Answered | Challenge | Silence | None = None
    state: bytes = b""
    """What its next request will bring, a conversation's."""
    is_counted: bool = False
    """Its refusal is known to the throttle already."""
    is_noted: bool = False
    """Its refusal is written down already."""

    @property
    def nas(self) -> int:
        """The number of the NAS that asks; the origin is an exchange and its request."""
        nas_client_id: int = self.origin[1].nas_client_id
        return nas_client_id


class Questions:
    """Drives dialogues from question to question until they are decided or must wait."""

    def __init__(
        self,
        store: SqlStore,
        directory: Directory,
        verified: VerifiedPasswords,
        counters: Counters,
        threads: int,
        queue_limit: int,
        wake: Callable[[], None],
        penalties: Penalties,
        responders: Responders,
    ) -> None:
        self._store = store
        self._directory = directory
        self._counters = counters
        self._stations = OpenStations(store)
        self._verified = verified
        self._responders = responders
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="slow")
        self._wake = wake
        self._queue: FairQueue[Login] = FairQueue(queue_limit)
        # Apart: whoever waits for a directory must not keep argon2 waiting.
        self._directory_pool = ThreadPoolExecutor(DIRECTORY_THREADS, "directory")
        self._directory_queue: FairQueue[Login] = FairQueue(queue_limit)
        # Apart too: a responder that hangs must drop no password.
        self._standing_queue: FairQueue[Login] = FairQueue(queue_limit)
        self._throttle = Throttle(penalties, counters, directory.stored)
        self._answered: deque[tuple[Login, Any]] = deque()
        self._next_warning = 0.0
        self._log = get_logger("radius.questions")

    @property
    def waiting(self) -> int:
        """How many logins wait for a pool."""
        return self._queue.waiting + self._directory_queue.waiting + self._standing_queue.waiting

    @property
    def is_full(self) -> bool:
        """Whether no new login may be put to the pool."""
        return self._queue.is_full

    def start(self, logins: Iterable[Login]) -> tuple[list[Login], list[Login]]:
        """Begin dialogues; (decided now, dropped because the pool is full)."""
        decided, dropped = self._advance([(login, login.answer) for login in logins])
        self._throttle.learn(decided)
        return decided, dropped

    def resume(self, now: datetime) -> tuple[list[Login], list[Login]]:
        """Go on with the dialogues whose slow answers have come; as `start`."""
        ready = []
        while self._answered:
            login, answer = self._answered.popleft()
            if type(answer) is Vouched:
                # Its account may have been made just now, or has another role.
                self._directory.drop(asked_name(login.question), answer.account.username)
            ready.append((login, answer))
            self._queue_of(login).done(login.nas)
        if not ready:
            return [], []
        decided, dropped = self._advance(ready)
        self._throttle.learn(decided)
        return self._as_of_now(decided, dropped, now), dropped

    def _as_of_now(self, decided: list[Login], dropped: list[Login], now: datetime) -> list[Login]:
        """The same decisions, on the accounts as they are after the wait for the pool.

        In a rush a login waits for seconds, and an account may be disabled meanwhile. One
        whose password was changed is dropped: the NAS asks again and is decided anew. A
        conversation cannot be: it has failed.
        """
        waited = [
            (login, granted)
            for login in decided
            # A voucher was looked at in the database itself, just now.
            if (granted := _granted(login)) is not None and granted.method is not Method.VOUCHER
        ]
        if not waited:
            return decided
        try:
            accounts = self._directory.load({granted.account.username for _, granted in waited})
        except BackendUnavailable as error:
            self._counters.add("radius_backend_unavailable")
            for login, _ in waited:
                _postpone(login, login.decision, Unavailable(error.backend))
            return decided
        changed, again = [], []
        for login, granted in waited:
            account, known = accounts[granted.account.username], granted.account
            if account == known:
                continue
            changed.append(login)
            if login.answer is None and account and account.password_hash != known.password_hash:
                dropped.append(login)
            else:
                assert isinstance(login.decision, Answered | Granted)
                login.dialogue = settle(replace(login.origin[1], now=now), login.decision)
                again.append((login, login.decision))
        if not changed:
            return decided
        renewed, _ = self._advance([(login, None) for login, _ in again])
        for login, said in again:
            if isinstance(login.decision, Unavailable):
                _postpone(login, said, login.decision)
        return [login for login in decided if login not in changed] + renewed

    def close(self) -> None:
        """Let the threads end after what they are doing."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._responders.close()
        self._directory_pool.shutdown(wait=False, cancel_futures=True)

    def _advance(self, ready: list[tuple[Login, Any]]) -> tuple[list[Login], list[Login]]:
        decided: list[Login] = []
        dropped: list[Login] = []
        now = time.monotonic()
        is_quick = self._throttle.is_idle(now)
        while ready:
            asking: list[Login] = []
            for login, answer in ready:
                send = login.dialogue.send
                try:
                    question = send(answer)
                    while (
                        is_quick
                        and type(question) is not Challenge
                        and (known := self._known(question, now)) is not _UNKNOWN
                    ):
                        question = send(known)
                except StopIteration as ended:
                    login.decision = ended.value
                    decided.append(login)
                else:
                    login.question = question
                    if type(question) is Challenge:
                        # Most rounds of a conversation ask nothing but the peer.
                        login.decision = question
                        decided.append(login)
                    else:
                        asking.append(login)
            ready = self._answer(asking, decided, dropped) if asking else []
        return decided, dropped

    def _known(self, question: Question, now: float) -> Any:
        """The answer when memory has it, else _UNKNOWN: most logins of a busy hour end here."""
        kind = type(question)
        if kind is FindAccount:
            return self._directory.accounts.get(question.username, _UNKNOWN)  # type: ignore[union-attr]
        if kind is CheckPassword:
            account, password = question.account, question.password  # type: ignore[union-attr]
            if account is not None and self._verified.confirms(account, password, now):
                return True
        elif kind is FindOpenStations:
            return self._stations.known(question.account_id, now, _UNKNOWN)  # type: ignore[union-attr]
        return _UNKNOWN

    def _answer(
        self, asking: list[Login], decided: list[Login], dropped: list[Login]
    ) -> list[tuple[Login, Any]]:
        """The answers that are to be had now; slow questions go to the pool."""
        answers: list[tuple[Login, Any]] = []
        accounts, tokens, stations, usages, kept = [], [], [], [], []
        now = time.monotonic()
        throttle = self._throttle
        throttles = not throttle.is_idle(now)
        alone = len(asking) == 1 and not self.waiting
        for login in asking:
            question = login.question
            if alone and type(question) is Compute:
                # Nobody waits for it, and the way to the pool and back costs half a handshake.
                answers.append((login, self._computed(question)))
            elif throttles and (refusal := throttle.refusal(question, now)) is not None:
                answers.append((login, refusal))
            elif type(question) is Silence:
                login.decision = question
                decided.append(login)
            elif type(question) is FindAccount:
                accounts.append((login, question.username))
            elif type(question) is FindOpenStations:
                stations.append((login, question.account_id))
            elif type(question) is FindUsage:
                if question.counted:
                    usages.append((login, question.account_id))
                else:
                    answers.append((login, Usage(self._store.zone)))
            elif type(question) is FindTokens:
                tokens.append((login, question.username))
            elif type(question) is AskDirectory and not self._store.has_directories:
                answers.append((login, None))
            elif type(question) is RecoverSecret:
                kept.append((login, question.account.account_id))
            elif (
                type(question) is CheckPassword
                and question.account is not None
                and self._verified.confirms(question.account, question.password, now)
            ):
                answers.append((login, True))
            elif throttles and (refusal := throttle.device_refusal(question, now)) is not None:
                answers.append((login, refusal))
            elif (
                type(question) is AskStanding
                and (standing := self._responders.known(question.inquiry)) is not None
            ):
                answers.append((login, standing))
            elif self._submit(login):
                pass
            elif login.answer is None:
                dropped.append(login)
            else:
                answers.append((login, Busy()))
        for asked, load in (
            (accounts, self._directory.load),
            (tokens, self._store.tokens),
            (stations, self._stations.load),
            (usages, self._usage),
            (kept, self._recover),
        ):
            if asked:
                answers += self._together(asked, load)
        return answers

    def _computed(self, question: Compute) -> Any:
        try:
            return question.work()
        except Exception:
            self._log.exception("slow_question_failed", question="Compute")
            self._counters.add("radius_internal_errors")
            return Unavailable("internal")

    def _usage(self, account_ids: set[int]) -> dict[int, Usage]:
        found = self._store.usage(account_ids)
        return {number: Usage(self._store.zone, days) for number, days in found.items()}

    def _recover(self, account_ids: set[int]) -> dict[int, RecoveredSecret | Unavailable | None]:
        """What these accounts keep. Opened every time: a secret in the clear is not kept here."""
        found = self._directory.kept_secrets(account_ids)
        return {
            account_id: None if kept is None else self._open(kept)
            for account_id, kept in found.items()
        }

    def _open(self, kept: KeptSecret) -> RecoveredSecret | Unavailable:
        try:
            octets = self._store.open_secret(kept)
        except ConfigError as error:
            self._log.error("secret_not_readable", account_id=kept.account_id, why=str(error))
            self._counters.add("radius_backend_unavailable")
            return Unavailable("vault")
        if kept.kind == Recoverable.PASSWORD:
            return RecoveredSecret(password=octets)
        return RecoveredSecret(nt_hash=octets)

    def _together(
        self, asking: list[tuple[Login, Any]], load: Callable[[set[Any]], dict[Any, Any]]
    ) -> list[tuple[Login, Any]]:
        """One read for all of them; Unavailable for all of them when the database is gone."""
        try:
            found = load({key for _, key in asking})
        except ValueRefused:
            if len(asking) > 1:
                return [answer for one in asking for answer in self._together([one], load)]
            # The database could not hold such a name, so nobody and nothing has it.
            self._counters.add("radius_names_refused")
            login, _ = asking[0]
            return [(login, () if type(login.question) is FindTokens else None)]
        except BackendUnavailable as error:
            self._counters.add("radius_backend_unavailable")
            return [(login, Unavailable(error.backend)) for login, _ in asking]
        return [(login, found[key]) for login, key in asking]

    def _submit(self, login: Login) -> bool:
        queue = self._queue_of(login)
        # A conversation under way has taken its turn for TLS already; their number is bounded.
        if login.answer is None or type(login.question) is not Compute:
            if queue.is_full:
                self._counters.add("radius_dropped", reason="slow_queue_full")
                return False
            if not queue.has_room(login.nas):
                # Silence, not a reject: nobody's password is wrong, and the NAS asks again.
                self._counters.add("radius_throttled", by="nas")
                return False
        if type(login.question) is AskStanding:
            queue.hold(login.nas)
            self._responders.ask(login.question.inquiry, partial(self._told, login))
            return True
        queue.put(login.nas, login)
        pool = self._pool if queue is self._queue else self._directory_pool
        pool.submit(self._work, queue)
        return True

    def _queue_of(self, login: Login) -> FairQueue[Login]:
        """Where its question waits: it is the same until it is answered."""
        question = login.question
        if type(question) is AskDirectory or (
            type(question) is CheckPassword and self._store.asks_directory(question.account)
        ):
            return self._directory_queue
        if type(question) is AskStanding:
            return self._standing_queue
        return self._queue

    def _told(self, login: Login, answer: Any) -> None:
        """A slow answer has come; any thread."""
        self._answered.append((login, answer))
        self._wake()

    def _work(self, queue: FairQueue[Login]) -> None:
        """Runs on a pool thread."""
        login = queue.take()
        try:
            answer = self._slow_answer(login.question)
        except BackendUnavailable as error:
            answer = Unavailable(error.backend)
            self._warn(error)
            let_go(error)  # an outage brings thousands, and the collector rests in a rush
        except Exception:
            self._log.exception("slow_question_failed", question=type(login.question).__name__)
            self._counters.add("radius_internal_errors")
            answer = Unavailable("internal")
        self._told(login, answer)

    def _warn(self, error: BackendUnavailable) -> None:
        """Count it, and say so once a second: a pool of threads would fill the log."""
        self._counters.add("radius_backend_unavailable")
        now = time.monotonic()
        if now >= self._next_warning:
            self._next_warning = now + 1.0
            self._log.warning("backend_unavailable", error=str(error))

    def _slow_answer(self, question: Question | None) -> Any:
        match question:
            case CheckPassword(account, password):
                name = self._directory.stored(asked_name(question))
                proven = self._store.check_password(account, password, name)
                if type(proven) is Vouched:
                    self._verified.remember(
                        proven.account, password, time.monotonic(), proven.remember_seconds
                    )
                elif proven is True and account is not None:
                    self._verified.remember(account, password, time.monotonic())
                return proven
            case AskDirectory(account, _, proof):
                name = self._directory.stored(asked_name(question))
                return self._store.ask_directory(account, name, proof)
            case SpendToken(token_id, station):
                return self._store.spend_token(token_id, station)
            case RedeemVoucher(code, station, nas_client_id, ssid):
                return self._store.redeem_voucher(code, station, nas_client_id, ssid)
            case FindWebGrant(nas_client_id, mac, connection):
                return self._store.web_grant(nas_client_id, mac, connection)
            case Compute(work):
                return work()
        raise AssertionError(f"nobody answers {type(question).__name__}")


def _postpone(login: Login, said: Any, because: Unavailable) -> None:
    """What was decided cannot be confirmed now; a conversation may ask for it again."""
    if login.answer is None:
        login.decision = because
    else:
        login.dialogue = repeated(said, login.origin[1], login.dialogue)
        login.decision = Silence(because)


def asked_name(question: Question | None) -> str:
    """Whose password a question is about, as it was typed."""
    request = question.request if isinstance(question, CheckPassword | AskDirectory) else None
    return request.user_name if request is not None else ""


def settled(decision: Decision) -> Dialogue:
    """A dialogue that asks nothing."""
    return decision
    yield  # makes it a generator


def is_unavailable(decision: Decision | Answered) -> bool:
    """Whether nobody can say now."""
    concluded = decision.decision if isinstance(decision, Answered) else decision
    return isinstance(concluded, Unavailable)


def _granted(login: Login) -> Granted | None:
    decision = login.decision
    if isinstance(decision, Answered):
        decision = decision.decision
    return decision if isinstance(decision, Granted) else None
