"""Every file that sets a device up: its name, its type, and who writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from uuid import uuid4

from identity.onboarding import android, apple, chromeos, eap_config, linux, windows_kit
from identity.onboarding.profile import Profile
from identity.onboarding.signing import SigningPair, sign


class Kind(StrEnum):
    """A file for one system."""

    IOS = "ios"
    MACOS = "macos"
    EAP_CONFIG = "eap-config"
    WINDOWS = "windows"
    CHROMEOS = "chromeos"
    ANDROID = "android"
    SUPPLICANT = "wpa-supplicant"
    NETWORK_MANAGER = "network-manager"
    CA_DER = "ca-der"
    """The present CA, as Android and Windows take it."""
    CA_NEXT = "ca-next"
    """During a rollover: the one to come."""
    CA_PEM = "ca-pem"
    CLIENT = "client"
    """The client certificate with its key, as Android takes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """One file as it leaves."""

    name: str
    mime: str
    content: bytes


_TEXT = "text/plain; charset=utf-8"
_DER = "application/x-x509-ca-cert"
_ENDS: dict[Kind, tuple[str, str]] = {
    Kind.IOS: (".mobileconfig", apple.MIME),
    Kind.MACOS: ("-mac.mobileconfig", apple.MIME),
    Kind.EAP_CONFIG: (".eap-config", eap_config.MIME),
    Kind.WINDOWS: ("-windows.zip", windows_kit.MIME),
    Kind.CHROMEOS: (".onc", chromeos.MIME),
    Kind.ANDROID: ("-android.txt", _TEXT),
    Kind.SUPPLICANT: ("-wpa_supplicant.conf", linux.MIME_CONF),
    Kind.NETWORK_MANAGER: ("-networkmanager.sh", linux.MIME_SCRIPT),
    Kind.CA_DER: ("-ca-1.cer", _DER),
    Kind.CA_NEXT: ("-ca-2.cer", _DER),
    Kind.CA_PEM: ("-ca.pem", "application/x-pem-file"),
    Kind.CLIENT: (".p12", "application/x-pkcs12"),
}


def kinds_of(profile: Profile) -> tuple[Kind, ...]:
    """The files that make sense of this profile."""
    left_out = set()
    if len(profile.anchors) < 2:
        left_out.add(Kind.CA_NEXT)
    if profile.client is None:
        left_out.add(Kind.CLIENT)
    if not profile.ssids:
        # A telephone has no socket.
        left_out |= {Kind.IOS, Kind.ANDROID, Kind.EAP_CONFIG}
    return tuple(kind for kind in Kind if kind not in left_out)


def write(
    profile: Profile, kind: Kind, *, signing: SigningPair | None = None, language: str = "th"
) -> Download:
    """One file of `profile`; Apple's signed where there is something to sign with."""
    end, mime = _ENDS[kind]
    content = _writer(kind, language)(profile)
    if signing is not None and kind in (Kind.IOS, Kind.MACOS):
        content = sign(content, signing)
    return Download(name=profile.slug + end, mime=mime, content=content)


def _writer(kind: Kind, language: str) -> Callable[[Profile], bytes]:
    writers: dict[Kind, Callable[[Profile], bytes]] = {
        Kind.IOS: lambda profile: apple.write(profile, uuid4, language=language),
        Kind.MACOS: lambda profile: apple.write(profile, uuid4, mac=True, language=language),
        Kind.EAP_CONFIG: lambda profile: eap_config.write(profile, language),
        Kind.WINDOWS: windows_kit.write,
        Kind.CHROMEOS: chromeos.write,
        Kind.ANDROID: android.write,
        Kind.SUPPLICANT: linux.write_supplicant,
        Kind.NETWORK_MANAGER: linux.write_script,
        Kind.CA_DER: lambda profile: profile.anchors[0].der,
        Kind.CA_NEXT: lambda profile: profile.anchors[1].der,
        Kind.CA_PEM: lambda profile: linux.pem_bundle(profile.anchors),
        Kind.CLIENT: lambda profile: profile.client.pkcs12 if profile.client else b"",
    }
    return writers[kind]
