"""Windows: WLANProfile and LANProfile XML, which `netsh` takes.

EAP-TTLS is Windows' own from Windows 8 on. A server that is not the right one is refused
without asking: whoever is asked says yes.
"""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element

from identity.onboarding.profile import Anchor, Method, Profile, Security
from identity.onboarding.tree import element
from identity.onboarding.tree import write as write_tree

_PROVISIONING = "http://www.microsoft.com/provisioning"
_NETWORKING = "http://www.microsoft.com/networking"
_COMMON = f"{_PROVISIONING}/EapCommon"
_HOST = f"{_PROVISIONING}/EapHostConfig"
_BASE = f"{_PROVISIONING}/BaseEapConnectionPropertiesV1"
_TTLS = f"{_PROVISIONING}/EapTtlsConnectionPropertiesV1"
_PEAP = f"{_PROVISIONING}/MsPeapConnectionPropertiesV1"
_PEAP_2 = f"{_PROVISIONING}/MsPeapConnectionPropertiesV2"
_MSCHAPV2 = f"{_PROVISIONING}/MsChapV2ConnectionPropertiesV1"
_TLS = f"{_PROVISIONING}/EapTlsConnectionPropertiesV1"

_TYPES = {Method.TLS: "13", Method.TTLS_PAP: "21", Method.PEAP_MSCHAPV2: "25"}
_MICROSOFTS_TTLS = "311"
"""The author of Windows' EAP-TTLS; of the older methods it is 0."""
_AUTHENTICATION = {Security.WPA2: "WPA2", Security.WPA3: "WPA3ENT"}


def write_wlan(profile: Profile, ssid: str) -> bytes:
    """The profile of one wireless network."""
    config = [element("SSID", element("hex", ssid.encode().hex().upper()), element("name", ssid))]
    if profile.hidden:
        config.append(element("nonBroadcast", "true"))
    security = [
        element(
            "authEncryption",
            element("authentication", _AUTHENTICATION[profile.security]),
            element("encryption", "AES"),
            element("useOneX", "true"),
        )
    ]
    if profile.security is Security.WPA2:
        security.append(element("PMKCacheMode", "enabled"))
    security.append(_one_x(profile))
    root = element(
        "WLANProfile",
        element("name", ssid),
        element("SSIDConfig", *config),
        element("connectionType", "ESS"),
        element("connectionMode", "auto"),
        element("autoSwitch", "false"),
        element("MSM", element("security", *security)),
        attributes={"xmlns": f"{_NETWORKING}/WLAN/profile/v1"},
    )
    return write_tree(root)


def write_lan(profile: Profile) -> bytes:
    """The profile of the wire."""
    security = element(
        "security",
        element("OneXEnforced", "false"),
        element("OneXEnabled", "true"),
        _one_x(profile),
    )
    root = element(
        "LANProfile",
        element("MSM", security),
        attributes={"xmlns": f"{_NETWORKING}/LAN/profile/v1"},
    )
    return write_tree(root)


def _one_x(profile: Profile) -> Element:
    author = _MICROSOFTS_TTLS if profile.method is Method.TTLS_PAP else "0"
    numbers = {
        "Type": _TYPES[profile.method],
        "VendorId": "0",
        "VendorType": "0",
        "AuthorId": author,
    }
    host = element(
        "EapHostConfig",
        element("EapMethod", *(_in(_COMMON, name, text) for name, text in numbers.items())),
        element("Config", _METHODS[profile.method](profile)),
        attributes={"xmlns": _HOST},
    )
    return element(
        "OneX",
        element("cacheUserData", "true"),
        element("authMode", "user"),
        element("EAPConfig", host),
        attributes={"xmlns": f"{_NETWORKING}/OneX/v1"},
    )


def _ttls(profile: Profile) -> Element:
    validation = element(
        "ServerValidation",
        element("ServerNames", _server_names(profile)),
        # In the schema it is called TrustedRootCAHashes; Windows itself writes and reads this.
        *(element("TrustedRootCAHash", _spaced(anchor)) for anchor in profile.anchors),
        element("DisablePrompt", "true"),
    )
    return _in(
        _TTLS,
        "EapTtls",
        validation,
        element("Phase2Authentication", element("PAPAuthentication")),
        element(
            "Phase1Identity",
            element("IdentityPrivacy", "true"),
            element("AnonymousIdentity", profile.outer_identity),
        ),
    )


def _peap(profile: Profile) -> Element:
    inner = _eap("26", _in(_MSCHAPV2, "EapType", element("UseWinLogonCredentials", "false")))
    privacy = _in(
        _PEAP_2,
        "IdentityPrivacy",
        element("EnableIdentityPrivacy", "true"),
        # Windows puts the realm of the name inside behind it.
        element("AnonymousUserName", profile.outer_identity.partition("@")[0]),
    )
    kind = _in(
        _PEAP,
        "EapType",
        _trust(profile),
        element("FastReconnect", "true"),
        element("InnerEapOptional", "false"),
        inner,
        element("EnableQuarantineChecks", "false"),
        element("RequireCryptoBinding", "false"),
        element("PeapExtensions", privacy),
    )
    return _eap("25", kind)


def _tls(profile: Profile) -> Element:
    kind = _in(
        _TLS,
        "EapType",
        element(
            "CredentialsSource",
            element("CertificateStore", element("SimpleCertSelection", "true")),
        ),
        _trust(profile),
        element("DifferentUsername", "false"),
    )
    return _eap("13", kind)


_METHODS: dict[Method, Callable[[Profile], Element]] = {
    Method.TTLS_PAP: _ttls,
    Method.PEAP_MSCHAPV2: _peap,
    Method.TLS: _tls,
}


def _trust(profile: Profile) -> Element:
    return element(
        "ServerValidation",
        element("DisableUserPromptForServerValidation", "true"),
        element("ServerNames", _server_names(profile)),
        *(element("TrustedRootCA", _spaced(anchor)) for anchor in profile.anchors),
    )


def _eap(number: str, kind: Element) -> Element:
    return _in(_BASE, "Eap", element("Type", number), kind)


def _server_names(profile: Profile) -> str:
    """Parted by semicolons, as they are.

    Windows may read a name as an expression, and as a plain text when it holds no star. A bare
    name is right both ways; one with its dots escaped would match nothing as a text.
    """
    return ";".join(profile.server_names)


def _spaced(anchor: Anchor) -> str:
    return anchor.sha1.hex(" ")


def _in(namespace: str, name: str, *content: Element | str) -> Element:
    return element(name, *content, attributes={"xmlns": namespace})
