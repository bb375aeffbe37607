"""TEAP with an eapol_test built from Debian's source: inner methods by fragments, and refusals.

In TLS 1.3 that peer derives other keys than RFC 9427, and it takes its keys from the MSK where
RFC 9930 has the EMSK: the peer of tests/unit/radius_server/eap/test_teap.py does neither.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509

from tests.clients.eapol import Supplicant, require_teap
from tests.conftest import wait_until
from tests.integration.radius_site import LOOPBACK, LiveSite, running_radius, site_of_kind
from tests.unit.radius_server.eap.lab import Authority

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(120),
    pytest.mark.xdist_group("eapol-teap"),
]

PASSWORD = "ลูกช้าง seven elephants"

METHODS = {
    "mschapv2": "auth=MSCHAPV2",
    "tls": "auth=TLS",
    "gtc": "auth=GTC",
    # It knows MD5 alone, which is not spoken here, and so it is asked for a password.
    "password": "auth=MD5",
}
BY_PASSWORD = ["mschapv2", "gtc", "password"]

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.server(rsa_key=True)
    made.issue("kept", "kept", rsa_key=True)
    made.issue("suspended", "suspended")
    made.issue("nobody", "nobody")
    made.issue("desk", "desk", alternatives=(x509.DNSName("desk.school.example"),))
    made.issue("revoked", "kept")
    made.revocation_list("revoked")
    Authority(tmp_path_factory.mktemp("other"), "Another CA").path.rename(made.folder / "other.pem")
    return made


def running(
    request: pytest.FixtureRequest, folder: Path, authority: Authority, more: str
) -> Iterator[LiveSite]:
    """A server that speaks TEAP; `more` stands in its [eap]."""
    require_teap()
    files = authority.folder
    eap = (
        f'[eap]\nmethods = ["teap", "tls"]\n{more}\n'
        f'certificate = "{files}/server.pem"\nprivate_key = "{files}/server.key"\n'
        f'ca = "{authority.path}"\ncrl = "{files}/crl.pem"\n'
    )
    site = '[site]\nname = "Test school"'
    made = site_of_kind(request, folder, "sqlite", {site: f"{eap}{site}"})
    made.add_nas("gate", LOOPBACK)
    made.add_person("kept", PASSWORD, recoverable="password")
    made.add_person("plain", PASSWORD)
    made.add_person("suspended", PASSWORD, recoverable="password")
    made.yuenyan("user", "disable", "suspended")
    with running_radius(made):
        yield made


@pytest.fixture(scope="module")
def live(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[LiveSite]:
    inner = 'teap_inner = ["mschapv2", "gtc", "tls", "password"]'
    yield from running(request, tmp_path_factory.mktemp("teap"), authority, inner)


@pytest.fixture(scope="module")
def live_password_first(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[LiveSite]:
    inner = 'teap_inner = ["password", "mschapv2"]'
    yield from running(request, tmp_path_factory.mktemp("first"), authority, inner)


@pytest.fixture(scope="module", params=['["machine", "user"]', '["user", "machine"]'])
def live_for_both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[LiveSite]:
    folder = tmp_path_factory.mktemp("both")
    for made in running(request, folder, authority, f"teap_identities = {request.param}"):
        made.add_person("desk.school.example", PASSWORD)
        yield made


@pytest.fixture(scope="module")
def live_emsk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[LiveSite]:
    yield from running(request, tmp_path_factory.mktemp("emsk"), authority, "teap_emsk = true")


def device_of(live: LiveSite, folder: Path) -> Supplicant:
    """A device of its own for each test, so that no failure makes another wait."""
    number = next(_numbers)
    mac = f"02:00:00:01:{number >> 8:02x}:{number & 255:02x}"
    return Supplicant(live, folder, mac, require_teap())


@pytest.fixture
def device(live: LiveSite, tmp_path: Path) -> Supplicant:
    return device_of(live, tmp_path)


def network(
    authority: Authority,
    method: str,
    name: str = "kept",
    password: str = PASSWORD,
    certificate: str = "kept",
    **more: str,
) -> dict[str, str]:
    """The network block of an inner method."""
    folder = authority.folder
    block = {
        "key_mgmt": "IEEE8021X",
        "eap": "TEAP",
        "identity": f'"{name}"',
        "anonymous_identity": '"anonymous@school.example"',
        "ca_cert": f'"{authority.path}"',
        "pac_file": '"blob://teap"',
        "phase2": f'"{METHODS[method]}"',
    }
    if method in BY_PASSWORD:
        block["password"] = f'"{password}"'
    else:
        block["ca_cert2"] = block["ca_cert"]
        block["client_cert2"] = f'"{folder}/{certificate}.pem"'
        block["private_key2"] = f'"{folder}/{certificate}.key"'
    return block | more


@pytest.mark.matrix
@pytest.mark.parametrize("fragment_size", ["100", "200", "1398"])
@pytest.mark.parametrize("method", METHODS)
def test_a_login_has_the_same_keys_on_both_sides(
    authority: Authority, device: Supplicant, method: str, fragment_size: str
) -> None:
    ended = device.login(network(authority, method, fragment_size=fragment_size), "-r1")
    assert ended.success, device.decisions()
    assert (ended.keys_equal, ended.keys_different) == (2, 0)
    for row, proven in zip(device.decisions(), ("teap:user", "tls:resumed"), strict=True):
        assert row[:4] == ("kept", "eap-teap", "accept", "ok")
        assert {"tls:version=TLSv1.2", "teap:cryptobinding"} < set(row[4])
        assert set(row[4]) & {"teap:user", "tls:resumed"} == {proven}
        assert PASSWORD not in "".join(row[4])


def test_who_is_suspended_between_login_and_resumption_stays_out(
    live: LiveSite, authority: Authority, device: Supplicant
) -> None:
    live.add_person("leaves", PASSWORD)
    block = network(authority, "password", "leaves")
    with ThreadPoolExecutor(1) as pool:
        # Resumption after resumption; the account is suspended between two of them.
        run = pool.submit(device.login, block, "-r2000")
        wait_until(lambda: len(device.decisions()) > 3, 20, "nothing is resumed")
        live.yuenyan("user", "disable", "leaves")
        assert not run.result().success
    *granted, last = device.decisions()
    assert {row[2] for row in granted if "tls:resumed" in row[4]} == {"accept"}
    assert last[2:4] == ("reject", "suspended")


@pytest.mark.parametrize("method", ["mschapv2", "password"])
def test_fragments_of_40_octets(authority: Authority, device: Supplicant, method: str) -> None:
    ended = device.login(network(authority, method, fragment_size="40"))
    assert ended.success, device.decisions()
    assert ended.fragments > 5
    assert (ended.keys_equal, ended.keys_different) == (1, 0)


@pytest.mark.parametrize("method", METHODS)
def test_framed_mtu_is_honoured(authority: Authority, device: Supplicant, method: str) -> None:
    ended = device.login(network(authority, method), "-N", "12:d:200")
    assert ended.success
    sizes = [int(part.split(")")[0]) for part in ended.output.split("Received packet(len=")[1:]]
    assert len(sizes) >= 6
    assert max(sizes) <= 196  # RFC 3580 section 3.10


def test_tlvs_outside_of_the_tunnel_are_bound(authority: Authority, device: Supplicant) -> None:
    block = network(authority, "mschapv2", phase1='"teap_test_outer_tlvs=1"')
    ended = device.login(block)
    assert "TESTING - Add stub Outer TLVs" in ended.output
    assert ended.success, device.decisions()
    assert (ended.keys_equal, ended.keys_different) == (1, 0)


@pytest.mark.matrix
@pytest.mark.parametrize("method", BY_PASSWORD)
@pytest.mark.parametrize(
    ("name", "password", "reason"),
    [
        pytest.param("kept", "another elephant", "wrong_password", id="wrong"),
        pytest.param("nobody", PASSWORD, "unknown_account", id="unknown"),
        pytest.param("suspended", PASSWORD, "suspended", id="suspended"),
    ],
)
def test_a_refusal_says_why(
    authority: Authority, device: Supplicant, method: str, name: str, password: str, reason: str
) -> None:
    ended = device.login(network(authority, method, name, password))
    assert not ended.success
    assert [row[:4] for row in device.decisions()] == [(name, "eap-teap", "reject", reason)]


@pytest.mark.parametrize("method", BY_PASSWORD)
def test_what_works_with_a_hash_alone(
    authority: Authority, device: Supplicant, method: str
) -> None:
    ended = device.login(network(authority, method, "plain"))
    if method == "mschapv2":
        assert not ended.success
        assert device.decisions()[0][3] == "method_needs_recoverable_secret"
    else:
        assert ended.success


@pytest.mark.parametrize("method", METHODS)
def test_who_does_not_believe_the_server_says_so(
    authority: Authority, device: Supplicant, method: str
) -> None:
    block = network(authority, method) | {"ca_cert": f'"{authority.folder}/other.pem"'}
    assert not device.login(block).success
    row = device.decisions()[0]
    assert row[2:4] == ("reject", "tls_failed")
    assert "tls:alert=unknown_ca" in row[4]


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        ("revoked", "certificate_revoked"),
        ("nobody", "certificate_of_no_account"),
        ("suspended", "suspended"),
        ("server", "certificate_refused"),
    ],
)
def test_a_certificate_is_refused_with_the_reason(
    authority: Authority, device: Supplicant, certificate: str, reason: str
) -> None:
    assert not device.login(network(authority, "tls", certificate=certificate)).success
    assert device.decisions()[-1][2:4] == ("reject", reason)


def test_a_password_may_be_asked_for_before_eap(
    authority: Authority, live_password_first: LiveSite, tmp_path: Path
) -> None:
    device = device_of(live_password_first, tmp_path)
    ended = device.login(network(authority, "mschapv2", "plain"))
    assert ended.success
    assert (ended.keys_equal, ended.keys_different) == (1, 0)
    assert "inner:password=plain" in device.decisions()[0][4]


def test_who_declines_to_tell_a_password_is_asked_by_eap(
    authority: Authority, live_password_first: LiveSite, tmp_path: Path
) -> None:
    device = device_of(live_password_first, tmp_path)
    # The TLV has room for 255 octets: the peer answers with NAK.
    block = network(authority, "mschapv2", password="x" * 256)
    assert not device.login(block).success
    row = device.decisions()[0]
    assert row[:4] == ("kept", "eap-teap", "reject", "wrong_password")
    assert "inner:method=mschapv2" in row[4]


@pytest.mark.parametrize("user", ["mschapv2", "tls", "password"])
def test_user_and_machine_are_proven_in_one_conversation(
    authority: Authority, live_for_both: LiveSite, tmp_path: Path, user: str
) -> None:
    device = device_of(live_for_both, tmp_path)
    machine = {
        "machine_identity": '"host/desk.school.example"',
        "machine_phase2": '"auth=TLS"',
        "machine_ca_cert": f'"{authority.path}"',
        "machine_client_cert": f'"{authority.folder}/desk.pem"',
        "machine_private_key": f'"{authority.folder}/desk.key"',
    }
    ended = device.login(network(authority, user) | machine)
    assert ended.success, device.decisions()
    assert (ended.keys_equal, ended.keys_different) == (1, 0)
    (row,) = device.decisions()
    assert row[:4] == ("kept", "eap-teap", "accept", "ok")
    assert {"teap:user", "teap:machine"} < set(row[4])
    assert "certificate:name=desk.school.example" in row[4]
    assert row[4].count("teap:cryptobinding") == 2


def test_who_would_speak_tls_1_3_is_bound_to_1_2(authority: Authority, device: Supplicant) -> None:
    ended = device.login(network(authority, "mschapv2", phase1='"tls_disable_tlsv1_3=0"'))
    assert (ended.success, ended.keys_equal) == (True, 1)
    assert "tls:version=TLSv1.2" in device.decisions()[0][4]


def test_an_emsk_binds_when_it_is_demanded(
    authority: Authority, live_emsk: LiveSite, tmp_path: Path
) -> None:
    device = device_of(live_emsk, tmp_path)
    ended = device.login(network(authority, "tls"))
    # Both sides find the other's MACs right; of the keys this peer has its own opinion.
    assert device.decisions()[0][2:4] == ("accept", "ok")
    assert "Reply Crypto-Binding TLV: Version 1 Received Version 1 Flags 3" in ended.output
    assert (ended.keys_equal, ended.keys_different) == (0, 1)
