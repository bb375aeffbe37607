"""`yuenyan init` begun twice at once, as by two people or by a unit and a person."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import write_configuration

pytestmark = pytest.mark.real


def test_two_that_make_the_same_site_do_it_once(tmp_path: Path, database_url: str) -> None:
    path = write_configuration(tmp_path, database_url)
    command = [sys.executable, "-m", "yuenyan.cli", "--config", str(path)]
    words = [*command, "init", "--admin", "head", "--admin-password-stdin"]
    outputs = [tmp_path / "first", tmp_path / "second"]
    running = []
    for path in outputs:
        with path.open("wb") as stream:
            running.append(
                subprocess.Popen(words, stdin=subprocess.PIPE, stdout=stream, stderr=stream)
            )
    for one in running:
        one.communicate(b"correct horse battery\n", timeout=60)
    said = [path.read_text() for path in outputs]
    assert [one.returncode for one in running] == [0, 0], said
    for made in ("vault key", "lab certificate authority", "admin account head"):
        assert sum(f"made {made}\n" in text for text in said) == 1, said
    shown = subprocess.run([*command, "cert", "list", "--json"], capture_output=True, check=True)
    assert sorted(one["kind"] for one in json.loads(shown.stdout)) == ["ca", "server"]
