"""TTLS, PEAP and EAP-TLS with Debian's eapol_test: methods by TLS versions by fragments.

Fragments of 40 octets are for the methods whose messages inside are short: eapol_test itself
gives up on longer ones, and before any other server too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat import asn1

from identity.pki.names import USER_PRINCIPAL_NAME
from tests.clients.eapol import Supplicant
from tests.clients.test_radclient_access import mint
from tests.conftest import wait_until
from tests.integration.radius_site import LOOPBACK, LiveSite, running_radius, site_of_kind
from tests.programs import require
from tests.unit.radius_server.eap.lab import Authority

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(120),
    pytest.mark.xdist_group("eapol-tunnels"),
]

PASSWORD = "ลูกช้าง seven elephants"

METHODS = {
    "ttls-pap": ("TTLS", "auth=PAP"),
    "ttls-chap": ("TTLS", "auth=CHAP"),
    "ttls-mschap": ("TTLS", "auth=MSCHAP"),
    "ttls-mschapv2": ("TTLS", "auth=MSCHAPV2"),
    "ttls-eap-md5": ("TTLS", "autheap=MD5"),
    "ttls-eap-gtc": ("TTLS", "autheap=GTC"),
    "ttls-eap-mschapv2": ("TTLS", "autheap=MSCHAPV2"),
    "ttls-eap-tls": ("TTLS", "autheap=TLS"),
    "peap-mschapv2": ("PEAP", "auth=MSCHAPV2"),
    "peap-gtc": ("PEAP", "auth=GTC"),
    "peap-tls": ("PEAP", "auth=TLS"),
    "tls": ("TLS", ""),
}
BY_PASSWORD = [name for name in METHODS if not name.endswith("tls")]
WITHOUT_KEPT_SECRET = ["ttls-pap", "ttls-eap-gtc", "peap-gtc"]
VERSIONS = {"tls1.2": "tls_disable_tlsv1_3=1", "tls1.3": "tls_disable_tlsv1_3=0"}

INTERMEDIATES = ("good-intermediate", "revoked-intermediate")
THAI, DESK, LONG = "ครูสมศรี", "desk.school.example", "p" * 128

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.server(rsa_key=True)
    made.issue("kept", "kept", rsa_key=True)
    made.issue("suspended", "suspended")
    made.issue("nobody", "nobody")
    made.issue("revoked", "kept")
    named = {
        "principal": x509.OtherName(USER_PRINCIPAL_NAME, asn1.encode_der("kept")),
        "mailbox": x509.RFC822Name("kept"),
        "host": x509.DNSName("DESK.school.example"),
    }
    for name, alternative in named.items():
        made.issue(name, "whoever", alternatives=(alternative,))
    made.issue(
        "several", "whoever", alternatives=(x509.DNSName("no.such.host"), *list(named.values())[:2])
    )
    made.issue("two-people", "whoever", alternatives=(named["mailbox"], x509.RFC822Name("plain")))
    made.issue("expired", "kept", days=-1)
    made.issue("unborn", "kept", begun=-1)
    lists = b""
    for name in INTERMEDIATES:
        folder = tmp_path_factory.mktemp("intermediate")
        between = Authority(folder, name, under=made)
        own, key = between.issue("kept", "kept")
        chain = made.folder / f"{name}.pem"
        chain.write_bytes(own.read_bytes() + between.path.read_bytes())
        key.rename(chain.with_suffix(".key"))
        lists += between.revocation_list().read_bytes()
    crl = made.revocation_list("revoked", INTERMEDIATES[1])
    crl.write_bytes(crl.read_bytes() + lists)
    Authority(tmp_path_factory.mktemp("other"), "Another CA").path.rename(made.folder / "other.pem")
    return made


@pytest.fixture(scope="module")
def live(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[LiveSite]:
    """A server with certificates of its own."""
    require("eapol_test", "eapoltest")
    folder = authority.folder
    eap = (
        f'[eap]\ncertificate = "{folder}/server.pem"\nprivate_key = "{folder}/server.key"\n'
        f'ca = "{authority.path}"\ncrl = "{folder}/crl.pem"\n'
    )
    site = '[site]\nname = "Test school"'
    made = site_of_kind(request, tmp_path_factory.mktemp("eapol"), "sqlite", {site: f"{eap}{site}"})
    made.add_nas("gate", LOOPBACK)
    made.add_person("kept", PASSWORD, recoverable="password")
    made.add_person("plain", PASSWORD)
    made.add_person("suspended", PASSWORD, recoverable="password")
    made.yuenyan("user", "disable", "suspended")
    made.add_person(DESK, PASSWORD)
    made.add_person(THAI, LONG, recoverable="nt-hash")
    with running_radius(made):
        yield made


@pytest.fixture
def device(live: LiveSite, tmp_path: Path) -> Supplicant:
    """A device of its own for each test, so that no failure makes another wait."""
    number = next(_numbers)
    return Supplicant(live, tmp_path, f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}")


def network(
    authority: Authority,
    method: str,
    version: str,
    name: str = "kept",
    password: str = PASSWORD,
    certificate: str = "kept",
    **more: str,
) -> dict[str, str]:
    """The network block of a method."""
    eap, phase2 = METHODS[method]
    folder = authority.folder
    block = {
        "key_mgmt": "IEEE8021X",
        "eap": eap,
        "identity": f'"{name}"',
        "anonymous_identity": '"anonymous@school.example"',
        "ca_cert": f'"{authority.path}"',
        "phase1": f'"{VERSIONS[version]}"',
    }
    if method in BY_PASSWORD:
        block["password"] = f'"{password}"'
    else:
        inner = "2" if phase2 else ""
        block[f"ca_cert{inner}"] = block["ca_cert"]
        block[f"client_cert{inner}"] = f'"{folder}/{certificate}.pem"'
        block[f"private_key{inner}"] = f'"{folder}/{certificate}.key"'
    if phase2:
        block["phase2"] = f'"{phase2}"'
    return block | more


@pytest.mark.matrix
@pytest.mark.parametrize("fragment_size", ["100", "200", "1398"])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", METHODS)
def test_a_login_and_its_resumption_have_the_same_keys_on_both_sides(
    authority: Authority, device: Supplicant, method: str, version: str, fragment_size: str
) -> None:
    block = network(authority, method, version, fragment_size=fragment_size)
    ended = device.login(block, "-r1")
    assert ended.success, device.decisions()
    assert (ended.keys_equal, ended.keys_different) == (2, 0)
    first, second = device.decisions()
    kind = f"eap-{METHODS[method][0].lower()}"
    assert first[:4] == second[:4] == ("kept", kind, "accept", "ok")
    assert f"tls:version=TLSv{version[3:]}" in first[4]
    assert "tls:resumed" in second[4]
    assert PASSWORD not in "".join(first[4] + second[4])
    if kind == "eap-peap":
        assert "peap:cryptobinding" in first[4]
        assert "peap:cryptobinding" in second[4]


@pytest.mark.parametrize(
    ("method", "version"),
    [
        ("ttls-pap", "tls1.2"),
        ("ttls-mschapv2", "tls1.2"),
        ("ttls-eap-gtc", "tls1.2"),
        ("tls", "tls1.2"),
        ("tls", "tls1.3"),
    ],
)
def test_fragments_of_40_octets(
    authority: Authority, device: Supplicant, method: str, version: str
) -> None:
    ended = device.login(network(authority, method, version, fragment_size="40"))
    assert ended.success, device.decisions()
    assert ended.fragments > 5
    assert (ended.keys_equal, ended.keys_different) == (1, 0)


@pytest.mark.parametrize(
    ("method", "version"), [("peap-tls", "tls1.3"), ("ttls-eap-tls", "tls1.2")]
)
def test_a_certificate_inside_of_a_tunnel_in_pieces_of_28_octets(
    authority: Authority, device: Supplicant, method: str, version: str
) -> None:
    # Inside, wpa_supplicant takes a hundred octets less than it is told.
    ended = device.login(network(authority, method, version, fragment_size="128"))
    assert ended.success, device.decisions()
    assert ended.fragments > 30
    assert (ended.keys_equal, ended.keys_different) == (1, 0)


def test_fragments_of_40_octets_and_a_framed_mtu_of_64(
    authority: Authority, device: Supplicant
) -> None:
    block = network(authority, "tls", "tls1.3", fragment_size="40")
    ended = device.login(block, "-N", "12:d:64")
    assert ended.success, device.decisions()
    assert ended.output.count("Sending RADIUS message") > 60


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", ["ttls-pap", "peap-mschapv2", "tls"])
def test_framed_mtu_is_honoured(
    authority: Authority, device: Supplicant, method: str, version: str
) -> None:
    ended = device.login(network(authority, method, version), "-N", "12:d:200")
    assert ended.success
    sizes = [int(part.split(")")[0]) for part in ended.output.split("Received packet(len=")[1:]]
    assert len(sizes) >= 6
    assert max(sizes) <= 196  # RFC 3580 section 3.10


@pytest.mark.matrix
@pytest.mark.parametrize("version", VERSIONS)
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
    authority: Authority,
    device: Supplicant,
    method: str,
    version: str,
    name: str,
    password: str,
    reason: str,
) -> None:
    ended = device.login(network(authority, method, version, name, password))
    assert not ended.success
    assert [row[:4] for row in device.decisions()] == [
        (name, f"eap-{METHODS[method][0].lower()}", "reject", reason)
    ]


@pytest.mark.parametrize("method", BY_PASSWORD)
def test_what_works_with_a_hash_alone(
    authority: Authority, device: Supplicant, method: str
) -> None:
    ended = device.login(network(authority, method, "tls1.3", "plain"))
    if method in WITHOUT_KEPT_SECRET:
        assert ended.success
    else:
        assert not ended.success
        assert device.decisions()[0][3] == "method_needs_recoverable_secret"


@pytest.mark.matrix
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", METHODS)
def test_who_does_not_believe_the_server_says_so(
    authority: Authority, device: Supplicant, method: str, version: str
) -> None:
    block = network(authority, method, version) | {"ca_cert": f'"{authority.folder}/other.pem"'}
    assert not device.login(block).success
    row = device.decisions()[0]
    assert row[2:4] == ("reject", "tls_failed")
    assert "tls:alert=unknown_ca" in row[4]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", ["ttls-eap-tls", "peap-tls", "tls"])
@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        ("revoked", "certificate_revoked"),
        (INTERMEDIATES[1], "certificate_revoked"),
        ("nobody", "certificate_of_no_account"),
        ("suspended", "suspended"),
        ("server", "certificate_refused"),
        ("expired", "certificate_refused"),
        ("unborn", "certificate_refused"),
        ("two-people", "certificate_of_no_account"),
    ],
)
def test_a_certificate_is_refused_with_the_reason(
    authority: Authority,
    device: Supplicant,
    method: str,
    version: str,
    certificate: str,
    reason: str,
) -> None:
    block = network(authority, method, version, certificate=certificate)
    assert not device.login(block).success
    assert device.decisions()[-1][2:4] == ("reject", reason)


@pytest.mark.parametrize(
    ("certificate", "name"),
    [
        ("principal", "kept"),
        ("mailbox", "kept"),
        ("several", "kept"),
        ("host", DESK),
        (INTERMEDIATES[0], "kept"),
    ],
)
def test_whose_a_certificate_is_its_own_names_say(
    authority: Authority, device: Supplicant, certificate: str, name: str
) -> None:
    ended = device.login(network(authority, "tls", "tls1.3", "nobody", certificate=certificate))
    assert (ended.keys_equal, ended.keys_different) == (1, 0)
    assert [row[:4] for row in device.decisions()] == [(name, "eap-tls", "accept", "ok")]


@pytest.mark.sampled
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", ["ttls-pap", "ttls-mschapv2", "peap-mschapv2", "peap-gtc"])
def test_a_thai_name_and_the_longest_password(
    authority: Authority, device: Supplicant, method: str, version: str
) -> None:
    ended = device.login(network(authority, method, version, THAI, LONG), "-r1")
    assert (ended.keys_equal, ended.keys_different) == (2, 0)
    assert {row[0] for row in device.decisions()} == {THAI}


@pytest.mark.sampled
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("binding", ["0", "2"], ids=["never", "always"])
def test_a_peer_binds_peap_or_does_not(
    authority: Authority, device: Supplicant, binding: str, version: str
) -> None:
    phase1 = f'"{VERSIONS[version]} peapver=0 include_tls_length=1 crypto_binding={binding}"'
    block = network(authority, "peap-mschapv2", version, phase1=phase1)
    ended = device.login(block, "-r2")
    assert (ended.keys_equal, ended.keys_different) == (3, 0)
    traces = [row[4] for row in device.decisions()]
    assert [("peap:cryptobinding" in trace) for trace in traces] == [binding == "2"] * 3
    assert ["tls:resumed" in trace for trace in traces] == [False, True, True]


@pytest.mark.sampled
@pytest.mark.parametrize("old", ["0", "1"], ids=["tls1.0", "tls1.1"])
@pytest.mark.parametrize("method", ["ttls-pap", "peap-mschapv2", "tls"])
def test_a_device_that_is_too_old_is_refused_and_the_log_says_why(
    authority: Authority, device: Supplicant, method: str, old: str
) -> None:
    others = " ".join(f"tls_disable_tlsv1_{n}={int(str(n) != old)}" for n in range(4))
    block = network(
        authority, method, "tls1.2", phase1=f'"{others}"', openssl_ciphers='"DEFAULT@SECLEVEL=0"'
    )
    assert not device.login(block).success
    ((_, _, outcome, reason, trace),) = device.decisions()
    assert (outcome, reason, trace[-1]) == (
        "reject",
        "tls_failed",
        "tls:error=unsupported_protocol",
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", ["ttls-pap", "peap-gtc", "tls"])
def test_who_is_suspended_between_login_and_resumption_stays_out(
    live: LiveSite, authority: Authority, device: Supplicant, method: str, version: str
) -> None:
    name = f"leaver-{method}-{version}"
    live.add_person(name, PASSWORD)
    authority.issue(name, name)
    block = network(authority, method, version, name, certificate=name)
    with ThreadPoolExecutor(1) as thread:
        # Resumption after resumption; the account is suspended between two of them.
        run = thread.submit(device.login, block, "-r2000")
        wait_until(lambda: len(device.decisions()) > 3, 20, "nothing is resumed")
        live.yuenyan("user", "disable", name)
        assert not run.result(30).success
    *granted, last = device.decisions()
    assert {row[2] for row in granted if "tls:resumed" in row[4]} == {"accept"}
    assert last[2:4] == ("reject", "suspended")
    # The suspension has ended the session too: what is proven again is refused.
    assert "tls:resumed" not in last[4]
    assert last[4][-1] == "policy:suspended"


def test_a_one_time_token_inside_of_ttls_is_good_once_and_for_its_device_alone(
    live: LiveSite, authority: Authority, device: Supplicant, tmp_path: Path
) -> None:
    station = device.mac.replace(":", "")
    token, of_another = mint(live, "plain", station), mint(live, "plain", "3c22fb0a0b0c")

    def login(password: str, *options: str) -> bool:
        block = network(authority, "ttls-pap", "tls1.3", "plain", password)
        return device.login(block, *options).success

    assert not login(of_another)
    # Both ends hold keys to go on with, but the token was good for one login.
    assert not login(token, "-r1")
    assert not login(token)
    assert [row[1:4] for row in device.decisions()] == [
        ("token", "reject", "token_for_another_device_or_nas"),
        ("token", "accept", "ok"),
        ("token", "reject", "token_spent"),
        ("token", "reject", "token_spent"),
    ]
