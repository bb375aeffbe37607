"""Linux: a wpa_supplicant.conf, and a script that makes NetworkManager's connections.

Both hold the CA, and the client certificate where there is one. Neither holds a password:
wpa_supplicant asks whoever controls it, and NetworkManager asks on the screen.
"""

from __future__ import annotations

import base64
import shlex
import textwrap
from collections.abc import Sequence

from identity.onboarding.profile import Anchor, Method, Profile, Security

MIME_CONF = "text/plain; charset=utf-8"
MIME_SCRIPT = "application/x-sh"

_EAP = {Method.TTLS_PAP: "TTLS", Method.PEAP_MSCHAPV2: "PEAP", Method.TLS: "TLS"}
_PHASE_2 = {Method.TTLS_PAP: "auth=PAP", Method.PEAP_MSCHAPV2: "auth=MSCHAPV2"}
_NM_EAP = {Method.TTLS_PAP: "ttls", Method.PEAP_MSCHAPV2: "peap", Method.TLS: "tls"}
_NM_PHASE_2 = {Method.TTLS_PAP: "pap", Method.PEAP_MSCHAPV2: "mschapv2"}
_KEY_MANAGEMENT = {
    Security.WPA2: ("WPA-EAP WPA-EAP-SHA256", "1"),
    Security.WPA3: ("WPA-EAP-SHA256", "2"),
}
"""With WPA3 management frames must be protected."""
_CA_BLOB = "school-ca"
_CLIENT_BLOB = "client"


def pem_bundle(anchors: Sequence[Anchor]) -> bytes:
    """The CAs one after the other, as most programs read them."""
    return b"".join(one.pem for one in anchors)


def write_supplicant(profile: Profile) -> bytes:
    """A whole configuration for wpa_supplicant: of the air, or without any SSID of the wire."""
    lines = [f"# {profile.names['en']}", "ctrl_interface=DIR=/run/wpa_supplicant"]
    if not profile.ssids:
        lines.append("ap_scan=0")
    for ssid in profile.ssids:
        management, protected = _KEY_MANAGEMENT[profile.security]
        block = [f"ssid={ssid.encode().hex()}", f"key_mgmt={management}", f"ieee80211w={protected}"]
        if profile.hidden:
            block.append("scan_ssid=1")
        lines += _network(profile, block)
    if not profile.ssids:
        lines += _network(profile, ["key_mgmt=IEEE8021X", "eapol_flags=0"])
    blobs = {_CA_BLOB: pem_bundle(profile.anchors)}
    if profile.method is Method.TLS and profile.client is not None:
        blobs[_CLIENT_BLOB] = profile.client.pkcs12
    for name, octets in blobs.items():
        lines += [f"blob-base64-{name}={{", *_folded(octets), "}"]
    return ("\n".join(lines) + "\n").encode()


def _network(profile: Profile, block: list[str]) -> list[str]:
    block = [*block, f"eap={_EAP[profile.method]}"]
    if profile.method is Method.TLS:
        block.append(f"identity={_quoted(_identity(profile))}")
        block.append(f'private_key="blob://{_CLIENT_BLOB}"')
    else:
        block.append(f'phase2="{_PHASE_2[profile.method]}"')
        block.append(f"anonymous_identity={_quoted(profile.outer_identity)}")
        if profile.username:
            block.append(f"identity={_quoted(profile.username)}")
    block.append(f'ca_cert="blob://{_CA_BLOB}"')
    # The whole name, each of them: a suffix would be content with a server beside ours.
    block.append(f'domain_match="{";".join(profile.server_names)}"')
    return ["network={", *(f"  {line}" for line in block), "}"]


def _quoted(text: str) -> str:
    """A text as the file wants it: in hexadecimal where quotes could not hold it."""
    if text.isascii() and text.isprintable() and '"' not in text:
        return f'"{text}"'
    return text.encode().hex()


def _folded(octets: bytes) -> list[str]:
    return textwrap.wrap(base64.b64encode(octets).decode("ascii"), 64)


def write_script(profile: Profile) -> bytes:
    """A shell script that writes the CA down and makes one connection for each network."""
    slug = shlex.quote(profile.slug)
    lines = [
        "#!/bin/sh",
        f"# {profile.names['en']}: NetworkManager, with nmcli",
        "set -eu",
        'folder="${XDG_CONFIG_HOME:-$HOME/.config}/wifi-ca"',
        f'ca="$folder/"{slug}.pem',
        'mkdir -p "$folder"',
        "cat >\"$ca\" <<'PEM'",
        pem_bundle(profile.anchors).decode("ascii").rstrip(),
        "PEM",
    ]
    if not _identity(profile):
        # NetworkManager takes no connection without one.
        lines += ["printf 'ชื่อผู้ใช้ / User name: '", "read -r identity"]
    if profile.method is Method.TLS and profile.client is not None:
        lines += [
            f'key="$folder/"{slug}.p12',
            "umask 077",
            "base64 -d >\"$key\" <<'P12'",
            *_folded(profile.client.pkcs12),
            "P12",
        ]
    for ssid in profile.ssids:
        air = ["type", "wifi", "con-name", ssid, "ssid", ssid, *_air(profile)]
        lines += _connection(profile, ssid, air)
    if profile.wired:
        name = f"{profile.names['en']} (802.1X)"
        lines += _connection(profile, name, ["type", "ethernet", "con-name", name])
    return ("\n".join(lines) + "\n").encode()


def _identity(profile: Profile) -> str:
    """Who logs in; with a certificate that says who it is, and nobody on the way needs to."""
    if profile.method is Method.TLS:
        return profile.outer_identity
    return profile.username


def _air(profile: Profile) -> list[str]:
    parts = ["wifi-sec.key-mgmt", "wpa-eap"]
    if profile.security is Security.WPA3:
        parts += ["wifi-sec.pmf", "required"]
    return [*parts, "wifi.hidden", "yes"] if profile.hidden else parts


def _connection(profile: Profile, name: str, parts: list[str]) -> list[str]:
    settings = [
        *parts,
        "802-1x.eap", _NM_EAP[profile.method],
        "802-1x.domain-match", ";".join(profile.server_names),
    ]  # fmt: skip
    files = '802-1x.ca-cert "$ca"'
    if _identity(profile):
        settings += ["802-1x.identity", _identity(profile)]
    else:
        files += ' 802-1x.identity "$identity"'
    if profile.method is Method.TLS:
        settings += ["802-1x.private-key-password-flags", "1"]
        files += ' 802-1x.client-cert "$key" 802-1x.private-key "$key"'
    else:
        settings += ["802-1x.phase2-auth", _NM_PHASE_2[profile.method]]
        settings += ["802-1x.anonymous-identity", profile.outer_identity]
        settings += ["802-1x.password-flags", "1"]
    told = " ".join(shlex.quote(part) for part in settings)
    return [
        f"nmcli connection delete id {shlex.quote(name)} >/dev/null 2>&1 || true",
        f"nmcli connection add save yes {told} {files}",
    ]
