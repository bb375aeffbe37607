"""OPNsense after an address was connected: the zone's list of sessions, and the session ended.

Facts: SessionController and listClients of opnsense/core. Devices are named by their address here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from captive_portal.vendors import controller
from captive_portal.vendors.control import MOST_DEVICES, Ended, Seen, number_of
from captive_portal.vendors.controller import Declined, controller_of, json_call
from captive_portal.vendors.opnsense import Opnsense, authorization, zone_of
from captive_portal.vendors.profile import Gateway
from captive_portal.vendors.reading import find_address

_SETTINGS = Opnsense.settings
_API = "/api/captiveportal/session"


class OpnsenseControl:
    """The API of the captive portal."""

    def most(self, gateway: Gateway) -> int:
        """As `Control`."""
        return MOST_DEVICES

    def look(self, gateway: Gateway, devices: Collection[str]) -> Mapping[str, Seen]:
        """As `Control`."""
        wanted = frozenset(devices)
        listed = {find_address(str(one.get("ipAddress", ""))): one for one in _listed(gateway)}
        return {ip: _seen(ip, one) for ip, one in listed.items() if ip in wanted}

    def end(self, gateway: Gateway, device: str) -> Ended:
        """As `Control`."""
        names = [
            str(one.get("sessionId", ""))
            for one in _listed(gateway)
            if find_address(str(one.get("ipAddress", ""))) == device
        ]
        where = controller_of(_SETTINGS, gateway)
        for name in filter(None, names):
            call = json_call(
                "POST",
                f"{_API}/disconnect/{zone_of(gateway)}",
                {"sessionId": name},
                Authorization=authorization(gateway),
            )
            done = controller.exchange(where, call)
            if done.status != 200 or not done.body.strip().startswith(b"{"):
                raise Declined(f"the order came back with status {done.status}")
            if done.json().get("status") == "Illegal response":
                raise Declined("the session was not ended")
        return Ended.DONE if any(names) else Ended.NOT_THERE


def _listed(gateway: Gateway) -> Sequence[Mapping[str, Any]]:
    call = json_call("GET", f"{_API}/list/{zone_of(gateway)}", Authorization=authorization(gateway))
    answer = controller.exchange(controller_of(_SETTINGS, gateway), call)
    if answer.status != 200:
        raise Declined(f"the list of sessions came with status {answer.status}")
    return answer.objects()


def _seen(ip: str, told: Mapping[str, Any]) -> Seen:
    return Seen(
        ip=ip,
        sent_octets=number_of(told, "bytes_in"),
        received_octets=number_of(told, "bytes_out"),
        told=json.dumps(told, sort_keys=True).encode(),
    )
