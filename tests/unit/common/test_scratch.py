"""Folders that nobody who was killed leaves behind."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from common.scratch import hold, scratch_folder, sweep

_KILLED = """
import os, sys
from pathlib import Path
from common.scratch import scratch_folder
with scratch_folder("radius", Path(sys.argv[1])) as folder:
    (folder / "worker-0.sock").touch()
    os.kill(os.getpid(), 9)
"""


def left(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def test_a_folder_is_there_for_its_owner_alone_and_goes_with_the_block(tmp_path: Path) -> None:
    with scratch_folder("radius", tmp_path) as folder:
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "worker-0.sock").touch()
    assert left(tmp_path) == []


def test_what_a_killed_process_left_is_taken_away_by_the_next_one(tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", _KILLED, tmp_path], check=False)
    assert run.returncode == -9
    assert len(left(tmp_path)) == 1
    with scratch_folder("radius", tmp_path) as folder:
        assert left(tmp_path) == [folder.name]


def test_what_somebody_holds_stays(tmp_path: Path) -> None:
    with scratch_folder("radius", tmp_path) as first, scratch_folder("radius", tmp_path) as second:
        assert left(tmp_path) == sorted([first.name, second.name])
    orphan = tmp_path / "yuenyan-radius-abandoned"
    orphan.mkdir()
    worker = hold(orphan)
    assert sweep("radius", tmp_path) == 0
    os.close(worker)
    assert sweep("radius", tmp_path) == 1


def test_other_kinds_other_names_and_links_are_not_touched(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.mkdir()
    (target / "file").touch()
    (tmp_path / "yuenyan-radius-link").symlink_to(target)
    (tmp_path / "yuenyan-radius-file").touch()
    (tmp_path / "yuenyan-selftest-abandoned").mkdir()
    (tmp_path / "yuenyan-postgresql-x").mkdir()
    before = left(tmp_path)
    assert sweep("radius", tmp_path) == 0
    assert left(tmp_path) == before
    assert left(target) == ["file"]


def test_links_inside_are_deleted_and_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.mkdir()
    (target / "file").touch()
    orphan = tmp_path / "yuenyan-radius-abandoned"
    orphan.mkdir()
    (orphan / "link").symlink_to(target)
    assert sweep("radius", tmp_path) == 1
    assert left(target) == ["file"]


def test_a_folder_of_an_earlier_version_goes_when_it_is_empty(tmp_path: Path) -> None:
    (tmp_path / "yuenyan-a1b2c3_d").mkdir()
    used = tmp_path / "yuenyan-e5f6g7h8"
    used.mkdir()
    (used / "worker-0.sock").touch()
    assert sweep("radius", tmp_path) == 1
    assert left(tmp_path) == ["yuenyan-e5f6g7h8"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder to somebody else")
def test_a_folder_of_another_user_stays(tmp_path: Path) -> None:
    other = tmp_path / "yuenyan-radius-abandoned"
    other.mkdir()
    os.chown(other, 65534, 65534)
    assert sweep("radius", tmp_path) == 0
    assert left(tmp_path) == [other.name]


def test_whoever_has_just_made_a_folder_waits_for_who_deletes_it_and_makes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan = tmp_path / "yuenyan-radius-abandoned"
    orphan.mkdir()
    delete = shutil.rmtree

    def deletes(path: Path) -> None:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.close(handle)
        delete(path)

    monkeypatch.setattr("common.scratch.shutil.rmtree", deletes)
    assert sweep("radius", tmp_path) == 1
    monkeypatch.undo()

    make, made = tempfile.mkdtemp, list[str]()

    def makes(**words: Any) -> str:
        made.append(make(**words))
        if len(made) == 1:
            os.rmdir(made[0])  # noqa: PTH106 - swept before it is held
        return made[-1]

    monkeypatch.setattr("common.scratch.tempfile.mkdtemp", makes)
    with scratch_folder("radius", tmp_path) as folder:
        assert len(made) == 2 and str(folder) == made[1]
