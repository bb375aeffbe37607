"""captive_portal.gateway.dnsmasq: what only some configurations have."""

from __future__ import annotations

from typing import Any

from captive_portal.gateway.dnsmasq import dnsmasq_text
from common.config_gateway import GatewayKernel

_SOME = {"inside": ["eth1"], "outside": ["eth0"], "addresses": ["10.7.0.1/16", "fd07::1/64"]}


def lines(**changes: Any) -> list[str]:
    return dnsmasq_text(GatewayKernel.model_validate({**_SOME, **changes})).splitlines()


def test_ranges_are_all_of_a_network_and_leases_as_many() -> None:
    found = lines(lease_minutes=30)
    assert "dhcp-range=10.7.0.1,10.7.255.254,255.255.0.0,30m" in found
    assert "dhcp-range=fd07::,ra-stateless,64,30m" in found
    assert "dhcp-lease-max=65000" in found and "enable-ra" in found
    four = lines(addresses=["10.7.0.1/24"])
    assert "dhcp-lease-max=253" in four and "enable-ra" not in four


def test_names_alone_are_told_to_nftables_and_each_once() -> None:
    found = lines(garden=["a.example", "10.9.0.0/16"], portal_hosts=["a.example", "p.example"])
    sets = "4#inet#yuenyan_gateway#garden4,6#inet#yuenyan_gateway#garden6"
    assert [line for line in found if line.startswith("nftset")] == [
        *(f"nftset=/a.example/{sets}", f"nftset=/p.example/{sets}"),
    ]


def test_resolvers_that_are_named_are_told_to_devices() -> None:
    found = lines(dns=["192.0.2.53", "192.0.2.54", "2001:db8::53"])
    assert "dhcp-option=option:dns-server,192.0.2.53,192.0.2.54" in found
    assert "dhcp-option=option6:dns-server,[2001:db8::53]" in found


def test_without_an_api_no_portal_is_told_of() -> None:
    assert not [line for line in lines() if "114" in line or "103" in line]
    assert "dhcp-option-force=114,https://p.example/api" in lines(api_url="https://p.example/api")
