"""ONC for ChromeOS, the files for Linux, the sheet for Android; and what all files share."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from common.errors import Refused
from identity.onboarding import android, chromeos, linux
from identity.onboarding.kinds import Kind, kinds_of, write
from identity.onboarding.profile import Method, Profile, fingerprint
from tests.unit.identity.onboarding.school import CA, CLIENT, EVERY, NEXT_CA, profile

every = pytest.mark.parametrize("one", EVERY.values(), ids=EVERY.keys())

# The objects and fields of the Open Network Configuration that matter here, as Chromium's
# documentation has them: type, or the values that are allowed.
ONC: dict[str, dict[str, Any]] = {
    "top": {
        "Type": ("UnencryptedConfiguration",),
        "Certificates": list,
        "NetworkConfigurations": list,
    },
    "certificate": {
        "GUID": str,
        "Type": ("Authority", "Client", "Server"),
        "X509": str,
        "PKCS12": str,
    },
    "network": {
        "GUID": str,
        "Name": str,
        "Type": ("WiFi", "Ethernet"),
        "WiFi": dict,
        "Ethernet": dict,
    },
    "WiFi": {
        "SSID": str,
        "HiddenSSID": bool,
        "Security": ("WPA-EAP",),
        "AutoConnect": bool,
        "EAP": dict,
    },
    "Ethernet": {"Authentication": ("8021X",), "EAP": dict},
    "EAP": {
        "Outer": ("EAP-TTLS", "PEAP", "EAP-TLS"),
        "Inner": ("PAP", "MSCHAPv2"),
        "Identity": str,
        "AnonymousIdentity": str,
        "SaveCredentials": bool,
        "ServerCARefs": list,
        "UseSystemCAs": bool,
        "SubjectAlternativeNameMatch": list,
        "ClientCertType": ("Ref",),
        "ClientCertRef": str,
    },
}


def conforms(what: str, found: dict[str, Any]) -> None:
    for key, value in found.items():
        wanted = ONC[what][key]
        if isinstance(wanted, tuple):
            assert value in wanted, f"{what}.{key}"
        else:
            assert type(value) is wanted, f"{what}.{key}"


def onc(one: Profile) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(chromeos.write(one))
    return found


@every
def test_an_onc_has_the_fields_that_chromeos_knows(one: Profile) -> None:
    whole = onc(one)
    conforms("top", whole)
    known = set()
    for certificate in whole["Certificates"]:
        conforms("certificate", certificate)
        known.add(certificate["GUID"])
    for network in whole["NetworkConfigurations"]:
        conforms("network", network)
        conforms(network["Type"], network[network["Type"]])
        eap = network[network["Type"]]["EAP"]
        conforms("EAP", eap)
        assert set(eap["ServerCARefs"]) <= known and eap["ServerCARefs"]
        assert eap["UseSystemCAs"] is False
        assert [name["Value"] for name in eap["SubjectAlternativeNameMatch"]] == list(
            one.server_names
        )
        assert eap.get("ClientCertRef", next(iter(known))) in known
        assert eap["SaveCredentials"] or "Identity" not in eap
    assert onc(one) == whole, "a second import would not replace the first"


def test_an_onc_holds_both_cas_of_a_rollover_and_a_certificate_of_ones_own() -> None:
    found = [base64.b64decode(one["X509"]) for one in onc(EVERY["rollover"])["Certificates"]]
    assert found == [CA.der, NEXT_CA.der]
    own = onc(EVERY["certificate"])
    assert base64.b64decode(own["Certificates"][-1]["PKCS12"]) == CLIENT.pkcs12
    eap = own["NetworkConfigurations"][0]["WiFi"]["EAP"]
    assert eap["ClientCertRef"] == own["Certificates"][-1]["GUID"]


def test_wpa_supplicant_is_told_ca_whole_name_and_method() -> None:
    text = linux.write_supplicant(EVERY["a person's"]).decode()
    for line in (
        "ssid=" + b"School-1X".hex(),
        "eap=TTLS",
        'phase2="auth=PAP"',
        'identity="somchai"',
        'anonymous_identity="anonymous@school.ac.th"',
        'ca_cert="blob://school-ca"',
        'domain_match="radius.school.ac.th"',
    ):
        assert f"\n  {line}\n" in text
    blob = text.partition("blob-base64-school-ca={\n")[2].partition("\n}")[0]
    assert base64.b64decode(blob) == CA.pem
    assert "password" not in text


def test_a_name_that_quotes_cannot_hold_is_written_in_hexadecimal() -> None:
    text = linux.write_supplicant(EVERY["odd"]).decode()
    assert f"  identity={'ส้ม'.encode().hex()}\n" in text
    assert f"  ssid={'โรงเรียน'.encode().hex()}\n" in text


@every
def test_the_script_for_network_manager_says_to_nmcli_what_was_meant(
    one: Profile, tmp_path: Path
) -> None:
    """Run with an nmcli that writes down what it is told."""
    told = tmp_path / "told"
    nmcli = tmp_path / "bin" / "nmcli"
    nmcli.parent.mkdir()
    nmcli.write_text(f'#!/bin/sh\nprintf "%s\\0" "$@" end >>"{told}"\n')
    nmcli.chmod(0o755)
    script = tmp_path / "script.sh"
    script.write_bytes(linux.write_script(one))
    subprocess.run(
        ["sh", script],
        check=True,
        timeout=20,
        input=b"typed by its user\n",
        stdout=subprocess.DEVNULL,
        env={"PATH": f"{nmcli.parent}:/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    calls = told.read_text(encoding="utf-8").split("\0end\0")[:-1]
    added = [call.split("\0") for call in calls if "\0add\0" in call]
    assert len(added) == len(one.ssids) + one.wired
    (ca,) = (tmp_path / ".config" / "wifi-ca").glob("*.pem")
    assert ca.read_bytes() == linux.pem_bundle(one.anchors)
    for ssid, call in zip(one.ssids, added, strict=False):
        values = dict(zip(call[2::2], call[3::2], strict=True))
        assert values["ssid"] == ssid
        assert values["802-1x.domain-match"] == ";".join(one.server_names)
        assert values["802-1x.ca-cert"] == str(ca)
        if one.method is Method.TLS:
            (own,) = ca.parent.glob("*.p12")
            assert values["802-1x.private-key"] == str(own)
            assert own.read_bytes() == CLIENT.pkcs12
            assert own.stat().st_mode & 0o077 == 0
        else:
            assert values["802-1x.anonymous-identity"] == one.outer_identity
        # NetworkManager takes no connection without a name.
        name = one.username or "typed by its user"
        assert values["802-1x.identity"] == (
            one.outer_identity if one.method is Method.TLS else name
        )


@pytest.mark.parametrize(
    ("names", "domain"),
    [
        (("radius.school.ac.th",), "radius.school.ac.th"),
        (("a.school.ac.th", "b.school.ac.th"), "school.ac.th"),
        (("a.school.example", "b.other.example"), "a.school.example"),
    ],
)
def test_android_is_told_one_domain_that_is_not_a_whole_country(
    names: tuple[str, ...], domain: str
) -> None:
    assert android.settings(profile(server_names=names)).domain == domain


def test_the_sheet_for_android_has_the_fields_of_its_form() -> None:
    text = android.write(EVERY["peap"]).decode()
    for part in ("PEAP", "MSCHAPV2", "radius.school.ac.th", "somchai", "anonymous@school.ac.th"):
        assert part in text
    assert android.settings(EVERY["certificate"]).anonymous_identity == ""


@pytest.mark.parametrize("missing", ["server_names", "anchors", "methods"])
def test_a_profile_that_would_trust_anybody_is_not_made(missing: str) -> None:
    with pytest.raises(Refused, match="protect nobody"):
        profile(**{missing: ()})


def test_a_profile_for_a_certificate_needs_one() -> None:
    with pytest.raises(Refused, match="client certificate"):
        profile(methods=(Method.TLS,))


@every
def test_every_file_has_a_plain_name_of_its_own_and_a_type(one: Profile) -> None:
    made = [write(one, kind) for kind in kinds_of(one)]
    assert len({each.name for each in made}) == len(made)
    for each in made:
        assert each.name.isascii() and not set(each.name) & set('"/\\ ;')
        assert "/" in each.mime and each.content


def test_files_that_a_profile_has_no_use_for_are_not_made() -> None:
    assert Kind.CA_NEXT in kinds_of(EVERY["rollover"])
    assert Kind.CA_NEXT not in kinds_of(profile())
    assert Kind.IOS not in kinds_of(EVERY["wired alone"])
    assert Kind.CLIENT in kinds_of(EVERY["certificate"])
    assert Kind.CLIENT not in kinds_of(profile())


def test_a_fingerprint_is_read_in_pairs() -> None:
    assert fingerprint(bytes.fromhex("0aff")) == "0A:FF"
