"""The section [vouchers]: what is printed on slips. Imported by common.config."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from common.config_section import Section


class Vouchers(Section):
    wifi_ssid: str = ""
    """The Wi-Fi of guests, for the code that joins it; a sheet may name another. Empty: no code."""
    wifi_security: Literal["nopass", "WPA", "SAE"] = "nopass"
    """WPA is a password of WPA2 (or of both), SAE one of WPA3 alone; most guests' Wi-Fi is open."""
    wifi_password_file: Path | None = None
    logo: Path | None = None
    """An SVG of the school's mark, 200 kB at most."""

    @model_validator(mode="after")
    def _complete(self) -> Vouchers:
        if len(self.wifi_ssid.encode()) > 32:
            raise ValueError("wifi_ssid has at most 32 octets")
        if self.wifi_security != "nopass" and self.wifi_password_file is None:
            raise ValueError(f"wifi_security {self.wifi_security} needs wifi_password_file")
        return self
