"""`yuenyan doctor` beside files that are damaged or gone: an error each, and what mends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.clock import utc_now
from common.config import load
from tests.conftest import Site
from traffic.clock.judgement import State, Verdict
from traffic.clock.sampling import Sample, store_sample
from yuenyan.checkup.certificates import check_certificates
from yuenyan.checkup.clocks import check_clocks
from yuenyan.checkup.finding import Level
from yuenyan.checkup.rights import look
from yuenyan.checkup.site import check_archive, check_keys

CHECKS = (check_keys, check_certificates, check_archive, check_clocks)


def errors(site: Site) -> dict[str, str]:
    return {
        one.check: f"{one.what}: {one.todo}"
        for check in CHECKS
        for one in look(check, site.config)
        if one.level is Level.ERROR
    }


def sample(site: Site) -> None:
    own = Verdict(state=State.UNREACHABLE, method="none", reason="nobody_to_ask")
    store_sample(site.config, "node", Sample(at=utc_now(), own=own, servers={}))


@pytest.mark.parametrize("octets", [b"", b"not hex\n", b"00" * 32 + b"\n", None])
def test_doctor_says_when_the_seals_cannot_be_checked(site: Site, octets: bytes | None) -> None:
    assert errors(site) == {}
    path = site.data_dir / "keys" / "seal.pub"
    path.unlink() if octets is None else path.write_bytes(octets)
    assert "seal.pub" in errors(site)["key seal.key"]


@pytest.mark.parametrize("octets", [b"", b"{}"])
def test_doctor_says_when_the_list_of_what_was_sealed_is_cut_short(
    site: Site, octets: bytes
) -> None:
    sample(site)
    assert site.yuenyan("archive", "seal").exit_code == 0
    assert "archive" not in errors(site)
    (site.data_dir / "archive" / "manifest.jsonl").write_bytes(octets)
    assert "1 entry was sealed, and the manifest has 0" in errors(site)["archive"]


def test_doctor_says_when_the_clock_samples_cannot_be_read(site: Site) -> None:
    sample(site)
    assert "clock samples" not in errors(site)
    (segment,) = (site.data_dir / "archive" / "clock").rglob("*.parquet")
    segment.write_bytes(b"no columns")
    assert "run: yuenyan archive verify" in errors(site)["clock samples"]


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("ca.pem", "certificate ca.pem"),
        ("ca.key", "certificate authority"),
    ],
)
def test_doctor_sends_a_broken_authority_to_its_backup(site: Site, name: str, check: str) -> None:
    (site.data_dir / "ca" / name).write_bytes(b"nothing\n")
    found = errors(site)
    assert list(found) == [check]
    assert "back from the backup" in found[check] and "rollover" not in found[check]


@pytest.mark.parametrize(
    "text",
    [
        '[radius]\nradsec = ["127.0.0.1:0"]\n[radsec]\ncertificate = "{}"\nprivate_key = "{}"\n',
        '[collector]\nsyslog_tls = ["127.0.0.1:0"]\nsyslog_certificate = "{}"\n'
        'syslog_private_key = "{}"\n',
    ],
)
def test_doctor_says_when_a_key_is_not_of_the_certificate_that_tls_presents(
    site: Site, tmp_path: Path, text: str
) -> None:
    ca = site.data_dir / "ca"
    path = tmp_path / "other.toml"
    for key, is_right in (("server.key", True), ("ca.key", False)):
        own = tmp_path / "own.pem"
        own.write_bytes((ca / "server.pem").read_bytes())
        beside = f'[site]\ndata_dir = "{site.data_dir}"\n'
        path.write_text(beside + text.format(own, ca / key), encoding="utf-8")
        found = [one.what for one in check_certificates(load(path)) if one.level is Level.ERROR]
        assert found == ([] if is_right else ["ca.key is not the key of own.pem"])
