"""Apple's `.mobileconfig` (iOS, iPadOS, macOS): a property list of payloads.

Keys as Apple publishes them for `com.apple.wifi.managed`. The password is left out, so that
the device asks for it and keeps it in its own key chain. Signing is in `signing`.
"""

from __future__ import annotations

import plistlib
from collections.abc import Callable
from datetime import UTC
from typing import Any
from uuid import UUID

from identity.onboarding.profile import Method, Profile, Security

MIME = "application/x-apple-aspen-config"

NewUuid = Callable[[], UUID]

_TYPES = {Method.TLS: 13, Method.TTLS_PAP: 21, Method.PEAP_MSCHAPV2: 25}
_ENCRYPTION = {Security.WPA2: "WPA2", Security.WPA3: "WPA3"}
"""From iOS 16 and macOS 13 on WPA2 means WPA2 or better."""


def write(profile: Profile, new_uuid: NewUuid, *, mac: bool = False, language: str = "th") -> bytes:
    """The profile as an XML property list, unsigned.

    Args:
        new_uuid: a new one for each payload: devices tell an update by that, and by the
            identifier which profile it replaces.
        mac: for macOS, which alone knows the payload for the wire.
        language: of the texts that Apple wants in one language only.
    """
    anchors = [_anchor(profile, number, new_uuid) for number in range(len(profile.anchors))]
    payloads = list(anchors)
    identity = ""
    if profile.method is Method.TLS and profile.client is not None:
        payloads.append(_identity(profile, new_uuid))
        identity = payloads[-1]["PayloadUUID"]
    eap = _eap(profile, [one["PayloadUUID"] for one in anchors])
    for number, ssid in enumerate(profile.ssids, 1):
        wifi = _payload(
            profile, "com.apple.wifi.managed", f"wifi.{number}", f"Wi-Fi {ssid}", new_uuid
        )
        wifi |= {
            "SSID_STR": ssid,
            "HIDDEN_NETWORK": profile.hidden,
            "AutoJoin": True,
            "EncryptionType": _ENCRYPTION[profile.security],
            "ProxyType": "None",
        }
        payloads.append(_authenticated(wifi, eap, identity))
    if profile.wired and mac:
        wire = _payload(
            profile, "com.apple.firstactiveethernet.managed", "wired", "802.1X", new_uuid
        )
        payloads.append(_authenticated(wire | {"Interface": "FirstActiveEthernet"}, eap, identity))
    return plistlib.dumps(_outer(profile, payloads, new_uuid, language), sort_keys=False)


def _outer(
    profile: Profile, payloads: list[dict[str, Any]], new_uuid: NewUuid, language: str
) -> dict[str, Any]:
    name = profile.names[language]
    outer: dict[str, Any] = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": profile.identifier,
        "PayloadUUID": _uuid(new_uuid),
        "PayloadDisplayName": name,
        "PayloadOrganization": name,
        "PayloadDescription": _description(profile, language),
        "PayloadRemovalDisallowed": False,
        "ConsentText": {
            "default": _description(profile, language),
            **{one: _description(profile, one) for one in profile.names},
        },
        "PayloadContent": payloads,
    }
    if profile.ends_at is not None:
        # plistlib writes a naive time as UTC.
        outer["RemovalDate"] = profile.ends_at.astimezone(UTC).replace(tzinfo=None, microsecond=0)
    return outer


def _description(profile: Profile, language: str) -> str:
    networks = ", ".join(profile.ssids) or "802.1X"
    ask = " ".join(
        filter(None, (profile.helpdesk.phone, profile.helpdesk.mail, profile.helpdesk.web))
    )
    if language == "th":
        return f"ตั้งค่าเครือข่าย {networks} ให้เข้าใช้งานอัตโนมัติ" + (f" สอบถาม {ask}" if ask else "")
    return f"Sets up {networks} to sign in by itself." + (f" Help: {ask}" if ask else "")


def _eap(profile: Profile, anchors: list[str]) -> dict[str, Any]:
    eap: dict[str, Any] = {
        "AcceptEAPTypes": [_TYPES[profile.method]],
        "PayloadCertificateAnchorUUID": anchors,
        "TLSTrustedServerNames": list(profile.server_names),
        "TLSMinimumVersion": profile.tls_min,
    }
    if profile.tls_min == "1.3":
        eap["TLSMaximumVersion"] = "1.3"  # otherwise 1.2, which is below the minimum
    if profile.method is not Method.TLS:
        eap["OuterIdentity"] = profile.outer_identity
    if profile.method is Method.TTLS_PAP:
        eap["TTLSInnerAuthentication"] = "PAP"
    if profile.username:
        eap["UserName"] = profile.username
    return eap


def _authenticated(payload: dict[str, Any], eap: dict[str, Any], identity: str) -> dict[str, Any]:
    payload["EAPClientConfiguration"] = eap
    if identity:
        payload["PayloadCertificateUUID"] = identity
    return payload


def _anchor(profile: Profile, number: int, new_uuid: NewUuid) -> dict[str, Any]:
    anchor = profile.anchors[number]
    payload = _payload(
        profile, "com.apple.security.root", f"ca.{number + 1}", anchor.title, new_uuid
    )
    name = f"{profile.slug}-ca-{number + 1}.cer"
    return payload | {"PayloadCertificateFileName": name, "PayloadContent": anchor.der}


def _identity(profile: Profile, new_uuid: NewUuid) -> dict[str, Any]:
    assert profile.client is not None
    payload = _payload(
        profile, "com.apple.security.pkcs12", "identity", profile.client.title, new_uuid
    )
    # Without Password: the device asks for it.
    name = f"{profile.slug}.p12"
    return payload | {"PayloadCertificateFileName": name, "PayloadContent": profile.client.pkcs12}


def _payload(
    profile: Profile, kind: str, suffix: str, title: str, new_uuid: NewUuid
) -> dict[str, Any]:
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{profile.identifier}.{suffix}",
        "PayloadUUID": _uuid(new_uuid),
        "PayloadDisplayName": title,
    }


def _uuid(new_uuid: NewUuid) -> str:
    return str(new_uuid()).upper()
