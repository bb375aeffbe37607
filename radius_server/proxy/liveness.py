"""Whether a home server is alive, told by what it answers. RFC 3539 section 3.4, RFC 5997. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class State(IntEnum):
    """The smaller, the sooner it is asked."""

    ALIVE = 0
    SUSPECT = 1
    """It owes an answer, and is asked by Status-Server whether it is there at all."""
    DEAD = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """In seconds."""

    answer: float = 4.0
    """Until a request goes to the next server."""
    probe: float = 10.0
    """Between two Status-Server to a dead one."""
    revive: float = 120.0
    """Until a dead one that takes no Status-Server is tried again."""


class Liveness:
    """One home server as it seems; moments are monotonic seconds.

    One request without an answer proves little: a server further away may have dropped it.
    A server that answers nothing, Status-Server included, is dead.
    """

    def __init__(self, patience: Patience, *, takes_status: bool) -> None:
        self._patience = patience
        self._takes_status = takes_status
        self.state = State.ALIVE
        self._answered_at = float("-inf")
        self._dead_since = 0.0
        self._probed_at: float | None = None
        self._next_probe = 0.0

    def answered(self, now: float) -> bool:
        """It answered something; True when it was not known to be alive."""
        came_back = self.state is not State.ALIVE
        self._answered_at = now
        self._probed_at = None
        self.state = State.ALIVE
        return came_back

    def timed_out(self, asked_at: float, now: float) -> bool:
        """A request of `asked_at` was not answered; True when that makes it dead."""
        if self._answered_at >= asked_at or self.state is not State.ALIVE:
            return False
        if not self._takes_status:
            return self.failed(now)
        self.state = State.SUSPECT
        self._next_probe = now
        return False

    def failed(self, now: float) -> bool:
        """It cannot be reached at all; True when that is news."""
        is_news = self.state is not State.DEAD
        self.state = State.DEAD
        if is_news:
            self._dead_since = now
            self._next_probe = now + self._patience.probe
        self._probed_at = None
        return is_news

    def tick(self, now: float) -> bool:
        """Let time pass; True when it was found dead just now."""
        if self._probed_at is not None and now - self._probed_at >= self._patience.answer:
            self._probed_at = None
            if self.state is State.SUSPECT:
                return self.failed(now)
        revives = self.state is State.DEAD and not self._takes_status
        if revives and now - self._dead_since >= self._patience.revive:
            self.state = State.ALIVE
        return False

    def wants_probe(self, now: float) -> bool:
        """Whether a Status-Server is to be sent now."""
        return (
            self._takes_status
            and self.state is not State.ALIVE
            and self._probed_at is None
            and now >= self._next_probe
        )

    def probed(self, now: float) -> None:
        """A Status-Server was sent."""
        self._probed_at = now
        self._next_probe = now + self._patience.probe
