"""Asking for values without a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

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


@pytest.mark.parametrize("question", [Database.require_schema, Database.has_tables])
def test_a_file_that_is_no_database_is_told_with_what_helps(
    tmp_path: Path, question: Callable[[Database], object]
) -> None:
    path = tmp_path / "site.db"
    path.write_bytes(b"what somebody copied over it" * 500)
    database = Database(f"sqlite:///{path}")
    with pytest.raises(BackendUnavailable, match="file is not a database") as told:
        question(database)
    assert told.value.advice == "restore the backup of the database"
    with pytest.raises(BackendUnavailable), database.read() as session:
        session.execute(select(Revision.number))


def test_a_mistake_of_ours_is_not_taken_for_a_database_that_is_away(office: Office) -> None:
    with pytest.raises(IntegrityError), office.database.write() as session:
        session.add(Revision(id=1, number=1))
