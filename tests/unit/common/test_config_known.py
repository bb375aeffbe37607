"""What a configuration came to is believed only while it, and the code, are the same."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from common import config as configuration
from common import config_known


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("YUENYAN_CONFIG", raising=False)
    monkeypatch.delenv("YUENYAN_DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    path = tmp_path / "site.toml"
    path.write_text(f'[site]\ntimezone = "Europe/Berlin"\ndata_dir = "{tmp_path}/data"\n')
    return path


def remember(path: Path | None) -> None:
    config_known.remember(configuration.load(path), "0123456789abcdef")


def test_what_was_read_once_is_known(file: Path) -> None:
    assert config_known.find(str(file)) is None
    remember(file)
    known = config_known.find(str(file))
    assert known is not None
    config = configuration.load(file)
    assert known.data_dir == str(config.data_dir)
    assert known.database == config.database_url.removeprefix("sqlite:///")
    assert (known.zone, known.inside_digest) == ("Europe/Berlin", "0123456789abcdef")
    assert tuple(known.inside) == config.collector.inside
    assert known.segment_seconds == config.archive.segment_seconds
    assert (known.second_person, known.named) == (False, config.lookup.confidentiality[True])


def test_it_is_found_by_the_ways_in_which_a_configuration_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(file)
    assert config_known.find("site.toml") is not None
    monkeypatch.setenv("YUENYAN_CONFIG", "site.toml")
    assert config_known.find(None) is not None
    monkeypatch.delenv("YUENYAN_CONFIG")
    assert config_known.find(None) is None
    Path("yuenyan.toml").write_text(file.read_text())
    assert config_known.find(None) is None
    remember(Path("yuenyan.toml"))
    assert config_known.find(None) is not None


def test_a_site_without_a_configuration_is_known_by_its_folder(file: Path) -> None:
    Path("var").mkdir()
    assert config_known.find(None) is None
    remember(None)
    known = config_known.find(None)
    assert known is not None
    assert known.data_dir == str(Path("var").absolute())


@pytest.mark.parametrize("added", ["\n", "[lookup]\nsecond_person = true\n", "nonsense"])
def test_another_text_is_another_configuration(file: Path, added: str) -> None:
    remember(file)
    file.write_text(file.read_text() + added)
    assert config_known.find(str(file)) is None


def test_another_code_reads_it_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(file)
    code = file.parent / "code"
    code.mkdir()
    (code / "config.py").write_text("")
    monkeypatch.setattr(config_known, "__file__", str(code / "config_known.py"))
    assert config_known.find(str(file)) is None


def test_what_others_can_have_written_is_not_believed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(file)
    known = file.parent / "data" / config_known.NAME
    assert known.stat().st_mode & 0o777 == 0o600
    known.chmod(0o622)
    assert config_known.find(str(file)) is None
    known.chmod(0o600)
    assert config_known.find(str(file)) is not None
    monkeypatch.setattr(os, "geteuid", lambda: known.stat().st_uid + 1)
    found = config_known.find(str(file))
    assert (found is None) == (known.stat().st_uid != 0)  # root's own is believed by anybody
    moved = known.rename(known.with_name("elsewhere"))
    known.symlink_to(moved)
    assert config_known.find(str(file)) is None


def test_what_was_linked_there_is_not_believed(file: Path) -> None:
    remember(file)
    known = file.parent / "data" / config_known.NAME
    os.link(known, file.parent / "another")
    assert config_known.find(str(file)) is None
    (file.parent / "another").unlink()
    assert config_known.find(str(file)) is not None
    known.unlink()
    os.mkfifo(known, 0o600)
    assert config_known.find(str(file)) is None


def test_a_database_elsewhere_is_not_for_here(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(file)
    monkeypatch.setenv("YUENYAN_DATABASE_URL", "sqlite:////quite/another.db")
    assert config_known.find(str(file)) is None
    remember(file)
    monkeypatch.delenv("YUENYAN_DATABASE_URL")
    known = config_known.find(str(file))
    assert known is not None
    assert "another" not in known.database
    file.write_text(file.read_text() + '[database]\nurl = "postgresql+psycopg://a:secret@b/c"\n')
    remember(file)
    assert config_known.find(str(file)) is None
    assert "secret" not in (file.parent / "data" / config_known.NAME).read_text()


def test_a_data_dir_written_in_another_way_is_read_by_those_who_can(file: Path) -> None:
    file.write_text('site = { data_dir = "data" }\n')
    remember(file)
    assert config_known.find(str(file)) is None
    file.write_text("[site]\ndata_dir = '''data'''\n")
    remember(file)
    assert config_known.find(str(file)) is None


def test_damage_is_only_forgetting(file: Path) -> None:
    remember(file)
    known = file.parent / "data" / config_known.NAME
    for octets in (b"", b"{", b"[]", b"\xff", known.read_bytes()[:-9]):
        known.write_bytes(octets)
        assert config_known.find(str(file)) is None
    remember(file)
    assert config_known.find(str(file)) is not None


def test_a_full_disk_is_not_filled_further(file: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        remember(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((file.parent / "data").iterdir())
