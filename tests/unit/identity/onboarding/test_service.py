"""Which profile a site and an account come to, and what `export` and `check` say."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from common.config import Config
from common.config_onboarding import Onboarding
from common.errors import ConfigError, NetAccessError, Refused
from db.models import Credential
from identity.domain.recoverable import Recoverable
from identity.office import Office
from identity.onboarding.profile import Method, Profile
from identity.pki.authority import make_authority
from identity.services import certificates, onboarding, people, rollover
from identity.services import recoverable as kept
from tests.conftest import Site, add_person
from yuenyan.checkup.onboarding import check_onboarding
from yuenyan.commands.doctor import CHECKS

NAME = "radius.school.ac.th"


def with_section(config: Config, **values: Any) -> Config:
    """`config` with a wireless network to set up, and `values`."""
    section = Onboarding(**{"ssids": ("School-1X",), "realm": "school.ac.th", **values})
    return config.model_copy(update={"onboarding": section})


@pytest.fixture
def config(office: Office) -> Config:
    certificates.issue_server(office, "test", dns_names=[NAME])
    return with_section(office.config)


def of(office: Office, config: Config, name: str) -> Profile:
    with office.database.read() as session:
        return onboarding.profile_of(session, config, people.get(session, name))


def test_everybodys_profile_has_the_sites_ca_and_the_servers_name(
    office: Office, config: Config
) -> None:
    profile = onboarding.public_profile(config)
    assert profile.server_names == (NAME,)
    assert profile.identifier == "th.ac.school.wifi"
    assert profile.names == {"th": "Test school", "en": "Test school"}
    assert profile.methods == (Method.TTLS_PAP,)
    assert (profile.username, profile.outer_identity) == ("", "anonymous@school.ac.th")
    assert len(profile.anchors) == 1
    rollover.begin(office, "test")
    assert len(onboarding.public_profile(config).anchors) == 2


def test_a_site_without_a_network_hands_out_nothing(office: Office) -> None:
    with pytest.raises(Refused, match="set ssids"):
        onboarding.public_profile(office.config)


def test_the_method_follows_what_is_kept_of_the_password(office: Office, config: Config) -> None:
    add_person(office, "hashed")
    assert of(office, config, "hashed").methods == (Method.TTLS_PAP,)
    add_person(office, "readable")
    with office.database.write() as session:
        account = people.get(session, "readable")
        kept.choose(session, office, account, Recoverable.NT_HASH, "test")
        hashed = office.passwords.hash("password of theirs")
        people.set_password(session, office, "readable", hashed, "test", "password of theirs")
    assert of(office, config, "readable").methods == (Method.TTLS_PAP, Method.PEAP_MSCHAPV2)
    peap = config.model_copy(update={"eap": config.eap.model_copy(update={"methods": ("peap",)})})
    assert of(office, peap, "readable").methods == (Method.PEAP_MSCHAPV2,)
    with pytest.raises(Refused, match='add "ttls"'):
        of(office, peap, "hashed")


def test_a_passing_account_has_a_passing_profile(office: Office, config: Config) -> None:
    ends_at = office.clock() + timedelta(days=3)
    add_person(office, "guest")
    with office.database.write() as session:
        people.set_expiry(session, office, "guest", ends_at, "test")
    profile = of(office, config, "guest")
    assert (profile.username, profile.ends_at) == ("guest", ends_at)


def test_an_account_without_a_password_has_no_profile(office: Office, config: Config) -> None:
    """As that of a voucher."""
    number = add_person(office, "guest")
    with office.database.write() as session:
        session.delete(session.get_one(Credential, number))
    with pytest.raises(Refused, match="has no password"):
        of(office, config, "guest")


def test_a_certificate_from_elsewhere_needs_its_root_in_the_file_or_named(
    office: Office, config: Config, tmp_path: Path
) -> None:
    issued = certificates.issue_server(office, "test", dns_names=[NAME])
    elsewhere = config.model_copy(
        update={
            "eap": config.eap.model_copy(update={"certificate": tmp_path / "server.pem"}),
            "site": config.site.model_copy(update={"data_dir": tmp_path / "none"}),
        }
    )
    leaf, root = (one.public_bytes(Encoding.PEM) for one in issued.chain)
    (tmp_path / "server.pem").write_bytes(leaf)
    with pytest.raises(ConfigError, match=r"onboarding\.ca"):
        onboarding.public_profile(elsewhere)
    (tmp_path / "server.pem").write_bytes(leaf + root)
    assert [one.pem for one in onboarding.public_profile(elsewhere).anchors] == [root]
    (tmp_path / "server.pem").write_bytes(leaf)
    (tmp_path / "root.pem").write_bytes(root)
    named = with_section(elsewhere, ca=tmp_path / "root.pem")
    assert [one.pem for one in onboarding.public_profile(named).anchors] == [root]


def test_a_portal_without_the_servers_key_signs_nothing(config: Config) -> None:
    assert onboarding.signing_pair(config) is not None
    config.eap_private_key.unlink()
    assert onboarding.signing_pair(config) is None


def test_a_logo_is_a_small_picture(config: Config, tmp_path: Path) -> None:
    path = tmp_path / "logo.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n...")
    logo = onboarding.public_profile(with_section(config, logo=path)).logo
    assert logo is not None and logo.mime == "image/png"
    for octets in (b"GIF89a", b"\x89PNG\r\n\x1a\n" + bytes(50_000)):
        path.write_bytes(octets)
        with pytest.raises(ConfigError, match=r"onboarding\.logo"):
            onboarding.public_profile(with_section(config, logo=path))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ssids", '["' + "x" * 33 + '"]'),
        ("ssids", '["a\\u0000"]'),
        ("ssids", '["a", "a"]'),
        ("realm", '"School"'),
        ("server_names", '["*.school.ac.th"]'),
        ("identifier", '"th ac"'),
        ("signing_key", '"/key"'),
    ],
)
def test_what_no_device_could_use_is_refused_at_the_start(site: Site, key: str, value: str) -> None:
    text = site.config_file.read_text(encoding="utf-8") + f"[onboarding]\n{key} = {value}\n"
    site.config_file.write_text(text, encoding="utf-8")
    result = site.yuenyan("onboarding", "check")
    assert result.exit_code == 2
    assert "onboarding" in result.stderr


def configure(site: Site, *lines: str, https: bool = True) -> None:
    """Put the section into the site's own file."""
    section = ["[onboarding]", *lines]
    text = site.config_file.read_text(encoding="utf-8")
    if https:
        text = text.replace("[portal]\n", '[portal]\npublic_url = "https://wifi.school.ac.th"\n')
    site.config_file.write_text(text + "\n".join(section) + "\n", encoding="utf-8")


NETWORK = ('ssids = ["School-1X"]', 'realm = "school.ac.th"')


def test_export_writes_every_file_and_no_password(site: Site, office: Office) -> None:
    configure(site, *NETWORK, "wired = true")
    add_person(office, "somchai", "password of theirs")
    out = site.data_dir / "profiles"
    result = site.yuenyan("onboarding", "export", "--out", str(out), "--user", "somchai")
    assert result.exit_code == 0, result
    assert sorted(path.name for path in out.iterdir()) == [
        "school-1x-android.txt",
        "school-1x-ca-1.cer",
        "school-1x-ca.pem",
        "school-1x-mac.mobileconfig",
        "school-1x-networkmanager.sh",
        "school-1x-windows.zip",
        "school-1x-wpa_supplicant.conf",
        "school-1x.eap-config",
        "school-1x.mobileconfig",
        "school-1x.onc",
    ]
    for path in out.iterdir():
        assert b"password of theirs" not in path.read_bytes()
    assert "somchai" in (out / "school-1x.eap-config").read_text(encoding="utf-8")
    public = site.yuenyan("onboarding", "export", "--out", str(out))
    assert public.exit_code == 0
    assert "somchai" not in (out / "school-1x.eap-config").read_text(encoding="utf-8")
    assert site.yuenyan("onboarding", "export", "--out", str(out), "--user", "x").exit_code == 1


def test_export_refuses_a_folder_that_is_a_file(site: Site) -> None:
    configure(site, *NETWORK)
    result = site.yuenyan("onboarding", "export", "--out", str(site.config_file))
    assert result.exit_code == 2 and "cannot write" in result.stderr


def checked(site: Site) -> tuple[int, list[str], str]:
    result = site.yuenyan("onboarding", "check", "--json")
    found = json.loads(result.stdout)
    return result.exit_code, [one["level"] for one in found], " ".join(one["what"] for one in found)


def test_check_is_content_with_a_site_that_is_set_up_well(site: Site, office: Office) -> None:
    certificates.issue_server(office, "test", dns_names=[NAME])
    configure(site, *NETWORK)
    assert checked(site)[:2] == (0, ["ok"])


def test_check_says_that_nothing_is_handed_out(site: Site) -> None:
    code, levels, what = checked(site)
    assert (code, levels) == (0, ["ok"]) and "no profile is handed out" in what


def test_check_warns_of_what_is_unwise(site: Site) -> None:
    configure(site, NETWORK[0], https=False)
    code, levels, what = checked(site)
    assert code == 0 and set(levels) == {"warn"}
    for part in ("has not chosen one", "plain HTTP", "no realm"):
        assert part in what


def test_check_finds_a_name_that_the_certificate_does_not_bear(site: Site) -> None:
    configure(site, *NETWORK, 'server_names = ["radius.other.example"]')
    code, _, what = checked(site)
    assert code == 1 and "radius.other.example alone" in what


def test_check_finds_a_ca_that_did_not_issue_the_servers_certificate(
    site: Site, office: Office, tmp_path: Path
) -> None:
    stranger = make_authority("Other", office.clock())
    (tmp_path / "ca.pem").write_bytes(stranger.certificate.public_bytes(Encoding.PEM))
    configure(site, *NETWORK, f'ca = "{tmp_path / "ca.pem"}"')
    code, _, what = checked(site)
    assert code == 1 and "was not issued by any CA" in what


@pytest.mark.parametrize(
    ("days", "level", "word"), [(3300, "warn", "ends by"), (3700, "", "ended")]
)
def test_check_looks_ahead_for_as_long_as_a_profile_lives(
    site: Site, office: Office, monkeypatch: pytest.MonkeyPatch, days: int, level: str, word: str
) -> None:
    certificates.issue_server(office, "test", dns_names=[NAME])
    configure(site, *NETWORK)
    later = office.clock() + timedelta(days=days)
    monkeypatch.setattr("yuenyan.checkup.onboarding.utc_now", lambda: later)
    code, levels, what = checked(site)
    assert word in what and (not level or level in levels)
    # The server's own certificate of a year has ended by then.
    assert code == 1
    if level:
        moved = replace(office, clock=lambda: later)
        certificates.issue_server(moved, "test")
        assert checked(site)[:2] == (0, ["warn"])
        rollover.begin(moved, "test")
        assert checked(site)[:2] == (0, ["ok"])


def test_check_finds_an_outer_name_that_would_go_to_a_home_server(site: Site) -> None:
    configure(
        site,
        *NETWORK,
        "[proxy]",
        'server = { other = { host = "192.0.2.1", secret = "a long shared secret of theirs" } }',
        'realm = [{ name = "*", servers = ["other"] }]',
    )
    code, _, what = checked(site)
    assert code == 1 and "not among the local realms" in what


def test_check_says_when_nothing_can_be_signed(site: Site, office: Office) -> None:
    certificates.issue_server(office, "test", dns_names=[NAME])
    configure(site, *NETWORK)
    office.config.eap_private_key.unlink()
    code, levels, what = checked(site)
    assert (code, levels) == (0, ["warn"]) and "unsigned" in what


def test_check_finds_a_signing_key_of_another_certificate(site: Site, office: Office) -> None:
    other = site.data_dir / "ca" / "ca.key"
    configure(
        site,
        *NETWORK,
        f'signing_certificate = "{office.config.eap_certificate}"',
        f'signing_key = "{other}"',
    )
    code, _, what = checked(site)
    assert code == 1 and "is not the key of" in what


def test_check_says_why_no_profile_can_be_made(site: Site, office: Office) -> None:
    configure(site, *NETWORK)
    office.config.eap_certificate.unlink()
    code, _, what = checked(site)
    assert code == 1 and "no profile can be made" in what
    with pytest.raises(NetAccessError):
        onboarding.public_profile(with_section(office.config))


def test_doctor_looks_at_the_profiles_too() -> None:
    assert check_onboarding in CHECKS
