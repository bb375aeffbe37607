"""Keys and the CA: who may read what `init` makes, and what it makes no second time."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from common.clock import utc_now
from common.config import Config
from common.config import Site as SiteSection
from tests.conftest import Site
from traffic.clock.judgement import State, Verdict
from traffic.clock.sampling import Sample, store_sample
from yuenyan.checkup.certificates import check_certificates
from yuenyan.checkup.rights import check_rights
from yuenyan.initialise import initialise


def seal(site: Site) -> Path:
    """An archive of one clock sample, sealed."""
    own = Verdict(state=State.UNREACHABLE, method="none", reason="nobody_to_ask")
    store_sample(site.config, "node", Sample(at=utc_now(), own=own, servers={}))
    sealed = site.yuenyan("archive", "seal")
    assert sealed.exit_code == 0, sealed
    return site.data_dir / "archive" / "seals.jsonl"


def test_others_of_the_machine_may_not_look_at_a_new_site(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        initialise(Config(site=SiteSection(data_dir=tmp_path / "var")), None, None)
    finally:
        os.umask(before)
    for path in (tmp_path / "var", tmp_path / "var" / "yuenyan.db"):
        assert path.stat().st_mode & 0o007 == 0, path


def test_doctor_warns_of_a_database_that_everybody_can_read(site: Site) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # those of pytest are closed
        folder, path = Path(name), Path(name) / "var" / "yuenyan.db"
        config = Config(site=SiteSection(data_dir=folder / "var"))
        shutil.copytree(site.data_dir, folder / "var")
        for place in (folder, path.parent):
            place.chmod(0o755)
        path.chmod(0o644)
        (finding,) = check_rights(config)
        assert finding.what == f"everybody on this machine can read {path}"
        path.parent.chmod(0o750)
        assert not list(check_rights(config))


def test_init_makes_no_other_key_for_seals_that_are_signed(site: Site) -> None:
    seals = seal(site)
    keys = site.data_dir / "keys"
    public = (keys / "seal.pub").read_bytes()
    kept = (keys / "seal.key").read_bytes()
    (keys / "seal.key").unlink()
    refused = site.yuenyan("init")
    assert refused.exit_code == 1, refused
    assert f"there is no {keys / 'seal.key'}" in refused.stderr
    assert not (keys / "seal.key").exists() and (keys / "seal.pub").read_bytes() == public
    (keys / "seal.key").write_bytes(kept)
    (keys / "seal.key").chmod(0o600)
    assert site.yuenyan("init").exit_code == 0
    assert site.yuenyan("archive", "verify").exit_code == 0
    # Without a backup, as the refusal says it.
    (keys / "seal.key").unlink()
    seals.rename(site.config_file.with_name("kept.jsonl"))
    assert "made seal key" in site.yuenyan("init").stdout
    assert site.yuenyan("archive", "seal").exit_code == 0
    assert site.yuenyan("archive", "verify").exit_code == 0


@pytest.mark.parametrize("name", ["seal.pub", "evidence.pem"])
def test_init_makes_the_public_half_of_a_key_that_is_there(site: Site, name: str) -> None:
    path = site.data_dir / "keys" / name
    public = path.read_bytes()
    path.unlink()
    made = site.yuenyan("init")
    assert made.exit_code == 0 and "key" not in made.stdout, made
    assert path.read_bytes() == public


def test_init_makes_no_other_authority_than_the_one_that_devices_know(site: Site) -> None:
    folder, kept = site.data_dir / "ca", site.config_file.with_name("ca.kept")
    folder.rename(kept)
    refused = site.yuenyan("init")
    assert refused.exit_code == 1, refused
    assert "devices know the one of this database" in refused.stderr
    assert not folder.exists()
    advice = {finding.todo for finding in check_certificates(site.config)}
    assert f"bring {folder} back from the backup; on a new site run: yuenyan init" in advice
    shutil.copytree(kept, folder)
    assert site.yuenyan("init").exit_code == 0
    (folder / "ca.key").unlink()
    assert site.yuenyan("init").exit_code == 0, "the key may lie elsewhere"
    shutil.rmtree(folder)
    begun = site.yuenyan("init", "--new-authority")
    assert begun.exit_code == 0 and "made lab certificate authority" in begun.stdout, begun
    assert site.yuenyan("init").exit_code == 0, "it stays safe to repeat"
