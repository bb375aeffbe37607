"""What a slip says, in Thai with Buddhist years and in English; and what its QR codes say. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from captive_portal.web.dates import format_data, format_date, format_duration, format_moment
from identity.domain.vouchers import Validity

SECURITIES = ("nopass", "WPA", "SAE")

_DAYS = {
    "mon": "จ.", "tue": "อ.", "wed": "พ.", "thu": "พฤ.", "fri": "ศ.", "sat": "ส.", "sun": "อา.",
    "daily": "ทุกวัน",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What all slips of a sheet have in common."""

    title: str
    site: str
    portal: str
    """Address of the public portal, without a slash at the end."""
    language: str
    zone: str
    validity: Validity
    minutes: int
    not_before: datetime | None
    hard_expiry: datetime
    devices: int
    quota_mb: int | None = None
    hours: str | None = None
    ssid: str = ""
    security: str = ""
    """nopass | WPA | SAE; empty: there is no code to join the Wi-Fi by."""
    wifi_password: str = field(default="", repr=False)
    logo: str = field(default="", repr=False)
    """An SVG as a data: address; empty without one."""

    @property
    def languages(self) -> Sequence[str]:
        return ("th", "en") if self.language == "both" else (self.language,)

    @property
    def host(self) -> str:
        """The portal's address as somebody types it."""
        return self.portal.removeprefix("https://").removeprefix("http://")

    @property
    def wifi(self) -> str:
        """What joins the Wi-Fi when scanned; empty: nothing does."""
        if not self.ssid or self.security not in SECURITIES:
            return ""
        return wifi_text(self.ssid, self.security, self.wifi_password)

    def login(self, code: str) -> str:
        """What fills the code in when scanned."""
        return f"{self.portal}/v?c={quote(code)}"

    def terms(self, language: str) -> Sequence[str]:
        """The lines that say how long and how much, the most important first.

        Where a card says it in two languages there is room for these alone.
        """
        if self.language == "both":
            return [self._time(language), self._amount(language)]
        thai = language == "th"
        lines = [self._time(language)]
        if self.validity is Validity.FROM_FIRST_USE:
            last = format_date(self.hard_expiry, language, self.zone)
            lines.append(f"เริ่มใช้ภายใน {last}" if thai else f"Begin by {last}")
        if self.not_before is not None and self.validity is not Validity.FIXED_WINDOW:
            first = format_moment(self.not_before, language, self.zone)
            lines.append(f"เริ่มใช้ได้ {first}" if thai else f"Not before {first}")
        lines.append(self._amount(language))
        if self.hours is not None:
            lines.append(f"เวลา {_thai_hours(self.hours)}" if thai else f"Open {self.hours}")
        return lines

    def _amount(self, language: str) -> str:
        count, thai = self.devices, language == "th"
        text = f"{count} เครื่อง" if thai else f"{count} device{'' if count == 1 else 's'}"
        if self.quota_mb is not None:
            data = format_data(self.quota_mb * 1_000_000)
            text += f" / ข้อมูล {data}" if thai else f" / {data} of data"
        return text

    def _time(self, language: str) -> str:
        thai = language == "th"
        span = format_duration(self.minutes * 60, language)
        end = format_moment(self.hard_expiry, language, self.zone)
        if self.validity is Validity.FROM_FIRST_USE:
            return f"ใช้ได้ {span} นับจากใช้ครั้งแรก" if thai else f"{span} from first use"
        if self.validity is Validity.MINUTES_OF_USE:
            return f"ใช้ได้รวม {span} ถึง {end}" if thai else f"{span} of use, until {end}"
        if self.validity is Validity.FROM_CREATION or self.not_before is None:
            return f"ใช้ได้ถึง {end}" if thai else f"Valid until {end}"
        begin = format_moment(self.not_before, language, self.zone)
        return f"ใช้ได้ {begin} ถึง {end}" if thai else f"Valid {begin} to {end}"

    @property
    def head_class(self) -> str:
        """How large the name of the site can be: Thai offices have long ones."""
        # Vowels and tone marks above and below take no room of their own.
        width = sum(1 for sign in self.site if unicodedata.category(sign) != "Mn")
        return "longest" if width > 38 else "long" if width > 28 else ""

    @property
    def captions(self) -> tuple[str, str]:
        """Of the two QR codes: what to scan first, and second."""
        if self.language == "en":
            return "1 Join Wi-Fi", "2 Sign in"
        return "1 ต่อ Wi-Fi", "2 เข้าใช้งาน"

    @property
    def login_caption(self) -> str:
        """Without a code for the Wi-Fi there is only one to scan."""
        text = self.captions[1]
        return text if self.wifi else text[2:]


def wifi_text(ssid: str, security: str, password: str) -> str:
    """The text by which phones join a Wi-Fi network: `WIFI:T:WPA;S:name;P:password;;`."""
    secret = "" if security == "nopass" else f"P:{_escaped(password)};"
    return f"WIFI:T:{security};S:{_escaped(ssid)};{secret};"


def _escaped(text: str) -> str:
    return "".join(f"\\{sign}" if sign in '\\;,:"' else sign for sign in text)


def _thai_hours(hours: str) -> str:
    for name, thai in _DAYS.items():
        hours = hours.replace(name, thai)
    return hours
