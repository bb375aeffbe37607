"""Omada after somebody was let in: the hotspot's list of devices, and the device put out.

Facts: third-party notes on the operator's calls; the controller's own manual has the two buttons.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from captive_portal.vendors import controller
from captive_portal.vendors.control import MOST_DEVICES, Ended, Seen, number_of
from captive_portal.vendors.controller import Controller, Declined, controller_of, json_call
from captive_portal.vendors.omada import PORTAL, Omada, error_of, hotspot_path, sign_in
from captive_portal.vendors.profile import Gateway
from captive_portal.vendors.reading import find_address, mac_of
from captive_portal.vendors.settings import MODE, setting_of

_PAGE, _MOST_PAGES = 100, 20
_SETTINGS = Omada.settings


class OmadaControl:
    """As an operator of the hotspot."""

    def most(self, gateway: Gateway) -> int:
        """As `Control`."""
        return MOST_DEVICES if setting_of(_SETTINGS, gateway, MODE) == PORTAL else 0

    def look(self, gateway: Gateway, devices: Collection[str]) -> Mapping[str, Seen]:
        """As `Control`."""
        where = controller_of(_SETTINGS, gateway)
        wanted = frozenset(devices)
        listed = _listed(where, gateway, sign_in(where, gateway))
        return {mac: _seen(told) for mac, told in listed if mac in wanted}

    def end(self, gateway: Gateway, device: str) -> Ended:
        """As `Control`."""
        where = controller_of(_SETTINGS, gateway)
        headers = sign_in(where, gateway)
        found = next((told for mac, told in _listed(where, gateway, headers) if mac == device), {})
        number = str(found.get("id", ""))
        if not number:
            return Ended.NOT_THERE
        path = f"{_site(gateway)}/cmd/clients/{quote(number, safe='')}/disconnect"
        done = controller.exchange(where, json_call("POST", path, {}, **headers))
        if error_of(done) != 0:
            raise Declined(f"the order came back with error {error_of(done)}")
        return Ended.DONE


def _site(gateway: Gateway) -> str:
    return f"{hotspot_path(gateway)}/sites/{quote(gateway.settings['site'], safe='')}"


def _listed(
    where: Controller, gateway: Gateway, headers: Mapping[str, str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The devices that are let in, whoever has let them in."""
    for page in range(1, _MOST_PAGES + 1):
        path = f"{_site(gateway)}/clients?currentPage={page}&currentPageSize={_PAGE}"
        answer = controller.exchange(where, json_call("GET", path, None, **headers))
        if error_of(answer) != 0:
            raise Declined(f"the list of devices came back with error {error_of(answer)}")
        result = answer.json().get("result")
        data = result.get("data") if isinstance(result, dict) else None
        if not isinstance(data, list):
            # No list is not an empty list: who is not on one is taken to have left.
            raise Declined("an answer came without a list of devices")
        for told in data:
            if isinstance(told, dict) and told.get("valid") is not False:
                yield mac_of(str(told.get("mac", ""))), told
        if len(data) < _PAGE:
            return
    raise Declined(f"more than {_PAGE * _MOST_PAGES} devices are on its list")


def _seen(told: Mapping[str, Any]) -> Seen:
    return Seen(
        ip=find_address(str(told.get("ip", ""))),
        sent_octets=number_of(told, "trafficUp"),
        received_octets=number_of(told, "trafficDown"),
        told=json.dumps(told, sort_keys=True).encode(),
    )
