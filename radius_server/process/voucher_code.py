"""The question whether a voucher is good, and where it is asked from."""

from __future__ import annotations

from common.net import find_mac
from radius_server.process.questions import AccessRequest, RedeemVoucher


def redeem_here(request: AccessRequest, code: str) -> RedeemVoucher:
    """Ask for this code to be redeemed by the station, and at the place, of the request."""
    return RedeemVoucher(
        code, request.station, request.nas_client_id, ssid_of(request.called_station)
    )


def ssid_of(called_station: bytes) -> str:
    """The SSID that follows the access point's address in Called-Station-Id; empty without one.

    RFC 3580 section 3.20: `00-10-A4-23-19-C0:AP1`. What is no address and a name names none.
    """
    text = called_station.decode("utf-8", "replace")
    for size in (17, 12, 14):  # with separators, without any, as 0010.a423.19c0
        if text[size : size + 1] == ":" and find_mac(text[:size]) is not None:
            return text[size + 1 :]
    return ""
