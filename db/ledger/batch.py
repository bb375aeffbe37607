"""What one commit writes, and the port that writes it.

Rows are plain tuples in the order of the column lists here: at tens of thousands of rows a
second an ORM object a row would cost more than the database does. Times are microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

Row = tuple[Any, ...]

AUTH_EVENT_COLUMNS = (
    "at",
    "nas_client_id",
    "user_name",
    "account_id",
    "method",
    "outcome",
    "reason",
    "calling_station_id",
    "called_station_id",
    "session_ref",
    "trace",
)
ACCOUNTING_EVENT_COLUMNS = (
    "received_at",
    "nas_client_id",
    "source",
    "status_type",
    "session_key",
    "user_name",
    "calling_station_id",
    "framed_address",
    "session_seconds",
    "event_timestamp",
    "octets",
)
SESSION_COLUMNS = (
    "session_key",
    "nas_client_id",
    "nas_identity",
    "acct_session_id",
    "user_name",
    "account_id",
    "session_ref",
    "calling_station_id",
    "called_station_id",
    "nas_port",
    "started_at",
    "first_heard_at",
    "last_heard_at",
    "session_seconds",
    "stop_seen",
    "stop_at",
    "terminate_cause",
    "input_octets",
    "output_octets",
)
ADDRESS_COLUMNS = (
    "session_key",
    "address",
    "source",
    "from_at",
    "to_at",
    "first_offset_seconds",
    "last_offset_seconds",
)


RELAY_COLUMNS = ("received_at", "realm", "session_key", "octets", "next_try_at", "attempts")


@dataclass(slots=True)
class Batch:
    """One commit. At most one row a session and one an address: the caller has joined them.

    `boots`: (nas_client_id, nas_identity, at, status_type) of Accounting-On and -Off.
    `nas_seen`: nas_client_id → (last seen, last Access-Request without Message-Authenticator,
    last one with it); None: not since the last commit.
    `unknown`: address → (first seen, last seen, datagrams) since the last commit.
    """

    auth_events: list[Row] = field(default_factory=list)
    accounting_events: list[Row] = field(default_factory=list)
    sessions: list[Row] = field(default_factory=list)
    addresses: list[Row] = field(default_factory=list)
    boots: list[tuple[int, str, int, int]] = field(default_factory=list)
    nas_seen: dict[int, tuple[int | None, int | None, int | None]] = field(default_factory=dict)
    unknown: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    is_placed: bool = False
    """Each row of `sessions` belongs where its key says; else the ledger makes sure of it."""
    relays: list[Row] = field(default_factory=list)
    """Accounting that is owed to home servers as well, RELAY_COLUMNS."""

    def is_empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not (
            self.auth_events
            or self.accounting_events
            or self.boots
            or self.nas_seen
            or self.unknown
        )


class Ledger(Protocol):
    """Writes batches durably. One per worker; not shared between threads.

    `start` and `finished` let the worker go on reading while the disk writes; `commit` is
    both in one. One batch at a time is under way.
    """

    def commit(self, batch: Batch) -> None:
        """Write the whole batch and return once it would survive a power cut.

        Raises:
            BackendUnavailable: the database did not take it; nothing of it is stored.
            UnstorableError: it refused a value; nothing of it is stored.
            UnclearError: see there; nothing of it is stored.
        """

    def start(self, batch: Batch) -> bool:
        """Begin to write the whole batch. True when it is durable already; raises as `commit`.

        When False, ask `finished` whenever `fileno` becomes readable, and now and then.
        """

    def finished(self) -> bool:
        """Whether the batch that was started is durable now; raises as `commit`."""

    def fileno(self) -> int:
        """What becomes readable when the batch under way is done; -1 when nothing does."""

    def close(self) -> None:
        """Give the connection back."""


class UnstorableError(Exception):
    """The database refuses a value of this batch and always will."""


class UnclearError(Exception):
    """A row of `sessions` may be another session than the ended one that has its key.

    Equipment uses an Acct-Session-Id again. Whose session each packet is has to be looked up;
    then the batch is committed again, with `is_placed` set.
    """
