"""The XML files, against their structure, by xmllint; and what they must say."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from identity.onboarding import eap_config, windows, windows_kit
from identity.onboarding.profile import Method, Profile
from tests.unit.identity.onboarding.school import CA, CLIENT, EVERY, NEXT_CA, profile, valid

pytestmark = pytest.mark.real

every = pytest.mark.parametrize("one", EVERY.values(), ids=EVERY.keys())


@every
def test_an_eap_config_is_valid(one: Profile, tmp_path: Path) -> None:
    valid("eap-config.rng", eap_config.write(one), tmp_path)


@every
def test_a_windows_profile_of_each_network_is_valid(one: Profile, tmp_path: Path) -> None:
    for ssid in one.ssids:
        valid("windows.rng", windows.write_wlan(one, ssid), tmp_path)
    if one.wired:
        valid("windows.rng", windows.write_lan(one), tmp_path)


def test_the_schemas_refuse_what_would_protect_nobody(tmp_path: Path) -> None:
    whole = eap_config.write(profile())
    without_ca = ElementTree.fromstring(whole)
    for credential in without_ca.iter("ServerSideCredential"):
        for ca in credential.findall("CA"):
            credential.remove(ca)
    prompting = windows.write_wlan(profile(), "School-1X").replace(
        b"<DisablePrompt>true", b"<DisablePrompt>false"
    )
    for schema, document in (
        ("eap-config.rng", ElementTree.tostring(without_ca)),
        ("windows.rng", prompting),
    ):
        with pytest.raises(AssertionError, match="fails to validate"):
            valid(schema, document, tmp_path)


def test_an_eap_config_names_ca_server_method_and_identities() -> None:
    root = ElementTree.fromstring(eap_config.write(EVERY["both"]))
    provider = root.find("EAPIdentityProvider")
    assert provider is not None
    assert (provider.get("ID"), provider.get("namespace")) == ("school.ac.th", "urn:RFC4282:realm")
    methods = root.findall(".//AuthenticationMethod")
    assert [one.findtext("EAPMethod/Type") for one in methods] == ["21", "25"]
    assert methods[0].findtext("InnerAuthenticationMethod/NonEAPAuthMethod/Type") == "1"
    assert methods[1].findtext("InnerAuthenticationMethod/EAPMethod/Type") == "26"
    for method in methods:
        assert base64.b64decode(method.findtext("ServerSideCredential/CA") or "") == CA.der
        assert method.findtext("ServerSideCredential/ServerID") == "radius.school.ac.th"
        outer = method.findtext("ClientSideCredential/OuterIdentity")
        assert outer == "anonymous@school.ac.th"
        assert method.findtext("ClientSideCredential/UserName") == "somchai"
    names = {one.get("lang"): one.text for one in root.iter("DisplayName")}
    assert names == {"th": "โรงเรียนบ้านหนองน้ำใส", "en": "Ban Nong Nam Sai School"}


def test_no_xml_file_has_a_place_for_a_password() -> None:
    for one in EVERY.values():
        texts = [eap_config.write(one)]
        texts += [windows.write_wlan(one, ssid) for ssid in one.ssids]
        assert all(b"assword" not in text and b"Passphrase" not in text for text in texts)


def test_during_a_rollover_both_cas_are_in_each_file() -> None:
    rollover = EVERY["rollover"]
    found = ElementTree.fromstring(eap_config.write(rollover)).findall(".//CA")
    assert [base64.b64decode(one.text or "") for one in found] == [CA.der, NEXT_CA.der]
    text = windows.write_wlan(rollover, "School-1X").decode()
    for anchor in (CA, NEXT_CA):
        assert f">{anchor.sha1.hex(' ')}<" in text
    assert "<ServerNames>a.school.ac.th;b.school.ac.th</ServerNames>" in text


def opened(one: Profile) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(windows_kit.write(one))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_windows_kit_installs_the_ca_before_the_network() -> None:
    files = opened(EVERY["rollover"])
    assert files["ca-1.cer"] == CA.der and files["ca-2.cer"] == NEXT_CA.der
    script = files["install.cmd"].decode()
    assert script.count("\n") == script.count("\r\n") > 20
    order = [
        "certutil -user -addstore Root ca-1.cer",
        "certutil -user -addstore Root ca-2.cer",
        'netsh wlan add profile filename="wifi-1.xml" user=current',
    ]
    places = [script.index(part) for part in order]
    assert places == sorted(places)
    assert CA.sha1.hex(" ").upper() in script
    assert script.count("if errorlevel 1 goto failed") == len(order)
    assert "install-wired.cmd" not in files


def test_the_windows_kit_installs_the_wire_as_an_administrator() -> None:
    script = opened(EVERY["wired too"])["install-wired.cmd"].decode()
    assert script.index("net session") < script.index("netsh lan add profile")
    assert "sc config dot3svc" in script


def test_the_windows_kit_of_a_certificate_imports_it_without_its_password() -> None:
    files = opened(EVERY["certificate"])
    assert files["client.p12"] == CLIENT.pkcs12
    script = files["install.cmd"].decode()
    assert "certutil -user -importpfx client.p12" in script and " -p " not in script


def test_the_same_profile_is_the_same_windows_kit() -> None:
    assert windows_kit.write(profile()) == windows_kit.write(profile())


def test_every_method_has_its_windows_number() -> None:
    for method, number in ((Method.TTLS_PAP, "21"), (Method.PEAP_MSCHAPV2, "25")):
        text = windows.write_wlan(profile(methods=(method,)), "School-1X").decode()
        assert f">{number}<" in text
