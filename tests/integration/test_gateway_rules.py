"""Every kind of configuration gives tables that the real nft takes, twice without a difference."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from captive_portal.gateway.devices import Device, admit_text, read_kernel
from captive_portal.gateway.rules import TABLE, install
from common.config_gateway import GatewayKernel
from tests.programs import require, require_root

pytestmark = [pytest.mark.real, pytest.mark.root]

_SOME = {"inside": ["eth1"], "outside": ["eth0"], "addresses": ["10.7.0.1/24", "fd07::1/64"]}


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    require_root()
    require("nft", "nftables")
    name = f"yn-{secrets.token_hex(3)}"
    subprocess.run(["ip", "netns", "add", name], check=True, timeout=20)
    try:
        yield name
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["ip", "netns", "del", name], check=True, timeout=20)


def nft(namespace: str, *arguments: str, given: str = "") -> str:
    done = subprocess.run(
        ["ip", "netns", "exec", namespace, require("nft", "nftables"), *arguments],
        input=given, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="plain"),
        pytest.param({"addresses": ["10.7.0.1/24"]}, id="IPv4 alone"),
        pytest.param({"addresses": ["fd07::1/64"]}, id="IPv6 alone"),
        pytest.param({"nat6": True, "nat": False}, id="the other NAT"),
        pytest.param({"from_outside": True, "ntp": False}, id="choices"),
        pytest.param({"dns": ["192.0.2.53", "2001:db8::53", "192.0.2.54"]}, id="resolvers"),
        pytest.param(
            {"garden": ["10.9.0.0/16", "10.9.3.0/24", "10.9.0.0/17", "2001:db8::/32", "a.example"]},
            id="overlaps",
        ),
        pytest.param(
            {
                "inside": ["br-lan", "vlan.20", "a@b"],
                "outside": ["ppp0", "eth0"],
                "addresses": ["10.7.0.1/24", "10.8.0.1/22", "fd07::1/64", "fd08::1/64"],
                "open_ports": [],
            },
            id="several",
        ),
    ],
)
def test_the_real_nft_takes_it_twice(namespace: str, changes: dict[str, Any]) -> None:
    kernel = GatewayKernel.model_validate({**_SOME, **changes})
    nft(namespace, "flush", "ruleset")
    nft(namespace, "-f", "-", given=install(kernel))
    address = str(kernel.prefixes[0][9])
    device = Device("02aa00000005", (address,), minor=7)
    nft(namespace, "-f", "-", given=admit_text(device, 60, None))
    once = nft(namespace, "-n", "-t", "list", "table", *TABLE.split())
    nft(namespace, "-f", "-", given=install(kernel))
    assert nft(namespace, "-n", "-t", "list", "table", *TABLE.split()) == once
    listing = nft(namespace, "-j", "list", "table", *TABLE.split()).encode()
    found = read_kernel(listing, 1000.0).devices
    assert found[device.mac].addresses == (address,)
    assert found[device.mac].minor == 7
    assert 1050 < found[device.mac].until <= 1060


def test_a_configuration_takes_the_place_of_another(namespace: str) -> None:
    nft(namespace, "flush", "ruleset")
    for changes in (
        {"garden": ["192.0.2.0/24"], "open_ports": [22]},
        {"garden": ["198.18.0.0/15"]},
    ):
        kernel = GatewayKernel.model_validate({**_SOME, **changes})
        nft(namespace, "-f", "-", given=install(kernel))
    shown = nft(namespace, "-n", "list", "table", *TABLE.split())
    assert "198.18.0.0/15" in shown and "192.0.2.0/24" not in shown
    assert "tcp dport { 53, 80, 443, 8090 } accept" in shown
