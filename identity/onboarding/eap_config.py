"""`.eap-config`: the XML that geteduroam and its relatives read (draft-winter-opsawg-eap-metadata).

It holds every method that is possible, so that the app takes the first one it knows.
"""

from __future__ import annotations

import base64
from datetime import UTC
from xml.etree.ElementTree import Element

from identity.onboarding.profile import Method, Profile
from identity.onboarding.tree import element
from identity.onboarding.tree import write as write_tree

MIME = "application/eap-config"

_TYPES = {Method.TLS: 13, Method.TTLS_PAP: 21, Method.PEAP_MSCHAPV2: 25}
_PAP = "1"
"""Of NonEAPAuthMethod."""
_EAP_MSCHAPV2 = "26"


def write(profile: Profile, language: str = "th") -> bytes:
    """The document."""
    namespace = "urn:RFC4282:realm" if profile.realm else "urn:undefined"
    provider = element(
        "EAPIdentityProvider",
        *([element("ValidUntil", _instant(profile))] if profile.ends_at else []),
        element("AuthenticationMethods", *(_method(profile, one) for one in profile.methods)),
        element("CredentialApplicability", *_networks(profile)),
        _provider(profile),
        attributes={
            "ID": profile.realm or "undefined",
            "namespace": namespace,
            "version": "1",
            "lang": language,
        },
    )
    root = element(
        "EAPIdentityProviderList",
        provider,
        attributes={
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:noNamespaceSchemaLocation": "eap-metadata.xsd",
        },
    )
    return write_tree(root)


def _instant(profile: Profile) -> str:
    assert profile.ends_at is not None
    return f"{profile.ends_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _method(profile: Profile, method: Method) -> Element:
    parts = [
        element("EAPMethod", element("Type", str(_TYPES[method]))),
        element(
            "ServerSideCredential",
            *(
                _binary("CA", anchor.der, {"format": "X.509", "encoding": "base64"})
                for anchor in profile.anchors
            ),
            *(element("ServerID", name) for name in profile.server_names),
        ),
        element("ClientSideCredential", *_client(profile, method)),
    ]
    if method is Method.TTLS_PAP:
        inner = element("NonEAPAuthMethod", element("Type", _PAP))
        parts.append(element("InnerAuthenticationMethod", inner))
    elif method is Method.PEAP_MSCHAPV2:
        inner = element("EAPMethod", element("Type", _EAP_MSCHAPV2))
        parts.append(element("InnerAuthenticationMethod", inner))
    return element("AuthenticationMethod", *parts)


def _client(profile: Profile, method: Method) -> list[Element]:
    """Never a password or passphrase: the app asks."""
    if method is Method.TLS:
        assert profile.client is not None
        kind = {"format": "PKCS12", "encoding": "base64"}
        return [
            element("OuterIdentity", profile.outer_identity),
            _binary("ClientCertificate", profile.client.pkcs12, kind),
        ]
    parts = [element("OuterIdentity", profile.outer_identity)]
    if profile.username:
        parts.append(element("UserName", profile.username))
    return parts


def _networks(profile: Profile) -> list[Element]:
    found = [
        element("IEEE80211", element("SSID", ssid), element("MinRSNProto", "CCMP"))
        for ssid in profile.ssids
    ]
    if profile.wired:
        found.append(element("IEEE8023"))
    return found


def _provider(profile: Profile) -> Element:
    parts = [
        element("DisplayName", name, attributes={"lang": language})
        for language, name in profile.names.items()
    ]
    if profile.logo is not None:
        parts.append(
            _binary(
                "ProviderLogo", profile.logo.octets,
                {"mime": profile.logo.mime, "encoding": "base64"},
            )
        )  # fmt: skip
    desk = profile.helpdesk
    told = {"EmailAddress": desk.mail, "WebAddress": desk.web, "Phone": desk.phone}
    parts.append(element("Helpdesk", *(element(key, text) for key, text in told.items() if text)))
    return element("ProviderInfo", *parts)


def _binary(name: str, octets: bytes, attributes: dict[str, str]) -> Element:
    return element(name, base64.b64encode(octets).decode("ascii"), attributes=attributes)
