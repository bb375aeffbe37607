"""Gives a session of its own to a packet whose Acct-Session-Id stands for an ended one.

Open sessions are known by their key and login from their first packet on, and cost one look
into a dictionary. Only what is seen for the first time is asked of the database, all of a
batch in one question. The decision is identity.domain.reused_ids'.
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

REMEMBERED = 32_768
"""Sessions a worker holds in mind; twice as many at most, and then the oldest half goes."""

_LOOK_UPS = ((2, 8), (9, 64), (65, 512))
"""How far one key's sessions are looked for at a time: a restart each night is one a day."""

_START, _STOP = int(StatusType.START), int(StatusType.STOP)
_LATEST_STAMP = 2**32 - 1


class ReusedIds:
    """Belongs to one worker and its thread."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self._known: dict[str, tuple[str | None, ...]] = {}
        self._known_before: dict[str, tuple[str | None, ...]] = {}
        """First key → the logins whose packets belong to that session, while it is open."""
        self._lately: dict[str, SessionState] = {}
        self._lately_before: dict[str, SessionState] = {}
        """What the database may not show yet: stops, and sessions that are not the first."""

    def place(self, records: Sequence[AccountingRecord], owners: Sequence[Owner]) -> None:
        """Set the key of each record's session right; `owners` go with the records.

        Raises:
            BackendUnavailable: nobody can say now.
        """
        known = self._known
        unsure: list[tuple[AccountingRecord, SessionState, str | None]] = []
        for record, (_, session_ref) in zip(records, owners, strict=True):
            session = record.session
            if session is None:
                continue
            key = session.session_key
            refs = known.get(key) or self._recall(key)
            if (
                refs is None
                or session_ref not in refs
                or (session_ref is None and record.status_type == _START)
            ):
                unsure.append((record, session, session_ref))
            elif record.status_type == _STOP:
                self._note(key, session, session_ref)
                del known[key]
        if unsure:
            self._look(unsure)

    def _look(self, unsure: Sequence[tuple[AccountingRecord, SessionState, str | None]]) -> None:
        stored = self._stored({session.session_key for _, session, _ in unsure})
        for record, session, session_ref in unsure:
            first_key = session.session_key
            courses = self._courses(first_key, stored)
            number = place(courses, _claim(record, session, session_ref))
            key = numbered_key(first_key, number)
            has_stopped = record.status_type == _STOP
            if number > 1:
                _rename(record, session, key)
            if number > 1 or has_stopped:
                self._note(key, session, session_ref)
            if max(number, len(courses)) > 1 or has_stopped:
                self._known.pop(first_key, None)
            elif not courses or courses[0].end is None:
                self._learn(first_key, session_ref)

    def _recall(self, key: str) -> tuple[str | None, ...] | None:
        refs = self._known_before.pop(key, None)
        if refs is not None:
            self._known[key] = refs
        return refs

    def _learn(self, key: str, session_ref: str | None) -> None:
        refs = self._known.get(key, ())
        if session_ref not in refs:
            self._known[key] = (*refs, session_ref)
            if len(self._known) > REMEMBERED:
                self._known_before, self._known = self._known, {}

    def _note(self, key: str, session: SessionState, session_ref: str | None) -> None:
        noted = replace(session, session_key=key, session_ref=session_ref)
        before = self._lately.get(key) or self._lately_before.get(key)
        self._lately[key] = noted if before is None else join_sessions(before, noted)
        if len(self._lately) > REMEMBERED // 4:
            self._lately_before, self._lately = self._lately, {}

    def _stored(self, first_keys: set[str]) -> dict[str, StoredSession]:
        """What is stored of these keys' sessions, the later ones of each included."""
        stored = self._store.sessions(first_keys)
        going_on = [key for key in first_keys if key in stored or self._noted(key) is not None]
        for low, high in _LOOK_UPS:
            if not going_on:
                break
            wanted = [numbered_key(key, n) for key in going_on for n in range(low, high + 1)]
            stored |= self._store.sessions(wanted)
            going_on = [key for key in going_on if numbered_key(key, high) in stored]
        return stored

    def _courses(self, first_key: str, stored: dict[str, StoredSession]) -> list[Course]:
        courses: list[Course] = []
        while True:
            key = numbered_key(first_key, len(courses) + 1)
            row, noted = stored.get(key), self._noted(key)
            if row is None and noted is None:
                return courses
            state, closed_at = noted, None
            if row is not None:
                state, closed_at = row.state, row.closed_at
                if noted is not None:
                    state = join_sessions(state, noted)
            assert state is not None
            courses.append(Course(state.session_ref, ended_at(state, closed_at)))

    def _noted(self, key: str) -> SessionState | None:
        return self._lately.get(key) or self._lately_before.get(key)


def _claim(record: AccountingRecord, session: SessionState, session_ref: str | None) -> Claim:
    stamp = record.event_timestamp
    told_at = None if stamp is None else datetime.fromtimestamp(min(stamp, _LATEST_STAMP), UTC)
    is_start = record.status_type == _START and not session.session_seconds
    return Claim(session_ref, session.started_at, is_start, told_at)


def _rename(record: AccountingRecord, session: SessionState, key: str) -> None:
    record.session = replace(session, session_key=key)
    record.addresses = tuple(replace(address, session_key=key) for address in record.addresses)
