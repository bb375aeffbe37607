"""common.config_gateway: what the privileged half is told, and what it does not take."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from common.config_gateway import GatewayKernel

_SOME = {"inside": ["eth1"], "outside": ["eth0"], "addresses": ["10.7.0.1/24", "fd07::1/64"]}


def test_a_gateway_knows_its_prefixes_by_its_own_addresses() -> None:
    kernel = GatewayKernel.model_validate(_SOME)
    assert kernel.prefixes == (ip_network("10.7.0.0/24"), ip_network("fd07::/64"))


def test_no_interface_inside_is_no_gateway() -> None:
    assert GatewayKernel().inside == ()


def test_destinations_are_names_addresses_and_prefixes() -> None:
    kernel = GatewayKernel.model_validate(
        {"garden": ["Moodle.School.Example", "10.9.0.0/16", "192.0.2.1", "2001:db8::1", "4school"]}
    )
    assert kernel.garden == (
        *("moodle.school.example", "10.9.0.0/16", "192.0.2.1/32", "2001:db8::1/128", "4school"),
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"inside": ['eth1"; flush ruleset']}, "network interface", id="quoting"),
        pytest.param({"inside": ["eth*"]}, "network interface", id="wildcard"),
        pytest.param({"inside": ["a-name-too-long-for"]}, "network interface", id="long"),
        pytest.param({"inside": ["eth0"]}, "either inside or outside", id="both"),
        pytest.param({"outside": []}, "name outside", id="no way out"),
        pytest.param({"addresses": []}, "name outside and addresses", id="no address"),
        pytest.param({"addresses": ["10.7.0.1"]}, "room for devices", id="no length"),
        pytest.param({"addresses": ["10.7.0.0/24"]}, "room for devices", id="the network"),
        pytest.param({"addresses": ["10.7.0.255/24"]}, "room for devices", id="broadcast"),
        pytest.param({"addresses": ["fd07::1/80"]}, "room for devices", id="narrow IPv6"),
        pytest.param({"addresses": ["x"]}, "10.7.0.1/24", id="no address at all"),
        pytest.param({"garden": ["a b"]}, "neither a name", id="no name"),
        pytest.param({"garden": ["a/#yuenyan"]}, "neither a name", id="for dnsmasq"),
        pytest.param({"garden": ["10.9.0.1/16"]}, "host bits", id="host bits"),
        pytest.param({"garden": ["::1\n"]}, "neither a name", id="line end"),
        pytest.param({"dns": ["dns.example"]}, "addresses alone", id="dns name"),
        pytest.param({"dns": ["2001:db8::/32"]}, "addresses alone", id="dns prefix"),
        pytest.param({"own_names": ["10.7.0.1/x"]}, "not a name", id="own name"),
        pytest.param({"api_url": "http://p.example/"}, "https://", id="api in clear"),
        pytest.param({"api_url": "https://p.example/\nx"}, "https://", id="api line end"),
        pytest.param({"api_url": "https://p.example/a,b"}, "https://", id="api for dnsmasq"),
        pytest.param({"capture_port": 0}, "capture_port", id="port"),
        pytest.param({"collector": "192.0.2.1:0"}, "listens on a port", id="collector"),
        pytest.param({"open_port": [1]}, "Extra inputs", id="unknown"),
    ],
)
def test_what_could_not_be_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        GatewayKernel.model_validate({**_SOME, **changes})
