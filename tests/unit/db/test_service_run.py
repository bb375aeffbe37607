"""db.service_run: a run and its heartbeat."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, select

from db.engine import Database
from db.models import ServiceRun
from db.service_run import Heartbeat, Pulse, heartbeat
from identity.office import Office

_START = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[list[datetime]]:
    yield [_START]


def _runs(office: Office) -> list[ServiceRun]:
    with office.database.read() as session:
        return list(session.scalars(select(ServiceRun).order_by(ServiceRun.id)))


def test_a_run_is_written_at_once_kept_alive_and_ended(
    office_on: Office, clock: list[datetime]
) -> None:
    beating = Heartbeat(office_on.database, "radius", "node1", lambda: clock[0], every_seconds=0)
    beating.beat()
    clock[0] += timedelta(seconds=7)
    beating.beat()
    (run,) = _runs(office_on)
    assert (run.process, run.node, run.started_at) == ("radius", "node1", _START)
    assert run.alive_at == _START + timedelta(seconds=7)
    assert run.stopped_at is None

    clock[0] += timedelta(seconds=1)
    beating.stop()
    (run,) = _runs(office_on)
    assert run.stopped_at == run.alive_at == _START + timedelta(seconds=8)


def test_beats_in_quick_succession_are_one_write(office: Office) -> None:
    beating = heartbeat(office.database, "collector", "node1")
    (first,) = _runs(office)
    for _ in range(100):
        beating.beat()
    (run,) = _runs(office)
    assert run.alive_at == first.alive_at


def test_a_row_that_was_deleted_is_written_again(office: Office, clock: list[datetime]) -> None:
    beating = Heartbeat(office.database, "radius", "node1", lambda: clock[0], every_seconds=0)
    beating.beat()
    with office.database.write() as session:
        session.execute(delete(ServiceRun))
    beating.beat()
    (run,) = _runs(office)
    assert run.started_at == _START


def test_a_database_that_fails_never_stops_the_caller(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path_factory.mktemp("broken") / "x.db"
    folder.mkdir()
    database = Database(f"sqlite:///{folder}")
    beating = heartbeat(database, "radius", "node1")
    beating.beat()
    beating.stop()
    database.dispose()
    captured = capsys.readouterr()
    assert "heartbeat_not_written" in captured.out + captured.err


def test_an_outage_ends_the_run_of_a_process_that_lost_what_it_received(
    office: Office, clock: list[datetime]
) -> None:
    beating = Heartbeat(
        office.database, "radius", "node1", lambda: clock[0], every_seconds=0, outage_seconds=0
    )
    beating.beat()
    clock[0] += timedelta(minutes=20)
    beating.beat()
    first, second = _runs(office)
    assert (first.alive_at, first.stopped_at) == (_START, None)
    assert second.started_at == second.alive_at == _START + timedelta(minutes=20)


class _Counting(Heartbeat):
    """Counts instead of writing; `hold` makes a beat hang."""

    def __init__(self) -> None:
        self.beats = 0
        self.is_under_way = threading.Event()
        self.hold = threading.Event()
        self.hold.set()
        self.ended = False

    def beat(self) -> None:
        self.is_under_way.set()
        self.hold.wait(20)
        self.beats += 1

    def stop(self) -> None:
        self.ended = True


@pytest.fixture
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.service_run._LOOK_SECONDS", 0.02)


@pytest.mark.usefixtures("_often")
def test_a_loop_never_waits_for_a_beat_that_hangs() -> None:
    beating = _Counting()
    beating.hold.clear()
    pulse = Pulse(beating)
    assert beating.is_under_way.wait(20)
    began = time.monotonic()
    for _ in range(1000):
        pulse.feel()
    assert time.monotonic() - began < 0.5
    assert beating.beats == 0
    beating.hold.set()
    pulse.stop()
    assert beating.beats >= 1
    assert beating.ended


@pytest.mark.usefixtures("_often")
def test_a_loop_that_stands_still_is_not_written_down_as_alive() -> None:
    beating = _Counting()
    pulse = Pulse(beating, fresh_seconds=0.0)
    time.sleep(0.2)  # ten looks, and no beat
    pulse.stop()
    assert beating.beats == 0
