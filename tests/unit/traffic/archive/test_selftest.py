"""The daily self-test catches every way, and says so when verification has gone blind."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import ArchiveError, Refused
from traffic.archive import selftest, verification
from traffic.archive.kinds import ADMIN
from traffic.archive.selftest import (
    complaint_about,
    last_result,
    make_sample,
    run_self_test,
    save_result,
)
from traffic.archive.tables import TableArchive
from traffic.archive.tampering import WAYS, Sample, tamper
from traffic.archive.verification import verify_archive
from traffic.archive.witness_copies import read_copy

NOW_MS = 1_780_000_000_000


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    table = TableArchive(folder, "node")
    for number in range(4):
        rows = [{"received_at": NOW_MS, "actor": f"officer {number} {row}"} for row in range(50)]
        table.append(ADMIN, rows)
    return folder


@pytest.fixture(scope="module")
def sample(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(archive, tmp_path_factory.mktemp("scratch") / "sample", NOW_MS)


def test_every_way_is_caught_and_the_archive_is_left_alone(archive: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in archive.rglob("*") if path.is_file()}
    result = run_self_test(archive, NOW_MS, tmp_path)
    assert (result.missed, result.error, result.ways) == ((), "", len(WAYS))
    assert result.good
    assert {path: path.read_bytes() for path in archive.rglob("*") if path.is_file()} == before
    assert list(tmp_path.iterdir()) == []


def test_an_empty_archive_is_tested_with_made_up_segments(tmp_path: Path) -> None:
    assert run_self_test(tmp_path / "archive", NOW_MS).good


def test_the_sample_holds_the_newest_real_segments(archive: Path, sample: Sample) -> None:
    real = {path.read_bytes() for path in archive.rglob("*.parquet")}
    assert {path.read_bytes() for path in sample.archive.rglob("*.parquet")} < real


@pytest.mark.parametrize("way", [name for name, way in WAYS.items() if way.witness])
def test_what_needs_a_witness_is_whole_in_itself(sample: Sample, tmp_path: Path, way: str) -> None:
    copy = sample.copy(tmp_path / "copy")
    tamper(copy, way)
    assert complaint_about(copy, witness=False) == ""
    assert complaint_about(copy, witness=True).startswith(str(copy.witness))


def test_a_verification_that_has_gone_blind_is_an_alarm(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selftest, "verify_archive", lambda *_args, **_kwargs: None)
    result = run_self_test(archive, NOW_MS)
    assert set(result.missed) == set(WAYS)
    assert not result.good


def test_one_blind_spot_is_named(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traffic.archive.verification.digest_file", lambda _path: "")
    blind = verification._Held()
    monkeypatch.setattr(verification, "_check_files", lambda *_args, **_kwargs: blind)
    missed = run_self_test(archive, NOW_MS).missed
    assert "segment-octet-flipped" in missed
    assert "line-altered" not in missed


def test_a_damaged_archive_is_told_instead_of_tested(archive: Path, tmp_path: Path) -> None:
    table = TableArchive(tmp_path, "node")
    (entry,) = table.append(ADMIN, [{"received_at": NOW_MS, "actor": "one"}])
    path = tmp_path / entry.path
    path.write_bytes(path.read_bytes()[::-1])
    result = run_self_test(tmp_path, NOW_MS)
    assert "was altered" in result.error
    assert not result.good


def test_nothing_but_a_sample_is_ever_tampered_with(archive: Path) -> None:
    with pytest.raises(Refused, match="is no sample"):
        tamper(Sample(archive.parent, NOW_MS), "segment-missing")


def test_the_result_is_remembered(archive: Path, tmp_path: Path) -> None:
    assert last_result(tmp_path) is None
    result = run_self_test(archive, NOW_MS)
    save_result(tmp_path, result)
    assert last_result(tmp_path) == result
    (tmp_path / "selftest.json").write_text("{}")
    assert last_result(tmp_path) is None


def test_a_public_key_kept_outside_shows_that_the_one_here_was_replaced(
    sample: Sample, tmp_path: Path
) -> None:
    kept = tmp_path / "seal.pub"
    kept.write_bytes((sample.keys / "seal.pub").read_bytes())
    copy = sample.copy(tmp_path / "copy")
    tamper(copy, "everything-signed-by-another-key")
    verify_archive(copy.archive, copy.keys)
    with pytest.raises(ArchiveError, match="seal 1 has no valid signature"):
        verify_archive(copy.archive, copy.keys, public_key=kept)


def test_a_witness_names_how_far_the_archive_was_changed(sample: Sample, tmp_path: Path) -> None:
    copy = sample.copy(tmp_path / "cut")
    tamper(copy, "manifest-and-seals-cut")
    assert "saw line 3 sealed, but the manifest ends at line 2" in complaint_about(
        copy, witness=True
    )
    copy = sample.copy(tmp_path / "rewritten")
    tamper(copy, "everything-rewritten-and-signed")
    assert "saw another line 1 sealed" in complaint_about(copy, witness=True)


def test_a_whole_archive_names_its_witness(sample: Sample) -> None:
    copy = read_copy(sample.witness)
    verified = verify_archive(sample.archive, sample.keys, now_ms=sample.now_ms, witnesses=[copy])
    assert verified.witnessed == {str(sample.witness): 3}
