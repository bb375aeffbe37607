"""Witnesses over the wire: folder, HTTPS, mail and RFC 3161, away and back again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from common.clock import unix_nanoseconds
from common.config import Config, load
from tests.conftest import Site
from tests.integration.witness_servers import Authority, Letters, Posted, Stamping, http_server
from traffic.archive.kinds import ADMIN
from traffic.archive.seals import encode_seal, make_seal, read_seals
from traffic.archive.tables import TableArchive
from traffic.archive.tampering import make_keys
from traffic.witnesses.delivery import Witnessed, deliver
from traffic.witnesses.state import witness_folder

HOUR_MS = 3_600_000


def configure(site: Site, archive: str, more: str = "") -> Config:
    text = site.config_file.read_text(encoding="utf-8")
    site.config_file.write_text(f"{text}\n[archive]\n{archive}\n{more}\n", encoding="utf-8")
    return load(site.config_file)


def now_ms() -> int:
    return unix_nanoseconds() // 1_000_000


def seal(site: Site) -> None:
    """One more record, one more seal."""
    archive = site.data_dir / "archive"
    at_ms = now_ms()
    TableArchive(archive, "node").append(ADMIN, [{"received_at": at_ms, "actor": "an officer"}])
    make_seal(archive, site.config.keys_dir, at_ms)


def lines(site: Site) -> list[bytes]:
    return [encode_seal(one) for one in read_seals(site.data_dir / "archive")]


def only(found: list[Witnessed]) -> Witnessed:
    (one,) = found
    return one


def verify(site: Site, *arguments: str) -> tuple[int, Any]:
    result = site.yuenyan("archive", "verify", "--json", *arguments)
    return result.exit_code, json.loads(result.stdout)


def cut_back(site: Site) -> None:
    """What is left after the last record and its seal were made never to have been."""
    archive = site.data_dir / "archive"
    for name in ("manifest.jsonl", "seals.jsonl"):
        path = archive / name
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    sorted(archive.rglob("*.parquet"), key=lambda path: path.name)[-1].unlink()


def test_a_folder_is_shown_every_seal_and_catches_up_when_it_is_plugged_in(
    site: Site, tmp_path: Path
) -> None:
    disk = tmp_path / "usb"
    config = configure(site, f'witnesses = ["file://{disk}"]')
    seal(site)
    away = only(deliver(config, now_ms()))
    assert "is the disk plugged in?" in away.state.error
    assert (away.owed, away.state.attempts) == (1, 1)
    assert not disk.exists()  # a folder on the system's own disk would be no witness
    disk.mkdir()
    seal(site)
    assert only(deliver(config, now_ms())).owed == 2  # its time has not come
    there = only(deliver(config, now_ms() + 61_000))
    assert (there.owed, there.state.delivered, there.state.error) == (0, 2, "")
    (copy,) = disk.glob("*.jsonl")
    assert copy.read_bytes().splitlines() == lines(site)
    assert next(disk.glob("*.pub")).read_text() == (site.config.keys_dir / "seal.pub").read_text()
    exit_code, told = verify(site)
    assert (exit_code, told["witnesses"]) == (0, {str(copy): 2})


def test_a_new_disk_gets_all_and_a_torn_line_is_mended(site: Site, tmp_path: Path) -> None:
    disk = tmp_path / "usb"
    disk.mkdir()
    config = configure(site, f'witnesses = ["{disk}"]')
    seal(site)
    deliver(config, now_ms())
    (copy,) = disk.glob("*.jsonl")
    copy.unlink()
    seal(site)
    deliver(config, now_ms())
    assert copy.read_bytes().splitlines() == lines(site)
    copy.write_bytes(copy.read_bytes()[:-10])
    seal(site)
    deliver(config, now_ms())
    assert copy.read_bytes().splitlines() == lines(site)


def test_an_archive_that_was_cut_back_is_caught_by_the_folder(site: Site, tmp_path: Path) -> None:
    disk = tmp_path / "usb"
    disk.mkdir()
    config = configure(site, f'witnesses = ["{disk}"]')
    seal(site)
    seal(site)
    deliver(config, now_ms())
    assert verify(site)[0] == 0
    cut_back(site)
    exit_code, told = verify(site)
    assert exit_code == 1
    assert told["path"].startswith(str(disk))
    assert "saw line 2 sealed, but the manifest ends at line 1" in told["error"]
    found = only(deliver(config, now_ms()))
    assert found.state.conflict
    shutil.rmtree(site.data_dir / "witnesses")  # who cuts the archive can do that as well
    seal(site)
    found = only(deliver(config, now_ms()))
    assert found.state.conflict
    assert "holds 1 seals that the archive does not have" in found.state.error
    doctor = site.yuenyan("doctor", "--json")
    (finding,) = [
        one for one in json.loads(doctor.stdout)["findings"] if one["check"].startswith("witness")
    ]
    assert finding["level"] == "error"
    assert "keep this machine" in finding["todo"]


def test_a_replaced_key_is_caught_by_the_folder_that_knows_the_old_one(
    site: Site, tmp_path: Path
) -> None:
    disk = tmp_path / "usb"
    disk.mkdir()
    config = configure(site, f'witnesses = ["{disk}"]')
    seal(site)
    deliver(config, now_ms())
    make_keys(site.config.keys_dir)
    (site.data_dir / "archive" / "seals.jsonl").unlink()
    shutil.rmtree(site.data_dir / "witnesses")
    seal(site)
    assert "that this key did not sign" in verify(site)[1]["error"]
    assert "the key here was replaced" in only(deliver(config, now_ms())).state.error


def test_https_is_posted_what_is_new_and_only_to_a_proven_server(
    site: Site, tmp_path: Path
) -> None:
    authority, other = Authority(tmp_path / "one"), Authority(tmp_path / "other")
    posted = Posted()
    with http_server(posted, other.server()):
        config = configure(
            site,
            f'witnesses = ["https://127.0.0.1:{posted.port}/seals?key=secret"]\n'
            f'witness_ca = "{authority.certificate}"',
        )
        seal(site)
        refused = only(deliver(config, now_ms()))
    assert "CERTIFICATE_VERIFY_FAILED" in refused.state.error
    assert "secret" not in refused.state.error
    assert posted.bodies == []
    with http_server(posted, authority.server()):
        posted.status = 500
        assert "answered 500" in only(deliver(config, now_ms(), all_now=True)).state.error
        posted.bodies.clear()
        posted.status = 201
        seal(site)
        assert only(deliver(config, now_ms(), all_now=True)).owed == 0
        seal(site)
        assert only(deliver(config, now_ms())).owed == 0
        assert only(deliver(config, now_ms())).owed == 0
    first, second = [json.loads(body) for body in posted.bodies]
    assert [len(first["seals"]), len(second["seals"])] == [2, 1]
    assert first["public_key"] == (site.config.keys_dir / "seal.pub").read_text().strip()
    kept = tmp_path / "kept.json"
    kept.write_bytes(b"".join(posted.bodies))
    exit_code, told = verify(site, "--witness", str(kept))
    assert (exit_code, told["witnesses"]) == (0, {str(kept): 3})
    assert told["witnesses_not_asked"] == [f"https://127.0.0.1:{posted.port}/seals?…"]
    cut_back(site)
    assert "saw line 3 sealed" in verify(site, "--witness", str(kept))[1]["error"]


def test_an_expired_server_is_no_witness(site: Site, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "one")
    posted = Posted()
    with http_server(posted, authority.server(days=-1)):
        config = configure(
            site,
            f'witnesses = ["https://127.0.0.1:{posted.port}/"]\n'
            f'witness_ca = "{authority.certificate}"',
        )
        seal(site)
        assert "expired" in only(deliver(config, now_ms())).state.error


def test_the_director_gets_letters_that_verify_reads(site: Site, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    password = tmp_path / "password"
    password.write_text("letter password\n")
    password.chmod(0o600)
    with Letters(authority.server(), "letter password").running() as letters:
        config = configure(
            site,
            'witnesses = ["mailto:director@school.example"]',
            f'[mail]\nhost = "127.0.0.1"\nport = {letters.port}\nca = "{authority.certificate}"\n'
            f'user = "yuenyan"\npassword_file = "{password}"\nfrom = "yuenyan@school.example"\n',
        )
        seal(site)
        seal(site)
        assert only(deliver(config, now_ms())).state.error == ""
    assert letters.receivers == ["rcpt TO:<director@school.example>"]
    saved = tmp_path / "letter.eml"
    saved.write_bytes(letters.letters[0])
    assert "โปรดเก็บอีเมลฉบับนี้" in saved_text(saved)
    exit_code, told = verify(site, "--witness", str(saved))
    assert (exit_code, told["witnesses"]) == (0, {str(saved): 2})
    cut_back(site)
    assert verify(site, "--witness", str(saved))[0] == 1


def saved_text(path: Path) -> str:
    import email
    import email.policy

    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    body = message.get_body()
    assert body is not None
    return str(body.get_content())


def test_letters_gather_for_as_long_as_was_asked(site: Site, tmp_path: Path) -> None:
    with Letters().running() as letters:
        config = configure(
            site,
            'witnesses = ["mailto:director@school.example?hours=24"]',
            f'[mail]\nhost = "127.0.0.1"\nport = {letters.port}\nstart_tls = false\n'
            'from = "yuenyan@school.example"\n',
        )
        for hour in range(3):
            seal(site)
            deliver(config, now_ms() + hour * HOUR_MS)
        assert len(letters.letters) == 1
        assert only(deliver(config, now_ms() + 25 * HOUR_MS)).owed == 0
    assert len(letters.letters) == 2


def test_a_mail_server_that_no_authority_vouches_for_gets_no_password(
    site: Site, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("letter password\n")
    password.chmod(0o600)
    mail = '[mail]\nhost = "127.0.0.1"\nport = {}\nca = "{}"\nuser = "yuenyan"\n{}'
    rest = f'password_file = "{password}"\nfrom = "yuenyan@school.example"\n'
    with Letters(Authority(tmp_path / "other").server()).running() as letters:
        trusted = Authority(tmp_path / "trusted").certificate
        config = configure(
            site,
            'witnesses = ["mailto:director@school.example"]',
            mail.format(letters.port, trusted, rest),
        )
        seal(site)
        assert "CERTIFICATE_VERIFY_FAILED" in only(deliver(config, now_ms())).state.error
    assert (letters.logins, letters.letters) == ([], [])


def test_a_wrong_mail_password_is_told_without_it(site: Site, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    password = tmp_path / "password"
    password.write_text("wrong password\n")
    password.chmod(0o600)
    with Letters(authority.server(), "letter password").running() as letters:
        config = configure(
            site,
            'witnesses = ["mailto:director@school.example"]',
            f'[mail]\nhost = "127.0.0.1"\nport = {letters.port}\nca = "{authority.certificate}"\n'
            f'user = "yuenyan"\npassword_file = "{password}"\nfrom = "yuenyan@school.example"\n',
        )
        seal(site)
        state = only(deliver(config, now_ms())).state
    assert "does not take user and password" in state.error
    assert letters.letters == []


@pytest.mark.real
def test_an_authority_stamps_seals_and_its_stamps_catch_a_cut(site: Site, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tsa")
    stamping = Stamping(tmp_path / "ts", *authority.stamper())
    with http_server(stamping):
        config = configure(
            site,
            f'witnesses = ["tsa+http://127.0.0.1:{stamping.port}/"]\n'
            f'timestamp_ca = "{authority.certificate}"',
        )
        seal(site)
        assert only(deliver(config, now_ms())).state.error == ""
        seal(site)
        assert only(deliver(config, now_ms())).owed == 0
        stamps = sorted(witness_folder(config, config.archive.witness_addresses[0]).glob("*.tsr"))
        assert len(stamps) == 2
        exit_code, told = verify(site)
        assert (exit_code, list(told["witnesses"].values())) == (0, [2])
        # A stamp that was given before is no answer to a new question.
        stamping.frozen = stamps[-1].read_bytes()
        seal(site)
        assert "Nonce mismatch" in only(deliver(config, now_ms())).state.error
    kept = tmp_path / "kept.tsr"
    kept.write_bytes(stamps[-1].read_bytes())
    cut_back(site)
    assert verify(site)[0] == 0  # the third seal was stamped by nobody
    cut_back(site)
    exit_code, told = verify(site, "--witness", str(kept))
    assert exit_code == 1
    assert "was stamped, but the archive has none" in told["error"]


@pytest.mark.real
def test_seals_that_were_stamped_late_are_counted_and_never_stamped_early(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path / "tsa")
    stamping = Stamping(tmp_path / "ts", *authority.stamper())
    archive = site.data_dir / "archive"
    for hours in (30, 1):
        at_ms = now_ms() - hours * HOUR_MS
        monkeypatch.setattr("common.clock.unix_nanoseconds", lambda at=at_ms: at * 1_000_000)
        TableArchive(archive, "node").append(ADMIN, [{"received_at": at_ms, "actor": "x"}])
        make_seal(archive, site.config.keys_dir, at_ms)
        with http_server(stamping):
            config = configure_once(site, stamping, authority)
            assert only(deliver(config, now_ms())).state.error == ""
    monkeypatch.undo()
    exit_code, told = verify(site)
    assert (exit_code, told["stamped_late"]) == (0, 1)
    assert "1 seal was time-stamped more than 25 hours" in (
        site.yuenyan("archive", "verify").stdout
    )


def configure_once(site: Site, stamping: Stamping, authority: Authority) -> Config:
    if "timestamp_ca" in site.config_file.read_text(encoding="utf-8"):
        return load(site.config_file)
    return configure(
        site,
        f'witnesses = ["tsa+http://127.0.0.1:{stamping.port}/"]\n'
        f'timestamp_ca = "{authority.certificate}"',
    )


@pytest.mark.real
@pytest.mark.parametrize("case", ["another authority", "no time-stamping certificate", "altered"])
def test_a_stamp_that_nobody_vouches_for_is_no_stamp(site: Site, tmp_path: Path, case: str) -> None:
    authority, other = Authority(tmp_path / "tsa"), Authority(tmp_path / "other")
    if case == "no time-stamping certificate":
        # openssl itself refuses to sign with one, so the server says so.
        stamping = Posted(answer=b"0\x05\x30\x03\x02\x01\x02")
    else:
        stamping = Stamping(tmp_path / "ts", *authority.stamper())
    trusted = other if case == "another authority" else authority
    with http_server(stamping):
        config = configure(
            site,
            f'witnesses = ["tsa+http://127.0.0.1:{stamping.port}/"]\n'
            f'timestamp_ca = "{trusted.certificate}"',
        )
        seal(site)
        found = only(deliver(config, now_ms()))
    folder = witness_folder(config, config.archive.witness_addresses[0])
    if case == "altered":
        assert found.state.error == ""
        (stamp,) = folder.glob("*.tsr")
        octets = stamp.read_bytes()
        for position in range(0, len(octets), 29):
            wrong = bytearray(octets)
            wrong[position] ^= 1
            stamp.write_bytes(wrong)
            assert verify_stamps_or_same(site), position
    else:
        assert "is no time-stamp that counts" in found.state.error
        assert found.owed == 1
        assert not list(folder.glob("*.tsr"))


def verify_stamps_or_same(site: Site) -> bool:
    """True when verify complains, or the stamp still says what it said.

    A stamp's certificates carry a few octets that its signature does not cover.
    """
    exit_code, told = verify(site)
    return exit_code == 1 or list(told["witnesses"].values()) == [1]


def test_a_witness_away_is_tried_ever_more_slowly(site: Site, tmp_path: Path) -> None:
    config = configure(site, f'witnesses = ["{tmp_path}/usb"]')
    seal(site)
    at_ms, waits = now_ms(), []
    for _ in range(9):
        state = only(deliver(config, at_ms)).state
        waits.append((state.next_try_ms - at_ms) // 60_000)
        at_ms = state.next_try_ms
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert state.behind_since_ms < at_ms - 4 * HOUR_MS


def test_the_command_shows_the_seals_at_once_and_says_who_is_away(
    site: Site, tmp_path: Path
) -> None:
    assert "No witness is configured" in site.yuenyan("archive", "witness").stdout
    (tmp_path / "usb").mkdir()
    configure(site, f'witnesses = ["{tmp_path}/usb", "{tmp_path}/away"]')
    seal(site)
    result = site.yuenyan("archive", "witness", "--json")
    assert result.exit_code == 1
    there, away = json.loads(result.stdout)
    assert (there["shown"], there["owed"], there["error"]) == (1, 0, "")
    assert (away["shown"], away["owed"]) == (0, 1)
    status = json.loads(site.yuenyan("archive", "status", "--json").stdout)
    assert [one["owed"] for one in status["witnesses"]] == [0, 1]
    assert str(tmp_path / "away") in site.yuenyan("archive", "status").stdout
