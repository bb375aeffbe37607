"""Asking for values without a session."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from common.errors import BackendUnavailable
from db.engine import Database
from db.models import Revision
from identity.office import Office


def test_a_question_sees_what_was_committed_and_waits_for_no_writer(office: Office) -> None:
    (before,) = office.database.ask(select(Revision.number), {})
    with office.database.write() as session:
        session.get_one(Revision, 1).number += 1
        session.flush()
        # On SQLite it must not want the write lock.
        assert office.database.ask(select(Revision.number), {}) == [before]
    assert office.database.ask(select(Revision.number), {}) == [(before.number + 1,)]


def test_a_question_to_a_database_that_is_away_says_so(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable):
        Database(f"sqlite:///{tmp_path}/nowhere/site.db").ask(select(Revision.number), {})
