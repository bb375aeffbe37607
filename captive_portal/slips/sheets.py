"""A sheet of vouchers as its slips tell of it: from the stored terms and the configuration."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from captive_portal.slips.wording import Sheet
from common.config import Config
from common.errors import ConfigError, Refused
from common.secret import read_secret_text
from db.models import VoucherBatch
from identity.domain.vouchers import Validity
from identity.services.vouchers import IssuedVoucher

NO_ADDRESS = (
    "slips need the address of the portal, for their QR codes lead there; write into the"
    ' configuration, under [portal]: public_url = "https://wifi.example.go.th"'
)
_LARGEST_LOGO = 200_000


def sheet_of(config: Config, batch: VoucherBatch, portal: str) -> Sheet:
    """What the slips of this sheet say.

    Args:
        portal: the address of the public portal.

    Raises:
        ConfigError: the logo or the Wi-Fi password cannot be read.
    """
    wifi = config.vouchers
    ssid = batch.ssid or wifi.wifi_ssid
    password = ""
    if wifi.wifi_password_file is not None:
        password = read_secret_text(wifi.wifi_password_file, "put the Wi-Fi's password there")
    return Sheet(
        title=batch.name,
        site=config.site.name,
        portal=portal.rstrip("/"),
        language=batch.language,
        zone=config.site.timezone,
        validity=Validity(batch.validity),
        minutes=batch.minutes,
        not_before=batch.not_before,
        hard_expiry=batch.hard_expiry,
        devices=batch.devices,
        quota_mb=batch.quota_mb,
        hours=batch.hours,
        ssid=ssid,
        # Of another network nobody here knows how it is joined.
        security=wifi.wifi_security if ssid == wifi.wifi_ssid else "",
        wifi_password=password,
        logo=_logo(wifi.logo),
    )


def parts_of(
    config: Config, batch: VoucherBatch, portal: str, rows: Sequence[IssuedVoucher]
) -> list[tuple[Sheet, list[str]]]:
    """The slips of these codes; those that were extended alike are a part of their own.

    Raises:
        ConfigError: as `sheet_of`.
    """
    whole = sheet_of(config, batch, portal)
    found: dict[Sheet, list[str]] = {}
    for row in rows:
        own = replace(
            whole, minutes=row.minutes, quota_mb=row.quota_mb, hard_expiry=row.hard_expiry
        )
        found.setdefault(own, []).append(row.code)
    return list(found.items())


def portal_address(config: Config) -> str:
    """Where guests reach the portal.

    Raises:
        Refused: the configuration does not say.
    """
    if not config.portal.public_url:
        raise Refused(NO_ADDRESS)
    return config.portal.public_url.rstrip("/")


def _logo(path: Path | None) -> str:
    """The logo as a data: address, so that a page needs no second request and no script runs."""
    if path is None:
        return ""
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", "vouchers.logo") from error
    if len(octets) > _LARGEST_LOGO or b"<svg" not in octets:
        raise ConfigError(f"{path} is no SVG of at most {_LARGEST_LOGO} octets", "vouchers.logo")
    return "data:image/svg+xml;base64," + base64.b64encode(octets).decode()
