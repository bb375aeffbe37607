"""UniFi after somebody was let in: the console's list of devices, and the guest put out.

Facts: OpenAPI of Network 10.5; stat/sta and stamgr as Art-of-WiFi's client calls them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from captive_portal.vendors import controller
from captive_portal.vendors.control import MOST_DEVICES, Ended, Seen, number_of
from captive_portal.vendors.controller import Answer, Declined, controller_of, json_call
from captive_portal.vendors.profile import Gateway
from captive_portal.vendors.reading import find_address, mac_of
from captive_portal.vendors.settings import MODE, setting_of
from captive_portal.vendors.unifi import (
    API,
    LEGACY,
    Unifi,
    clients_path,
    is_ok,
    sign_in,
    site_path,
)
from common.net import format_mac

_PAGE, _MOST_PAGES = 100, 20
"""Devices of one answer, whose size is bounded, and answers of one look."""
_MOST_CALLS = 50
"""The older API tells more of each device than one answer may hold of a whole site."""
_UNKNOWN = "api.err.UnknownStation"
"""How the older API says that it has no such device; every other error says nothing of it."""
_SETTINGS = Unifi.settings


class UnifiControl:
    """Both APIs of a console."""

    def most(self, gateway: Gateway) -> int:
        """As `Control`."""
        mode = setting_of(_SETTINGS, gateway, MODE)
        return {API: MOST_DEVICES, LEGACY: _MOST_CALLS}.get(mode, 0)

    def look(self, gateway: Gateway, devices: Collection[str]) -> Mapping[str, Seen]:
        """As `Control`."""
        if setting_of(_SETTINGS, gateway, MODE) == LEGACY:
            return dict(_by_account(gateway, devices))
        listed = {mac_of(str(one.get("macAddress", ""))): one for one in _guests(gateway)}
        return {
            device: _seen(listed[device])
            for device in devices
            if device in listed and _is_in(listed[device])
        }

    def end(self, gateway: Gateway, device: str) -> Ended:
        """As `Control`."""
        where = controller_of(_SETTINGS, gateway)
        if setting_of(_SETTINGS, gateway, MODE) == LEGACY:
            headers = sign_in(_SETTINGS, where, gateway)
            order = {"cmd": "unauthorize-guest", "mac": format_mac(device)}
            path = f"{site_path(_SETTINGS, gateway)}/cmd/stamgr"
            done = controller.exchange(where, json_call("POST", path, order, **headers))
            if not is_ok(done):
                raise Declined(f"the order came back with status {done.status}")
            return Ended.DONE
        wanted = f"macAddress.eq('{format_mac(device)}')"
        found = next((one for one in _listed(gateway, wanted, 0)), None)
        if found is None or not _is_in(found):
            return Ended.NOT_THERE
        path = f"{clients_path(_SETTINGS, gateway)}/{quote(str(found.get('id', '')), safe='')}"
        done = controller.exchange(
            where,
            json_call(
                "POST",
                f"{path}/actions",
                {"action": "UNAUTHORIZE_GUEST_ACCESS"},
                X_API_KEY=gateway.settings["api_key"],
            ),
        )
        if done.status == 404:
            return Ended.NOT_THERE
        if done.status != 200:
            raise Declined(f"the order came back with status {done.status}")
        return Ended.DONE


def _guests(gateway: Gateway) -> Iterator[Mapping[str, Any]]:
    for page in range(_MOST_PAGES):
        found = list(_listed(gateway, "access.type.eq('GUEST')", page * _PAGE))
        yield from found
        if len(found) < _PAGE:
            return
    raise Declined(f"more than {_PAGE * _MOST_PAGES} guests are on its list")


def _listed(gateway: Gateway, wanted: str, offset: int) -> Iterator[Mapping[str, Any]]:
    where = controller_of(_SETTINGS, gateway)
    asked = {"filter": wanted, "limit": _PAGE, "offset": offset}
    query = urlencode(asked, quote_via=quote)
    seen = controller.exchange(
        where,
        json_call(
            "GET",
            f"{clients_path(_SETTINGS, gateway)}?{query}",
            X_API_KEY=gateway.settings["api_key"],
        ),
    )
    if seen.status != 200:
        raise Declined(f"the list of devices came with status {seen.status}")
    # No list is not an empty list: who is not on one is taken to have left.
    yield from _objects(seen.json().get("data"), seen.status)


def _is_in(told: Mapping[str, Any]) -> bool:
    access = told.get("access")
    return isinstance(access, dict) and access.get("authorized") is True


def _seen(told: Mapping[str, Any]) -> Seen:
    access = told["access"].get("authorization")
    usage = access.get("usage") if isinstance(access, dict) else None
    used = usage if isinstance(usage, dict) else {}
    return Seen(
        ip=find_address(str(told.get("ipAddress", ""))),
        sent_octets=number_of(used, "txBytes"),
        received_octets=number_of(used, "rxBytes"),
        told=json.dumps(told, sort_keys=True).encode(),
    )


def _by_account(gateway: Gateway, devices: Collection[str]) -> Iterator[tuple[str, Seen]]:
    where = controller_of(_SETTINGS, gateway)
    headers = sign_in(_SETTINGS, where, gateway)
    for device in devices:
        path = f"{site_path(_SETTINGS, gateway)}/stat/sta/{format_mac(device)}"
        answer = controller.exchange(where, json_call("GET", path, None, **headers))
        for told in _stations(answer):
            if told.get("authorized") is True:
                # As the access point counts: what it received, the user has sent.
                seen = Seen(
                    ip=find_address(str(told.get("ip", ""))),
                    sent_octets=number_of(told, "rx_bytes"),
                    received_octets=number_of(told, "tx_bytes"),
                    told=json.dumps(told, sort_keys=True).encode(),
                )
                yield device, seen


def _stations(answer: Answer) -> Sequence[Mapping[str, Any]]:
    """What the older API tells of one device; nothing where it says that it has no such device."""
    if is_ok(answer):
        return _objects(answer.json().get("data"), answer.status)
    meta = answer.json().get("meta")
    said = meta.get("msg") if isinstance(meta, dict) else None
    if said == _UNKNOWN:
        return ()
    raise Declined(f"the look at a device came back with status {answer.status}")


def _objects(data: object, status: int) -> Sequence[Mapping[str, Any]]:
    if not isinstance(data, list):
        raise Declined(f"status {status} came without a list of devices")
    return [one for one in data if isinstance(one, dict)]
