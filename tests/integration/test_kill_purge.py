"""Killed with SIGKILL anywhere, a purge is finished by the next and takes nothing else."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Site
from tests.integration.test_cli_retention import told, write_history
from traffic.archive.entries import present
from traffic.archive.manifest import Manifest

pytestmark = pytest.mark.sampled

_PURGE = """
import sys
from traffic.keeping import purge
purge.PATHS_A_LINE = 1
from yuenyan import cli
print("begun", flush=True)
sys.argv = ["yuenyan", *sys.argv[1:]]
cli.main()
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_any_moment(site: Site, seed: int) -> None:
    history = write_history(site, 200, every=2)
    chance = random.Random(seed)
    for _ in range(5):
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", _PURGE, "--config", str(site.config_file)),
                *("archive", "purge"),
            ],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0.2, 1.5))
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
        process.stdout.close()
    told(site, "archive", "purge")
    archive = site.data_dir / "archive"
    left = present(Manifest(archive).entries(), "lease")
    assert left == [entry for entry in Manifest(archive).entries() if entry in history[-60:]]
    files = {str(path.relative_to(archive)) for path in archive.rglob("*.parquet")}
    assert files == {entry.path for entry in left}
    purges = [entry for entry in Manifest(archive).entries() if entry.kind == "purge"]
    removed = [path for entry in purges for path in entry.removed]
    assert len(removed) == len(set(removed)) == len(history) - 60
    assert site.yuenyan("archive", "seal").exit_code == 0
    assert site.yuenyan("archive", "verify").exit_code == 0
