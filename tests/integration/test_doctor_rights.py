"""`yuenyan doctor` as a user who may not read the site: it goes on and says what it did not see."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from common.config import Config
from common.config import Site as SiteSection
from tests.conftest import Result, Site, run_command, write_configuration
from yuenyan.checkup.finding import Finding, ok
from yuenyan.checkup.rights import check_rights, look

_NOBODY = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@contextmanager
def nobody() -> Iterator[None]:
    """This process may read no more than what everybody may."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(_NOBODY)
    os.setresuid(_NOBODY, _NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setegid(0)
        os.setgroups(groups)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may go into; those of pytest are its own user's."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def asked_by_nobody(site: Site, folder: Path, *options: str) -> Result:
    shutil.copytree(site.data_dir, folder / "var")
    path = write_configuration(folder)
    words = ("--config", str(path), "doctor", *options)
    run_command(*words)  # what it loads is loaded by who may read it
    with nobody():
        return run_command(*words)


@pytest.mark.parametrize("mode", [0o750, 0o755])
def test_doctor_goes_on_and_names_what_it_may_not_see_and_who_may(
    site: Site, open_folder: Path, mode: int
) -> None:
    site.data_dir.chmod(mode)
    told = asked_by_nobody(site, open_folder, "--json")
    assert (told.exit_code, told.stderr) == (1, "")
    findings = json.loads(told.stdout)["findings"]
    by_check = {one["check"]: one for one in findings}
    hidden = by_check["rights"]
    assert hidden["level"] == "error"
    assert f"nobody may not look at {open_folder / 'var'}" in hidden["what"]
    assert hidden["todo"] == "run it as root"
    assert by_check["database"]["todo"] == "run it as root"
    assert "yuenyan init" not in told.stdout
    assert "password hashes" in by_check, "it did not go on to the end"


def test_doctor_names_each_key_that_it_may_not_read(open_folder: Path) -> None:
    keys = open_folder / "keys"
    keys.mkdir()
    for number in range(7):
        (keys / f"{number}.key").touch(0o600)
    config = Config(site=SiteSection(data_dir=open_folder))
    with nobody():
        (finding,) = check_rights(config)
    assert f"{keys / '0.key'}, {keys / '1.key'}" in finding.what
    assert "and 2 more" in finding.what
    assert list(check_rights(config)) == []


def test_one_check_that_cannot_look_does_not_keep_back_what_it_has_seen(tmp_path: Path) -> None:
    def check_things(config: Config) -> Iterator[Finding]:
        yield ok("first", "seen")
        raise OSError(5, "Input/output error", str(config.data_dir))

    seen, failed = look(check_things, Config(site=SiteSection(data_dir=tmp_path)))
    assert seen.check == "first"
    assert failed.check == "things"
    assert "Input/output error" in failed.what


def test_a_damaged_database_of_the_servers_user_is_no_matter_of_rights(site: Site) -> None:
    database = Path(site.config.database_url.removeprefix("sqlite:///"))
    database.write_bytes(b"no database" * 400)
    os.chown(database, _NOBODY, _NOBODY)
    findings = json.loads(site.yuenyan("doctor", "--json").stdout)["findings"]
    (told,) = (one for one in findings if one["check"] == "database")
    assert told["level"] == "error"
    assert told["todo"].startswith("see that the disk is whole, or restore the backup")
