"""A database that is gone while the archive is there: nobody is told to make an empty one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from common.config import Config
from common.config import Site as SiteSection
from tests.conftest import Site
from yuenyan.checkup.site import check_database
from yuenyan.initialise import initialise
from yuenyan.lost import describe_loss


def lose(folder: Path, entries: int) -> None:
    """No database in the data directory, and an archive of so many entries."""
    (folder / "yuenyan.db").unlink(missing_ok=True)
    (folder / "archive").mkdir(exist_ok=True)
    (folder / "archive" / "manifest.jsonl").write_text("{}\n" * entries, encoding="ascii")


def test_a_new_site_has_lost_nothing(tmp_path: Path) -> None:
    config = Config(site=SiteSection(data_dir=tmp_path))
    assert describe_loss(config) is None
    (finding,) = check_database(config)
    assert (finding.what, finding.todo) == ("there is none yet", "run: yuenyan init")


def test_doctor_sends_a_site_with_an_archive_to_its_backup(tmp_path: Path) -> None:
    lose(tmp_path, 3)
    config = Config(site=SiteSection(data_dir=tmp_path))
    (finding,) = check_database(config)
    assert finding.what == "the archive has 3 entries but the database is gone"
    assert finding.todo.startswith("restore the backup") and "an empty one" in finding.todo
    (tmp_path / "yuenyan.db").touch()  # what a tool leaves that only looked
    (again,) = check_database(config)
    assert again == finding


@pytest.mark.parametrize(
    "command", ["user list", "lookup --at now --address 10.0.0.1", "serve", "portal"]
)
def test_commands_send_a_site_with_an_archive_to_its_backup(site: Site, command: str) -> None:
    lose(site.data_dir, 7)
    words = command.replace("now", "2026-05-16T10:00:00+07:00").split()
    if words[0] == "lookup":
        words += ["--case", "1", "--reason", "a test"]
    result = site.yuenyan(*words)
    assert result.exit_code == 2, result
    assert "the archive has 7 entries but the database is gone: restore" in result.stderr
    assert not (site.data_dir / "yuenyan.db").exists()


def test_commands_send_a_site_without_an_archive_to_init(site: Site) -> None:
    (site.data_dir / "yuenyan.db").unlink()
    assert "run 'yuenyan init' first" in site.yuenyan("user", "list").stderr


def test_init_makes_no_empty_database_beside_an_archive_unless_told_to(site: Site) -> None:
    lose(site.data_dir, 7)
    key = site.data_dir / "keys" / "portal-session.key"
    key.unlink()
    refused = site.yuenyan("init")
    assert refused.exit_code == 1, refused
    assert "the archive has 7 entries but the database is gone" in refused.stderr
    assert "yuenyan init --empty-database" in refused.stderr
    assert not (site.data_dir / "yuenyan.db").exists() and not key.exists()
    (site.data_dir / "yuenyan.db").touch()  # what a tool leaves that only looked
    assert site.yuenyan("init").exit_code == 1
    begun = site.yuenyan("init", "--empty-database")
    assert begun.exit_code == 0 and key.exists(), begun
    assert site.yuenyan("init").exit_code == 0, "what is there stays as it is"


def test_init_makes_no_other_key_for_secrets_that_are_sealed_unless_told_to(site: Site) -> None:
    added = site.yuenyan(
        "nas", "add", "gate", "127.0.0.1/32", "--secret-stdin", stdin="a secret of thirty octets\n"
    )
    assert added.exit_code == 0, added
    key, other = (site.data_dir / "keys" / name for name in ("vault.key", "portal-session.key"))
    kept = key.read_bytes()
    key.unlink()
    other.unlink()
    refused = site.yuenyan("init")
    assert refused.exit_code == 1, refused
    assert f"there is no {key}" in refused.stderr and "bring it back" in refused.stderr
    assert not key.exists() and not other.exists(), "nothing is made"
    key.write_bytes(kept)
    key.chmod(0o600)
    assert site.yuenyan("init").exit_code == 0, "with the right key what is missing is made"
    assert "or from the other machine that uses this database" in refused.stderr
    with closing(sqlite3.connect(site.data_dir / "yuenyan.db")) as database:
        # As one that was added before strengths were noted.
        database.execute("UPDATE nas_client SET secret_strength = NULL")
        database.commit()
    key.unlink()
    begun = site.yuenyan("init", "--new-vault-key")
    assert begun.exit_code == 0 and "made vault key" in begun.stdout, begun
    assert key.read_bytes() != kept
    assert site.yuenyan("init").exit_code == 0, "it stays safe to repeat"


def test_init_makes_a_key_for_a_database_that_holds_nothing_yet(tmp_path: Path) -> None:
    config = Config(site=SiteSection(data_dir=tmp_path))
    initialise(config, None, None)
    (tmp_path / "keys" / "vault.key").unlink()
    assert "vault key" in initialise(config, None, None).made
