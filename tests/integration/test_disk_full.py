"""A real, small disk that fills: who gets in, what is said, and that nothing is deleted."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from common.clock import utc_now
from common.disk import Level, room_of
from common.errors import ArchiveError
from tests.clients.radclient import Nas
from tests.conftest import run_command, wait_until, write_configuration
from tests.integration.radius_site import (
    LOOPBACK,
    LiveSite,
    live_site,
    running_radius,
)
from tests.programs import require, require_root
from traffic.archive.kinds import LEASE
from traffic.archive.manifest import Manifest
from traffic.archive.tables import TableArchive
from traffic.moments import to_milliseconds

pytestmark = [pytest.mark.real, pytest.mark.root]

PASSWORD = "seven green elephants"
DISK_OCTETS = 64 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MiB."""
    require_root()
    where = tmp_path / "disk"
    where.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_OCTETS}", "tmpfs", where], check=True
    )
    try:
        yield where
    finally:
        subprocess.run(["umount", where], check=True)


def fill_to(disk: Path, percent: float) -> Path:
    """A file that leaves the disk that full."""
    status = os.statvfs(disk)
    free_wanted = int(status.f_blocks * status.f_frsize * (1 - percent / 100))
    ballast = disk / "ballast"
    ballast.write_bytes(b"\0" * (status.f_bavail * status.f_frsize - free_wanted))
    return ballast


@pytest.fixture
def live(disk: Path, _made_site: Path) -> LiveSite:
    require("radclient", "freeradius-utils")
    changes = {"[collector]": '[archive]\ndisk_full = "refuse-logins"\n[collector]'}
    made = live_site(disk, _made_site, changes=changes)
    made.add_nas("ap", LOOPBACK)
    made.add_person("somchai", PASSWORD)
    return made


def test_nobody_new_gets_in_while_the_disk_is_full_and_everybody_after(
    live: LiveSite, disk: Path
) -> None:
    nas = Nas(live)

    def log_in(station: str) -> str:
        return nas.access("somchai", PASSWORD, Calling_Station_Id=station).code

    with running_radius(live) as server:
        assert log_in("3c-22-fb-01-02-03") == "Access-Accept"
        ballast = fill_to(disk, 96.5)
        wait_until(lambda: "disk_full_logins_refused" in server.log(), 10, "nobody noticed")
        assert log_in("3c-22-fb-01-02-04") == "Access-Reject"
        assert live.rows("SELECT reason FROM auth_event ORDER BY id DESC LIMIT 1") == [
            ("disk_full",)
        ]
        result = live.site.yuenyan("doctor", "--json")
        assert "nobody new is let in" in result.stdout
        ballast.unlink()
        wait_until(lambda: "disk_has_room_logins_admitted" in server.log(), 10, "nobody noticed")
        assert log_in("3c-22-fb-01-02-04") == "Access-Accept"


def test_a_full_disk_refuses_what_is_new_and_deletes_nothing_that_is_old(
    live: LiveSite, disk: Path
) -> None:
    archive = live.site.data_dir / "archive"
    tables = TableArchive(archive, "node")
    now = utc_now()
    for day in (80, 40, 1):
        row = {"received_at": to_milliseconds(now - timedelta(days=day)), "address": "10.0.0.1"}
        tables.append(LEASE, [row])
    before = Manifest(archive).lines()
    ballast = fill_to(disk, 99.95)
    with suppress(OSError), (disk / "rest").open("wb") as rest:
        while True:
            rest.write(b"\0" * 4096)
            rest.flush()
    room = room_of(disk)
    assert room is not None and room.level is Level.FULL
    big = [{"received_at": to_milliseconds(now), "raw": os.urandom(4096)} for _ in range(50)]
    with pytest.raises((ArchiveError, OSError)) as refused:
        tables.append(LEASE, big)
    assert getattr(refused.value, "errno", errno.ENOSPC) == errno.ENOSPC
    ballast.unlink()
    result = live.yuenyan("archive", "purge", "--json")
    assert '"segments": 0' in result.stdout
    assert Manifest(archive).lines() == before
    assert len(tables.read(LEASE)) == 3


def test_init_says_that_the_disk_is_full_and_goes_on_when_there_is_room(disk: Path) -> None:
    path = write_configuration(disk)
    for room in (4 << 10, 60 << 10, 400 << 10):  # of the keys, of the first and the last tables
        shutil.rmtree(disk / "var", ignore_errors=True)
        ballast = fill_to(disk, 100)
        os.truncate(ballast, ballast.stat().st_size - room)
        refused = run_command("--config", str(path), "init")
        assert refused.exit_code == 3, refused
        assert refused.stderr.startswith("yuenyan: ") and refused.stderr.count("\n") == 1, refused
        assert "make room" in refused.stderr
        ballast.unlink()
        assert run_command("--config", str(path), "init").exit_code == 0


def test_a_command_says_that_the_disk_is_full_where_sqlite_says_input_and_output(
    disk: Path,
) -> None:
    path = write_configuration(disk)
    assert run_command("--config", str(path), "init").exit_code == 0
    fill_to(disk, 100)
    refused = run_command("--config", str(path), "org", "add", "10", "a school")
    assert refused.exit_code == 3 and "the disk is full: make room" in refused.stderr
