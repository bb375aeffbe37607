"""Killed with SIGKILL anywhere, the move of old rows loses none and stores none twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from common.clock import unix_milliseconds
from db.models import AuthEvent
from identity.office import Office
from tests.conftest import Site
from tests.unit.traffic.keeping.ledger import login
from traffic.archive.kinds import ACCESS
from traffic.archive.manifest import Manifest
from traffic.archive.seals import make_seal
from traffic.archive.tables import TableArchive
from traffic.archive.verification import verify_archive
from traffic.keeping.moving import Mover

pytestmark = pytest.mark.sampled

NOW = datetime(2026, 11, 27, 12, 30, tzinfo=UTC)
ROWS = 3000

_MOVER = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from db.engine import Database
from traffic.keeping import moving
moving.PAGE = 100
if sys.argv[4] == "after-line":
    def die(*_arguments):
        os.kill(os.getpid(), signal.SIGKILL)
    moving.Mover._delete = die
database = Database(sys.argv[1])
print("begun", flush=True)
moving.Mover(database, Path(sys.argv[2]), "node").run(datetime.fromisoformat(sys.argv[3]))
"""


def start(office: Office, how: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-c", _MOVER, office.database.url),
            *(str(office.config.data_dir / "archive"), NOW.isoformat(), how),
        ],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )


def fill(office: Office) -> None:
    with office.database.write() as session:
        for number in range(ROWS):
            at = NOW - timedelta(days=8) + timedelta(seconds=number)
            session.add(login(at, user_name=f"user{number}"))
        session.add(login(NOW, user_name="young"))


def check_whole(office: Office, site: Site) -> None:
    archive = office.config.data_dir / "archive"
    Mover(office.database, archive, "node").run(NOW)
    names = [
        row.values["user_name"]
        for row in TableArchive(archive, "node").read(ACCESS, limit=ROWS * 2)
    ]
    assert sorted(names) == sorted(f"user{number}" for number in range(ROWS))
    with office.database.read() as session:
        assert session.scalar(select(func.count()).select_from(AuthEvent)) == 1
    make_seal(archive, site.config.keys_dir, unix_milliseconds)
    # A segment that was renamed and never entered is removed by whoever writes next.
    verify_archive(archive, site.config.keys_dir)


def test_killed_between_the_line_and_the_deletion_every_time(office_on: Office, site: Site) -> None:
    fill(office_on)
    for _ in range(3):
        mover = start(office_on, "after-line")
        assert mover.wait(60) == -signal.SIGKILL
        assert mover.stdout is not None
        mover.stdout.close()
    assert Manifest(office_on.config.data_dir / "archive").entries()
    check_whole(office_on, site)


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_any_moment(office_on: Office, site: Site, seed: int) -> None:
    fill(office_on)
    chance = random.Random(seed)
    for _ in range(4):
        mover = start(office_on)
        assert mover.stdout is not None
        mover.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.6))
        os.kill(mover.pid, signal.SIGKILL)
        mover.wait(60)
        mover.stdout.close()
    check_whole(office_on, site)
