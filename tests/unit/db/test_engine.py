"""Looking at values without a session."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from common.errors import BackendUnavailable
from db.engine import Database
from db.models import Revision
from identity.office import Office


def test_a_look_sees_what_was_committed_and_holds_nobody_up(office: Office) -> None:
    with office.database.look() as connection:
        before = connection.scalar(select(Revision.number))
        assert before is not None
        with office.database.write() as session:  # on SQLite a look must not take the write lock
            session.get_one(Revision, 1).number += 1
    with office.database.look() as connection:
        assert connection.scalar(select(Revision.number)) == before + 1


def test_a_look_at_a_database_that_is_away_says_so(tmp_path: Path) -> None:
    with (
        pytest.raises(BackendUnavailable),
        Database(f"sqlite:///{tmp_path}/nowhere/site.db").look() as connection,
    ):
        connection.scalar(select(Revision.number))
