"""Apple's profiles: the keys that Apple publishes, what they must say, and their signature."""

from __future__ import annotations

import itertools
import plistlib
import re
import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from identity.onboarding import apple
from identity.onboarding.profile import Profile
from identity.onboarding.signing import SigningPair, sign
from identity.pki import names
from identity.pki.authority import Kind, Request, make_authority, make_key
from tests.programs import require
from tests.unit.identity.onboarding.school import CA, CLIENT, EVERY, NEXT_CA, NOW, profile

COMMON: dict[str, type | tuple[object, ...]] = {
    "PayloadType": str,
    "PayloadVersion": (1,),
    "PayloadIdentifier": str,
    "PayloadUUID": str,
    "PayloadDisplayName": str,
}
EAP: dict[str, type | tuple[object, ...]] = {
    "AcceptEAPTypes": list,
    "UserName": str,
    "OuterIdentity": str,
    "TTLSInnerAuthentication": ("PAP", "EAP", "CHAP", "MSCHAP", "MSCHAPv2"),
    "PayloadCertificateAnchorUUID": list,
    "TLSTrustedServerNames": list,
    "TLSMinimumVersion": ("1.0", "1.1", "1.2", "1.3"),
    "TLSMaximumVersion": ("1.0", "1.1", "1.2", "1.3"),
}
WIFI: dict[str, type | tuple[object, ...]] = {
    "SSID_STR": str,
    "HIDDEN_NETWORK": bool,
    "AutoJoin": bool,
    "EncryptionType": ("WEP", "WPA", "WPA2", "WPA3", "Any", "None"),
    "ProxyType": ("None", "Manual", "Auto"),
    "PayloadCertificateUUID": str,
    "EAPClientConfiguration": dict,
}
FILE: dict[str, type | tuple[object, ...]] = {
    "PayloadCertificateFileName": str,
    "PayloadContent": bytes,
}
KEYS: dict[str, dict[str, type | tuple[object, ...]]] = {
    "com.apple.wifi.managed": WIFI,
    "com.apple.firstactiveethernet.managed": {
        "Interface": ("FirstActiveEthernet",),
        "PayloadCertificateUUID": str,
        "EAPClientConfiguration": dict,
    },
    "com.apple.security.root": FILE,
    "com.apple.security.pkcs12": FILE,
}
"""As published by Apple in its device-management schema, with the values that keys may have."""
OUTER: dict[str, type | tuple[object, ...]] = {
    **COMMON,
    "PayloadType": ("Configuration",),
    "PayloadOrganization": str,
    "PayloadDescription": str,
    "PayloadRemovalDisallowed": (False,),
    "ConsentText": dict,
    "RemovalDate": type(NOW),
    "PayloadContent": list,
}

every = pytest.mark.parametrize("one", EVERY.values(), ids=EVERY.keys())


def read(one: Profile, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = plistlib.loads(apple.write(one, uuid4, **options))
    return found


def payloads(one: Profile, kind: str, **options: Any) -> list[dict[str, Any]]:
    return [each for each in read(one, **options)["PayloadContent"] if each["PayloadType"] == kind]


def check(part: dict[str, Any], known: dict[str, type | tuple[object, ...]]) -> None:
    for key, value in part.items():
        wanted = known[key]
        if isinstance(wanted, tuple):
            assert value in wanted, key
        else:
            assert type(value) is wanted, key


@every
@pytest.mark.parametrize("mac", [False, True])
def test_every_key_is_one_that_apple_knows(one: Profile, mac: bool) -> None:
    outer = read(one, mac=mac)
    check(outer, OUTER)
    for part in outer["PayloadContent"]:
        check(part, {**COMMON, **KEYS[part["PayloadType"]]})
        check(part.get("EAPClientConfiguration", {}), EAP)


@every
def test_identifiers_stay_and_uuids_are_new(one: Profile) -> None:
    first, second = read(one, mac=True), read(one, mac=True)

    def every_part(outer: dict[str, Any], key: str) -> list[str]:
        return [outer[key], *(part[key] for part in outer["PayloadContent"])]

    identifiers = every_part(first, "PayloadIdentifier")
    assert identifiers == every_part(second, "PayloadIdentifier")
    assert identifiers[0] == "th.ac.school.wifi"
    assert all(each.startswith("th.ac.school.wifi.") for each in identifiers[1:])
    assert len(set(identifiers)) == len(identifiers)
    uuids = every_part(first, "PayloadUUID") + every_part(second, "PayloadUUID")
    assert len(set(uuids)) == len(uuids)
    assert all(re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", one) for one in uuids)


def test_the_networks_trust_the_cas_and_the_names_and_nothing_else() -> None:
    for mac in (False, True):
        outer = read(EVERY["rollover"], mac=mac)
        roots = payloads(EVERY["rollover"], "com.apple.security.root", mac=mac)
        assert [one["PayloadContent"] for one in roots] == [CA.der, NEXT_CA.der]
        own = {
            part["PayloadUUID"]
            for part in outer["PayloadContent"]
            if part["PayloadType"] == "com.apple.security.root"
        }
        (wifi,) = [
            part
            for part in outer["PayloadContent"]
            if part["PayloadType"] == "com.apple.wifi.managed"
        ]
        eap = wifi["EAPClientConfiguration"]
        assert set(eap["PayloadCertificateAnchorUUID"]) == own
        assert eap["TLSTrustedServerNames"] == ["a.school.ac.th", "b.school.ac.th"]


@pytest.mark.parametrize(
    ("one", "number", "inner"),
    [("a person's", 21, "PAP"), ("peap", 25, None), ("certificate", 13, None)],
)
def test_each_method_says_its_number(one: str, number: int, inner: str | None) -> None:
    (wifi,) = payloads(EVERY[one], "com.apple.wifi.managed")
    eap = wifi["EAPClientConfiguration"]
    assert eap["AcceptEAPTypes"] == [number]
    assert eap.get("TTLSInnerAuthentication") == inner
    assert eap["UserName"] == "somchai"
    assert eap.get("OuterIdentity") == (None if number == 13 else "anonymous@school.ac.th")
    assert "UserPassword" not in eap


def test_a_certificate_comes_without_its_password() -> None:
    outer = read(EVERY["certificate"])
    (identity,) = [
        part
        for part in outer["PayloadContent"]
        if part["PayloadType"] == "com.apple.security.pkcs12"
    ]
    assert identity["PayloadContent"] == CLIENT.pkcs12
    assert "Password" not in identity
    (wifi,) = [
        part for part in outer["PayloadContent"] if part["PayloadType"] == "com.apple.wifi.managed"
    ]
    assert wifi["PayloadCertificateUUID"] == identity["PayloadUUID"]


def test_only_a_mac_is_told_of_the_wire() -> None:
    wired = "com.apple.firstactiveethernet.managed"
    assert payloads(EVERY["wired too"], wired) == []
    assert len(payloads(EVERY["wired too"], wired, mac=True)) == 1


def test_the_profile_of_a_passing_account_removes_itself() -> None:
    assert read(EVERY["a person's"])["RemovalDate"] == NOW.replace(tzinfo=None)
    assert "RemovalDate" not in read(profile())


def test_texts_are_thai_or_english() -> None:
    thai, english = read(profile()), read(profile(), language="en")
    assert thai["PayloadDisplayName"] == "โรงเรียนบ้านหนองน้ำใส"
    assert english["PayloadDisplayName"] == "Ban Nong Nam Sai School"
    assert "045 123 456" in thai["PayloadDescription"]
    for one in (thai, english):
        assert set(one["ConsentText"]) == {"default", "th", "en"}


def test_a_server_of_tls_1_3_alone_is_within_what_the_device_tries() -> None:
    (wifi,) = payloads(EVERY["no realm"], "com.apple.wifi.managed")
    eap = wifi["EAPClientConfiguration"]
    assert (eap["TLSMinimumVersion"], eap["TLSMaximumVersion"]) == ("1.3", "1.3")
    assert eap["OuterIdentity"] == "anonymous"


@pytest.mark.real
@pytest.mark.parametrize("rsa", [False, True], ids=["ecdsa", "rsa"])
def test_openssl_verifies_the_signature_and_gives_the_profile_back(
    tmp_path: Path, rsa: bool
) -> None:
    authority = make_authority("Test school", NOW)
    key = make_key(rsa_key=rsa)
    request = Request(
        kind=Kind.SERVER,
        common_name="radius.school.ac.th",
        alternatives=names.server_names(["radius.school.ac.th"]),
        days=90,
    )
    leaf = authority.sign(request, key.public_key(), NOW)
    numbers = itertools.count(1)
    plain = apple.write(profile(), lambda: UUID(int=next(numbers)))
    signed = tmp_path / "signed.mobileconfig"
    signed.write_bytes(sign(plain, SigningPair([leaf, authority.certificate], key)))
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.certificate.public_bytes(Encoding.PEM))

    def verified(*more: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [
                *(require("openssl", "openssl"), "smime", "-verify", "-inform", "der"),
                *("-in", str(signed), "-CAfile", str(ca), "-attime", str(int(NOW.timestamp()))),
                *more,
            ],
            capture_output=True, timeout=20,
        )  # fmt: skip

    # The server's certificate is for servers, which S/MIME minds and Apple does not.
    good = verified("-purpose", "any")
    assert good.stdout == plain, good.stderr
    octets = signed.read_bytes()
    signed.write_bytes(
        octets.replace(b"radius.school.ac.th</string>", b"evil00.school.ac.th</string>")
    )
    assert signed.read_bytes() != octets
    assert verified("-purpose", "any").returncode != 0
