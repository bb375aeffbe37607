"""What waits to be committed, what is under way, and whom that leaves to answer.

While the database writes one batch, the packets that come meanwhile gather into the next:
the worker never stands still for the disk, and the batches grow with the load by themselves.
A reply leaves only after the commit that holds its record (docs/decisions/0002).
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from common.errors import BackendUnavailable
from common.logging import get_logger
from common.metrics import Counters
from db.ledger import Ledger
from db.ledger.batch import UnclearError, UnstorableError
from identity.domain.sessions import Owner
from radius_server.process.accounting import AccountingRecord
from radius_server.worker.exchange import Exchange
from radius_server.worker.outcome import Outcome
from radius_server.worker.presence import Presence

GATHER_SECONDS = 0.002
"""How long what arrives may wait unread while a batch is being written."""

_LATE_SECONDS = 0.05
"""A commit that takes longer is not worth looking for every two milliseconds."""

MAXIMUM_WAITING = 512
"""Replies that may wait for a commit beside those of the one under way; more stay unread."""


class Committer:
    """Commits one outcome after the other and answers after each."""

    def __init__(
        self,
        ledger: Ledger,
        presence: Presence,
        counters: Counters,
        class_key: bytes,
        answer: Callable[[Exchange], None],
        give_up: Callable[[Iterable[Exchange]], None],
        forget: Callable[[Iterable[Exchange]], None],
        place: Callable[[Sequence[AccountingRecord], Sequence[Owner]], None],
    ) -> None:
        """What is done with exchanges when their commit is over.

        Args:
            answer: sends the reply of one.
            give_up: the back end is gone.
            forget: nothing durable came of them; the next copy is a new request.
            place: sets right which session each record belongs to (see reused_ids).
        """
        self._ledger = ledger
        self._presence = presence
        self._counters = counters
        self._class_key = class_key
        self._answer = answer
        self._give_up = give_up
        self._forget = forget
        self._place = place
        self._flying: Outcome | None = None
        self._since = 0.0
        self._next_warning = 0.0
        self._log = get_logger("radius.committer")
        self.pending = Outcome(class_key)
        """Where decisions and accounting packets are put."""

    @property
    def is_busy(self) -> bool:
        """Whether a batch is under way or waits for its turn."""
        return self._flying is not None or bool(self.pending.exchanges)

    @property
    def is_full(self) -> bool:
        """Whether no more should be read until the batch under way is done."""
        return self._flying is not None and len(self.pending.exchanges) >= MAXIMUM_WAITING

    def wait(self) -> bool:
        """Wait for the batch under way; False when the sockets should be waited for instead."""
        if self._flying is None or self._ledger.fileno() < 0:
            return False
        full = self.is_full
        if not full and time.monotonic() - self._since > _LATE_SECONDS:
            return False
        select.select([self._ledger], [], [], _LATE_SECONDS if full else GATHER_SECONDS)
        return True

    def land(self, received_at: datetime, now: float) -> None:
        """If the batch under way is done, send the next one off and answer the first."""
        outcome = self._flying
        if outcome is None:
            return
        try:
            if not self._ledger.finished():
                return
        except BackendUnavailable as error:
            self._flying = None
            self._failed(outcome, error)
            return
        except UnclearError:
            self._flying = None
            self._look_closer(outcome)
            return
        except UnstorableError as error:
            self._flying = None
            self._one_by_one(outcome, str(error))
            return
        self._flying = None
        pending = self.pending
        self._presence.fill(pending.batch, received_at, now)
        if pending.is_unclear:
            # It is waited for, and these replies would wait with it.
            self._landed(outcome)
            self.take_off(received_at, now)
            return
        try:
            # The database goes on while the replies are sent.
            self.take_off(received_at, now)
        finally:
            self._landed(outcome)  # it is stored, whatever becomes of the next one

    def take_off(self, received_at: datetime, now: float) -> None:
        """Begin to commit what has gathered, unless a batch is under way."""
        if self._flying is not None:
            return
        outcome = self.pending
        self._presence.fill(outcome.batch, received_at, now)
        if outcome.batch.is_empty():
            return
        self.pending = Outcome(self._class_key)
        if outcome.is_unclear:
            self._look_closer(outcome)
            return
        try:
            if self._ledger.start(outcome.finish()):
                self._landed(outcome)
            else:
                self._flying, self._since = outcome, time.monotonic()
        except BackendUnavailable as error:
            self._failed(outcome, error)
        except UnclearError:
            self._look_closer(outcome)
        except UnstorableError as error:
            self._one_by_one(outcome, str(error))
        except Exception:
            self._forget(outcome.exchanges)
            raise

    def finish(self, received_at: datetime, deadline: float) -> None:
        """Commit and answer everything, or stop at `deadline` (monotonic seconds)."""
        while time.monotonic() < deadline:
            self.land(received_at, float("inf"))
            self.take_off(received_at, float("inf"))
            if not self.is_busy:
                break
            if self._ledger.fileno() >= 0:
                select.select([self._ledger], [], [], _LATE_SECONDS)
        self._ledger.close()

    def _landed(self, outcome: Outcome) -> None:
        for exchange in outcome.exchanges:
            try:
                self._answer(exchange)
            except Exception:
                # One reply that cannot be sent must not take the others of its batch along.
                self._log.exception("reply_not_sent", nas=exchange.nas.facts.name)
                self._counters.add("radius_internal_errors")
        self._counters.add("radius_commits")
        self._counters.add("radius_auth_decisions", len(outcome.batch.auth_events))
        self._counters.add("radius_acct_records", len(outcome.batch.accounting_events))

    def _look_closer(self, outcome: Outcome) -> None:
        """Commit a batch in which an Acct-Session-Id stands for more than one session."""
        self._counters.add("radius_batches_placed")
        try:
            outcome = outcome.placed(self._place)
            self._ledger.commit(outcome.finish())
        except BackendUnavailable as error:
            self._failed(outcome, error)
        except UnstorableError as error:
            self._one_by_one(outcome, str(error))
        except Exception:
            self._forget(outcome.exchanges)
            raise
        else:
            self._landed(outcome)

    def _failed(self, outcome: Outcome, error: BackendUnavailable) -> None:
        self._warn(error)
        self._presence.keep(outcome.batch)
        self._give_up(outcome.exchanges)

    def _warn(self, error: BackendUnavailable) -> None:
        self._counters.add("radius_commits_failed")
        now = time.monotonic()
        if now >= self._next_warning:
            self._next_warning = now + 1.0
            self._log.warning("commit_failed", backend=error.backend, error=str(error))

    def _one_by_one(self, outcome: Outcome, error: str) -> None:
        """The database refuses something in this batch: let each NAS ask again, one at a time.

        Without this one odd packet would keep every packet that arrives with it unanswered.
        """
        self._log.error("batch_refused", error=error, exchanges=len(outcome.exchanges))
        self._counters.add("radius_batches_refused")
        singles = outcome.split()
        for single in singles:
            try:
                try:
                    self._ledger.commit(single.finish())
                except UnclearError:
                    single = single.placed(self._place)  # noqa: PLW2901 - the same, set right
                    self._ledger.commit(single.finish())
            except UnstorableError:
                self._counters.add("radius_dropped", reason="unstorable")
                self._forget(single.exchanges)
                continue
            except BackendUnavailable as gone:
                self._warn(gone)
                # Each of the others would wait for the database as long as this one did.
                for rest in (single, *singles):
                    self._give_up(rest.exchanges)
                return
            self._landed(single)
