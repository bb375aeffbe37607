"""The housekeeper's watch, doctor, dashboard's judgement and proofs, on a real site."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from common.clock import unix_nanoseconds
from common.config import Config, load
from db.models import AuditEvent
from identity.office import Office
from tests.conftest import Site, wait_until
from traffic.archive import proofs, verification
from traffic.archive.entries import encode_entry, seal_entries
from traffic.archive.kinds import ADMIN
from traffic.archive.manifest import Manifest
from traffic.archive.seals import make_seal, read_seals
from traffic.archive.selftest import SelfTest, last_result, save_result
from traffic.archive.tables import TableArchive
from traffic.integrity import Trouble, find_alarms
from yuenyan.processes.witnessing import SELF_TEST_MS, Watch, examine, is_due

HOUR_MS = 3_600_000


def now_ms() -> int:
    return unix_nanoseconds() // 1_000_000


def store(site: Site, actor: str = "an officer") -> str:
    (entry,) = TableArchive(site.data_dir / "archive", "node").append(
        ADMIN, [{"received_at": now_ms(), "actor": actor}]
    )
    return entry.path


def seal(site: Site, at_ms: int | None = None) -> None:
    make_seal(site.data_dir / "archive", site.config.keys_dir, at_ms or now_ms())


def witnessed_by(site: Site, folder: Path) -> Config:
    folder.mkdir(exist_ok=True)
    text = site.config_file.read_text(encoding="utf-8")
    site.config_file.write_text(f'{text}\n[archive]\nwitnesses = ["{folder}"]\n', encoding="utf-8")
    return load(site.config_file)


def troubles(config: Config, at_ms: int) -> set[Trouble]:
    return {alarm.trouble for alarm in find_alarms(config, at_ms)}


def audited(office: Office) -> list[tuple[str, dict[str, Any]]]:
    with office.database.read() as session:
        rows = session.scalars(select(AuditEvent).where(AuditEvent.actor == "housekeeper"))
        return [(row.action, json.loads(row.detail)) for row in rows]


def test_the_watch_shows_seals_tests_daily_and_records_it(
    site: Site, office: Office, tmp_path: Path
) -> None:
    config = witnessed_by(site, tmp_path / "usb")
    store(site)
    seal(site)
    watch = Watch(config, office.database)
    at_ms = now_ms()
    watch.turn(at_ms)
    watch.turn(at_ms + HOUR_MS)
    (event,) = audited(office)
    assert event[0] == "archive:self_tested"
    assert (event[1]["good"], event[1]["missed"]) == (True, "")
    assert list((tmp_path / "usb").glob("*.jsonl"))
    assert list((site.data_dir / "self-test").iterdir()) == []
    watch.turn(at_ms + SELF_TEST_MS)
    assert len(audited(office)) == 2
    assert troubles(config, at_ms) == set()
    text = site.yuenyan("doctor").stdout
    assert "tamperings caught" in text
    assert f"witness {tmp_path}/usb: shown 1 seal," in text


def test_a_manifest_and_seals_cut_back_alarm_within_the_day(
    site: Site, office: Office, tmp_path: Path
) -> None:
    config = witnessed_by(site, tmp_path / "usb")
    for _ in range(2):
        store(site)
        seal(site)
    watch = Watch(config, office.database)
    watch.turn(now_ms())
    archive = site.data_dir / "archive"
    for name in ("manifest.jsonl", "seals.jsonl"):
        octets = (archive / name).read_bytes()
        (archive / name).write_bytes(octets.splitlines(keepends=True)[0])
    sorted(archive.rglob("*.parquet"), key=lambda path: path.name)[-1].unlink()
    at_ms = now_ms() + 61_000
    watch.turn(at_ms)
    watch.turn(at_ms + 61_000)
    assert [action for action, _ in audited(office)] == [
        "archive:self_tested",
        "archive:witness_disagreed",
    ]
    assert Trouble.WITNESS_DISAGREES in troubles(config, at_ms)
    examined = examine(config, office.database, at_ms)
    assert examined is not None
    assert "saw line 2 sealed" in examined.error
    (site.data_dir / "self-test" / "left over").mkdir()
    assert examine(config, office.database, at_ms, lambda: True) is None
    assert list((site.data_dir / "self-test").iterdir()) == []


def test_sealing_that_stopped_is_an_alarm_and_silence_is_not(site: Site) -> None:
    config = site.config
    assert find_alarms(config, now_ms()) == []
    store(site)
    assert troubles(config, now_ms() + 26 * HOUR_MS) == {Trouble.SEALING_STOPPED}
    seal(site)
    for hour in range(1, 40):
        seal(site, now_ms() + hour * HOUR_MS)
    assert len(read_seals(site.data_dir / "archive")) == 40
    later = now_ms() + 40 * HOUR_MS
    assert troubles(config, later) == {Trouble.NO_WITNESS}
    assert troubles(config, later + 24 * HOUR_MS + 60_000) == {
        Trouble.SEALING_STOPPED,
        Trouble.NO_WITNESS,
        Trouble.SELF_TEST_LATE,
    }
    assert Trouble.CLOCK_BACK in troubles(config, now_ms())


def test_a_blind_or_old_self_test_is_an_alarm(site: Site) -> None:
    archive, at_ms = site.data_dir / "archive", now_ms()
    good = SelfTest(at_ms=at_ms, ways=24, missed=())
    save_result(archive, replace(good, missed=("segment-missing",)))
    assert troubles(site.config, at_ms) == {Trouble.SELF_TEST_MISSED}
    result = site.yuenyan("doctor")
    assert result.exit_code == 1
    assert "not noticed any more: segment-missing" in result.stdout
    save_result(archive, replace(good, ways=0, error="disk full"))
    assert troubles(site.config, at_ms) == {Trouble.SELF_TEST_FAILED}
    save_result(archive, good)
    assert troubles(site.config, at_ms + 47 * HOUR_MS) == set()
    assert troubles(site.config, at_ms + 49 * HOUR_MS) == {Trouble.SELF_TEST_LATE}
    assert not is_due(good, at_ms + 23 * HOUR_MS)
    assert is_due(good, at_ms + 24 * HOUR_MS)
    assert is_due(good, at_ms - 1)


def test_the_clock_that_went_back_must_be_declared_and_is_shown_ever_after(
    site: Site, office: Office
) -> None:
    store(site)
    seal(site, now_ms() + 3 * HOUR_MS)  # by a clock that ran ahead
    store(site)
    refused = site.yuenyan("archive", "seal")
    assert refused.exit_code == 1
    assert "--clock-went-back REASON" in refused.stderr
    assert "set back" in site.yuenyan("archive", "verify").stderr
    declared = site.yuenyan("archive", "seal", "--clock-went-back", "ถ่านนาฬิกาหมด")
    assert declared.exit_code == 0
    told = json.loads(site.yuenyan("archive", "verify", "--json").stdout)
    assert told["ok"]
    assert [one["reason"] for one in told["clock_went_back"]] == ["ถ่านนาฬิกาหมด"]
    with office.database.read() as session:
        (row,) = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "archive:clock_declared")
        )
    assert "ถ่านนาฬิกาหมด" in row.detail


def test_nothing_sealed_for_25_hours_fails_until_it_is_sealed_again(site: Site) -> None:
    archive = site.data_dir / "archive"
    store(site)
    entries = [
        replace(one, written_ms=now_ms() - 27 * HOUR_MS) for one in Manifest(archive).entries()
    ]
    lines = b"".join(encode_entry(one) for one in seal_entries(entries, None))
    (archive / "manifest.jsonl").write_bytes(lines)
    seal(site, now_ms() - 26 * HOUR_MS)
    result = site.yuenyan("archive", "verify", "--json")
    assert result.exit_code == 1
    assert "nothing was sealed for 26 hours" in json.loads(result.stdout)["error"]
    assert site.yuenyan("archive", "seal").exit_code == 0
    told = json.loads(site.yuenyan("archive", "verify", "--json").stdout)
    assert told["ok"]
    assert len(told["silences"]) == 1


def test_a_proof_is_checked_by_one_file_on_a_bare_python(site: Site, tmp_path: Path) -> None:
    paths = [store(site, f"officer {number}") for number in range(5)]
    out = tmp_path / "proof.json"
    early = site.yuenyan("archive", "prove", paths[2], "--out", str(out))
    assert early.exit_code == 1
    assert "is not sealed yet" in early.stderr
    seal(site)
    assert site.yuenyan("archive", "prove", paths[2], "--out", str(out)).exit_code == 0
    again = site.yuenyan("archive", "prove", paths[2], "--out", str(out))
    assert "is there already" in again.stderr
    unknown = site.yuenyan("archive", "prove", "admin/none.parquet", "--out", f"{out}.2")
    assert unknown.exit_code == 1
    carried = tmp_path / "proofs.py"
    carried.write_bytes(Path(proofs.__file__).read_bytes())
    check = (
        "import sys, json, hashlib, proofs\n"
        "proof, segment, key = sys.argv[1:]\n"
        "sha256 = hashlib.sha256(open(segment, 'rb').read()).hexdigest()\n"
        "shown = proofs.check_proof(json.load(open(proof)), sha256, bytes.fromhex(key))\n"
        "print(shown.path, shown.seq, shown.sealed_seq)\n"
    )
    key = (site.config.keys_dir / "seal.pub").read_text().strip()

    def bare(segment: Path, public: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                sys.executable,
                "-I",
                "-S",
                "-c",
                f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + check,
                str(out),
                str(segment),
                public,
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    archive = site.data_dir / "archive"
    assert bare(archive / paths[2], key).stdout.split() == [paths[2], "3", "5"]
    assert "SHA-256 of the file is not" in bare(archive / paths[1], key).stderr
    assert "no valid signature" in bare(archive / paths[2], "0" * 64).stderr


@pytest.mark.parametrize(
    ("alter", "complaint"),
    [
        (lambda proof: proof.update(format="x"), "is no yuenyan-proof-1"),
        (lambda proof: proof["path"].pop(), "too short"),
        (lambda proof: proof["path"].append("00" * 32), "too long"),
        (lambda proof: proof.update(path=["00" * 32] * len(proof["path"])), "not among"),
        (lambda proof: proof.update(entry=proof["entry"].replace("node", "nodf")), "not among"),
        (lambda proof: proof["seal"].update(at_ms=1), "no valid signature"),
        (lambda proof: proof["seal"].update(root="00" * 32), "not among"),
        (lambda proof: proof["seal"].update(seq=True), "damaged"),
        (lambda proof: proof["seal"].pop("root"), "damaged"),
        (lambda proof: proof.update(seal=[]), "damaged"),
        (lambda proof: proof.update(entry="[" * 100_000), "damaged"),
    ],
)
def test_an_altered_proof_does_not_hold(
    site: Site, tmp_path: Path, alter: Any, complaint: str
) -> None:
    paths = [store(site, f"officer {number}") for number in range(5)]
    seal(site)
    out = tmp_path / "proof.json"
    site.yuenyan("archive", "prove", paths[1], "--out", str(out))
    proof = json.loads(out.read_text())
    key = bytes.fromhex(proof["public_key"])
    sha256 = json.loads(proof["entry"])["sha256"]
    assert proofs.check_proof(proof, sha256, key).path == paths[1]
    alter(proof)
    with pytest.raises(proofs.ProofError, match=complaint):
        proofs.check_proof(proof, sha256, key)


def test_the_self_test_is_a_command(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    result = site.yuenyan("archive", "self-test")
    assert result.exit_code == 0
    assert "caught all" in result.stdout
    status = json.loads(site.yuenyan("archive", "status", "--json").stdout)
    assert status["self_test"]["good"]
    monkeypatch.setattr("traffic.archive.verification._check_purges", lambda *_arguments: set())
    blind = site.yuenyan("archive", "self-test")
    assert blind.exit_code == 0  # a purge unseen is still a missing segment
    nothing = verification._Held()
    monkeypatch.setattr(verification, "_check_files", lambda *_arguments, **_options: nothing)
    blind = site.yuenyan("archive", "self-test")
    assert blind.exit_code == 1
    assert "NOT caught: segment-missing" in blind.stderr


def test_the_housekeeper_seals_watches_and_stops(
    site: Site, office: Office, tmp_path: Path
) -> None:
    witnessed_by(site, tmp_path / "usb")
    store(site)
    keeper = subprocess.Popen(
        [sys.executable, "-m", "yuenyan.cli", "--config", str(site.config_file), "housekeeper"]
    )
    try:
        wait_until(lambda: audited(office), 60, "no self-test was recorded")
    finally:
        keeper.terminate()
        assert keeper.wait(timeout=40) == 0
    (copy,) = (tmp_path / "usb").glob("*.jsonl")
    assert len(copy.read_bytes().splitlines()) == 1
    result = last_result(site.data_dir / "archive")
    assert result is not None and result.good
