"""The section [onboarding]: what devices are set up with. Imported by common.config."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from common.config_section import Section

SSID_OCTETS = 32
"""IEEE 802.11: an SSID has at most as many."""

_REALM = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")
_IDENTIFIER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


class Onboarding(Section):
    ssids: tuple[str, ...] = ()
    """The 802.1X networks; without any, and without `wired`, no profile is handed out."""
    hidden: bool = False
    """Whether the SSIDs are not announced; devices then ask for them wherever they are."""
    security: Literal["wpa2", "wpa3"] = "wpa2"
    """The least that a device accepts; WPA3-Enterprise keeps phones of before 2019 out."""
    wired: bool = False
    """Set up 802.1X on the wire as well: Windows, macOS, ChromeOS and Linux."""
    realm: str = ""
    """Of the name outside the tunnel, `anonymous@REALM`; empty: `anonymous` alone."""
    name_th: str = ""
    """What devices call the profile; empty: the name of [site]."""
    name_en: str = ""
    identifier: str = ""
    """What tells a school's profiles apart on Apple devices, such as th.ac.school.wifi: a profile
    with the same one takes the place of the old. Empty: made from the realm or server name."""
    server_names: tuple[str, ...] = ()
    """DNS names of the RADIUS servers that devices accept; empty: those in the certificate."""
    ca: Path | None = None
    """The CAs to trust where [eap] certificate comes from elsewhere; None: the root in its file."""
    helpdesk_mail: str = ""
    helpdesk_phone: str = ""
    helpdesk_web: str = ""
    logo: Path | None = None
    """PNG or JPEG of at most 50 kB, for eap-config."""
    signing_certificate: Path | None = None
    """The chain that Apple profiles are signed with, its root known to the devices; None: the
    RADIUS server's own, which says "not verified" until the profile is installed."""
    signing_key: Path | None = None
    certificate_roles: tuple[str, ...] = ()
    """Roles whose people may take a certificate of their own on the portal, in place of the
    password. None at first: whoever holds the file and its password is the account."""
    certificate_days: int = Field(default=397, ge=1, le=1825)
    certificates: int = Field(default=5, ge=1, le=50)
    """In force at once, of one account: about as many devices as one person has."""

    @property
    def is_on(self) -> bool:
        """Whether there is any network to set devices up for."""
        return bool(self.ssids) or self.wired

    @field_validator("ssids")
    @classmethod
    def _fit(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for ssid in value:
            if not 1 <= len(ssid.encode()) <= SSID_OCTETS or not ssid.isprintable():
                raise ValueError(f"{ssid!r}: an SSID has 1 to {SSID_OCTETS} octets")
        if len(set(value)) != len(value):
            raise ValueError("names one of them twice")
        return value

    @field_validator("realm")
    @classmethod
    def _a_realm(cls, value: str) -> str:
        if value and not _REALM.fullmatch(value):
            raise ValueError(f"{value!r} is not a realm; write it like school.ac.th")
        return value

    @field_validator("server_names")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not _REALM.fullmatch(name):
                raise ValueError(f"{name!r} is not the DNS name of a server in small letters")
        return value

    @field_validator("identifier")
    @classmethod
    def _reverse_name(cls, value: str) -> str:
        if value and not _IDENTIFIER.fullmatch(value):
            raise ValueError(f"{value!r}: write it like th.ac.school.wifi")
        return value

    @model_validator(mode="after")
    def _pair(self) -> Onboarding:
        if self.signing_key is not None and self.signing_certificate is None:
            raise ValueError("signing_key needs signing_certificate")
        return self
