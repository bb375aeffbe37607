"""Gives a session of its own to a packet whose Acct-Session-Id stands for an ended one.

Asked only about batches in which the ledger met an ended session (db.ledger UnclearError), so
that the others pay nothing for it. The decision is identity.domain.reused_ids'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from identity.domain.reused_ids import Claim, Course, numbered_key, place
from identity.domain.sessions import (
    Owner,
    SessionState,
    StatusType,
    ended_at,
    join_sessions,
)
from identity.stores.sql import SqlStore, StoredSession
from radius_server.process.accounting import AccountingRecord

_FIRST_STEP, _GROWTH = 8, 8
"""How far one key's sessions are looked for at a time: a restart each night is one a day."""

MAXIMUM_SESSIONS = 32_768
"""Of one key: for three months one every four minutes. They cost a batch six look-ups at most,
whatever comes in it; beyond them visits are joined again."""

_START = int(StatusType.START)
_LATEST_STAMP = 2**32 - 1


class ReusedIds:
    """Belongs to one worker and its thread."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store

    def place(self, records: Sequence[AccountingRecord], owners: Sequence[Owner]) -> None:
        """Set the key of each record's session right; `owners` go with the records.

        Args:
            records: one batch, in the order they came, of which nothing is stored yet.

        Raises:
            BackendUnavailable: nobody can say now.
        """
        stored = self._stored({item.session.session_key for item in records if item.session})
        lately: dict[str, SessionState] = {}
        for record, (_, session_ref) in zip(records, owners, strict=True):
            session = record.session
            if session is None:
                continue
            first_key = session.session_key
            number = place(
                _courses(first_key, stored, lately), _claim(record, session, session_ref)
            )
            key = numbered_key(first_key, number)
            if number > 1:
                _rename(record, session, key)
            noted = replace(session, session_key=key, session_ref=session_ref)
            before = lately.get(key)
            lately[key] = noted if before is None else join_sessions(before, noted)

    def _stored(self, first_keys: set[str]) -> dict[str, StoredSession]:
        """What is stored of these keys' sessions, the later ones of each included."""
        stored = self._store.sessions(first_keys)
        going_on = [key for key in first_keys if key in stored]
        low, high = 2, _FIRST_STEP
        while going_on and high <= MAXIMUM_SESSIONS:
            wanted = [numbered_key(key, n) for key in going_on for n in range(low, high + 1)]
            stored |= self._store.sessions(wanted)
            going_on = [key for key in going_on if numbered_key(key, high) in stored]
            low, high = high + 1, high * _GROWTH
        return stored


def _courses(
    first_key: str, stored: dict[str, StoredSession], lately: dict[str, SessionState]
) -> list[Course]:
    """The sessions one key stands for, as stored and with what this batch says of them."""
    courses: list[Course] = []
    while True:
        key = numbered_key(first_key, len(courses) + 1)
        row, noted = stored.get(key), lately.get(key)
        if row is None and noted is None:
            return courses
        state, closed_at = noted, None
        if row is not None:
            state, closed_at = row.state, row.closed_at
            if noted is not None:
                state = join_sessions(state, noted)
        assert state is not None
        courses.append(Course(state.session_ref, ended_at(state, closed_at)))


def _claim(record: AccountingRecord, session: SessionState, session_ref: str | None) -> Claim:
    stamp = record.event_timestamp
    told_at = None if stamp is None else datetime.fromtimestamp(min(stamp, _LATEST_STAMP), UTC)
    is_start = record.status_type == _START and not session.session_seconds
    return Claim(session_ref, session.started_at, is_start, told_at)


def _rename(record: AccountingRecord, session: SessionState, key: str) -> None:
    record.session = replace(session, session_key=key)
    record.addresses = tuple(replace(address, session_key=key) for address in record.addresses)
