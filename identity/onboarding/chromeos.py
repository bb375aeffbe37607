"""ChromeOS: an Open Network Configuration (`.onc`) in JSON, imported at chrome://network."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from identity.onboarding.profile import Method, Profile

MIME = "application/x-onc"

_OUTER = {Method.TTLS_PAP: "EAP-TTLS", Method.PEAP_MSCHAPV2: "PEAP", Method.TLS: "EAP-TLS"}
_INNER = {Method.TTLS_PAP: "PAP", Method.PEAP_MSCHAPV2: "MSCHAPv2"}


def write(profile: Profile) -> bytes:
    """The configuration; the device asks for the password."""
    certificates = [
        {
            "GUID": _guid(profile, f"ca {anchor.sha256.hex()}"),
            "Type": "Authority",
            "X509": _text(anchor.der),
        }
        for anchor in profile.anchors
    ]
    eap = _eap(profile, [str(one["GUID"]) for one in certificates])
    if profile.method is Method.TLS and profile.client is not None:
        own = {
            "GUID": _guid(profile, "identity"),
            "Type": "Client",
            "PKCS12": _text(profile.client.pkcs12),
        }
        certificates.append(own)
        eap |= {"ClientCertType": "Ref", "ClientCertRef": own["GUID"]}
    networks = [_wifi(profile, ssid, eap) for ssid in profile.ssids]
    if profile.wired:
        networks.append(
            {
                "GUID": _guid(profile, "wired"),
                "Name": profile.names["en"],
                "Type": "Ethernet",
                "Ethernet": {"Authentication": "8021X", "EAP": eap},
            }
        )
    whole = {
        "Type": "UnencryptedConfiguration",
        "Certificates": certificates,
        "NetworkConfigurations": networks,
    }
    return (json.dumps(whole, ensure_ascii=False, indent=2) + "\n").encode()


def _wifi(profile: Profile, ssid: str, eap: dict[str, Any]) -> dict[str, Any]:
    return {
        "GUID": _guid(profile, f"wifi {ssid}"),
        "Name": ssid,
        "Type": "WiFi",
        "WiFi": {
            "SSID": ssid,
            "HiddenSSID": profile.hidden,
            "Security": "WPA-EAP",
            "AutoConnect": True,
            "EAP": eap,
        },
    }


def _eap(profile: Profile, authorities: list[str]) -> dict[str, Any]:
    eap: dict[str, Any] = {
        "Outer": _OUTER[profile.method],
        "SaveCredentials": True,
        "ServerCARefs": authorities,
        # The school's CA alone: any public CA would vouch for anybody's server.
        "UseSystemCAs": False,
        "SubjectAlternativeNameMatch": [
            {"Type": "DNS", "Value": name} for name in profile.server_names
        ],
    }
    if profile.method is not Method.TLS:
        eap |= {"Inner": _INNER[profile.method], "AnonymousIdentity": profile.outer_identity}
    if profile.username:
        eap["Identity"] = profile.username
    return eap


def _guid(profile: Profile, what: str) -> str:
    """The same each time, so that a second import replaces the first."""
    return f"{{{uuid5(NAMESPACE_DNS, f'{profile.identifier} {what}')}}}"


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")
