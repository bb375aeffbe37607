"""A session that was closed because no list had it is not certain to its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from db.models import NetworkSession
from identity.domain.sessions import CloseCause
from traffic.lookup.holders import Ending

BEGAN = datetime(2026, 6, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize("cause", [CloseCause.GRANT_OVER, CloseCause.NOT_ON_NAS])
def test_what_was_closed_unheard_is_certain_to_its_last_report_only(cause: str) -> None:
    row = NetworkSession(
        started_at=BEGAN,
        last_heard_at=BEGAN + timedelta(minutes=10),
        session_seconds=600,
        stop_seen=0,
        closed_at=BEGAN + timedelta(hours=8),
        close_cause=cause,
    )
    ending = Ending.of(row, (), None)
    assert ending.certain_to == BEGAN + timedelta(minutes=10)
    assert ending.latest == row.closed_at
