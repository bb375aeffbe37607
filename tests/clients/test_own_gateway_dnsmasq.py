"""dnsmasq as our gateway configures it: addresses, word of the portal, names of the garden."""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from captive_portal.gateway.verbs import Admit, Remove
from tests.clients.namespaces import inside, ip
from tests.clients.own_gateway import (
    FAR4,
    FAR6,
    ONE,
    ONE4,
    ONE6,
    OWN4,
    OWN6,
    Lab,
    own_gateway,
    said,
    within,
)
from tests.conftest import wait_until
from tests.programs import require

pytestmark = [pytest.mark.real, pytest.mark.root, pytest.mark.timeout(120)]

API = "https://portal.school.example/captive-portal/api"
GARDEN4, GARDEN6 = "203.0.113.50", "2001:db8:113::50"
STRANGER = "192.0.2.53"
A, AAAA = 1, 28
NO_SUCH_NAME = 3


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The gateway with its helper and dnsmasq, and a resolver of everybody's on the far side."""
    with own_gateway(tmp_path_factory.mktemp("dnsmasq")) as lab:
        for address in (f"{GARDEN4}/32", f"{GARDEN6}/128", f"{STRANGER}/32"):
            ip("-n", lab.far, "addr", "add", address, "dev", "lo")
        lab.serve(lab.far, 443, lambda wire: wire.sendall(b"garden"))
        lab.start_helper()
        made = subprocess.run(
            [sys.executable, "-P", "-m", "yuenyan.cli",
             "--config", str(lab.folder / "yuenyan.toml"), "gateway-dnsmasq"],
            check=True, capture_output=True, text=True, timeout=60, cwd="/",
        ).stdout  # fmt: skip
        (lab.folder / "inside.conf").write_text(made)
        serve_names(lab)
        elsewhere = _dnsmasq(
            lab, lab.far, "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
            f"--address=/moodle.school.example/{GARDEN4}",
            f"--address=/moodle.school.example/{GARDEN6}",
            "--address=/elsewhere.example/203.0.113.60",
        )  # fmt: skip
        try:
            wait_until(lambda: _answers(lab), 20, "dnsmasq does not answer")
            yield lab
        finally:
            for one in (elsewhere, *OURS):
                one.terminate()
                one.wait(20)
            OURS.clear()


OURS: list[subprocess.Popen[bytes]] = []
"""The gateway's dnsmasq; one at a time."""


def serve_names(lab: Lab) -> None:
    """Start the gateway's dnsmasq with what was made for it."""
    OURS.append(
        _dnsmasq(
            lab,
            lab.gate,
            f"--conf-file={lab.folder / 'inside.conf'}",
            f"--server={FAR4}",
            "--no-resolv",
            f"--dhcp-leasefile={lab.folder / 'leases'}",
        )
    )


def _dnsmasq(lab: Lab, namespace: str, *options: str) -> subprocess.Popen[bytes]:
    program = require("dnsmasq", "dnsmasq-base")
    with (lab.folder / "dnsmasq.log").open("ab") as log:
        return subprocess.Popen(
            ["ip", "netns", "exec", namespace, program, "-k", "--user=root",
             f"--pid-file={lab.folder / namespace}.pid", "--log-facility=-", *options],
            stdout=log, stderr=log, cwd="/",
        )  # fmt: skip


def _answers(lab: Lab) -> bool:
    try:
        return bool(ask(lab, OWN4, "login.school.example", A)[1])
    except OSError:
        return False


def ask(lab: Lab, resolver: str, name: str, kind: int) -> tuple[int, list[str]]:
    """(response code, addresses) of a question of the first device."""
    family = socket.AF_INET6 if ":" in resolver else socket.AF_INET
    question = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    number = secrets.randbelow(65_536)
    with within(lab.one):
        wire = socket.socket(family, socket.SOCK_DGRAM)
    with wire:
        wire.settimeout(3)
        wire.connect((resolver, 53))
        message = struct.pack("!6H", number, 0x100, 1, 0, 0, 0) + question
        message += struct.pack("!BHH", 0, kind, 1)
        for copies_left in (2, 1, 0):  # as phones do: a datagram may be lost
            wire.send(message)
            try:
                octets = wire.recv(2000)
                break
            except TimeoutError:
                if not copies_left:
                    raise
    found, at = [], 12 + len(question) + 5
    for _ in range(struct.unpack_from("!H", octets, 6)[0]):
        kind_found, length = struct.unpack_from("!H6xH", octets, at + 2)
        value = octets[at + 12 : at + 12 + length]
        if kind_found == kind:
            found.append(socket.inet_ntop(socket.AF_INET if kind == A else socket.AF_INET6, value))
        at += 12 + length
    return octets[3] & 15, found


@pytest.mark.parametrize("resolver", [OWN4, OWN6, FAR4, FAR6, STRANGER])
def test_whoever_is_asked_our_resolver_answers_before_a_login(gate: Lab, resolver: str) -> None:
    assert ask(gate, resolver, "login.school.example", A) == (0, [OWN4])
    assert ask(gate, resolver, "login.school.example", AAAA) == (0, [OWN6])
    assert ask(gate, resolver, "elsewhere.example", A) == (0, ["203.0.113.60"])
    assert ask(gate, resolver, "use-application-dns.net", A) == (NO_SUCH_NAME, [])


def test_after_a_login_every_device_asks_whom_it_likes(gate: Lab) -> None:
    gate.do(Admit(mac=ONE, addresses=(ONE4, ONE6), seconds=60))
    assert ask(gate, FAR4, "login.school.example", A)[1] == []
    gate.do(Remove(mac=ONE))
    assert ask(gate, FAR4, "login.school.example", A)[1] == [OWN4]


def test_a_name_of_the_garden_is_reached_when_it_was_asked_for(gate: Lab) -> None:
    for address in (GARDEN4, GARDEN6):
        with pytest.raises(ConnectionRefusedError):
            said(gate.one, address, 443)
    assert ask(gate, OWN4, "moodle.school.example", A)[1] == [GARDEN4]
    assert ask(gate, OWN4, "moodle.school.example", AAAA)[1] == [GARDEN6]
    for address in (GARDEN4, GARDEN6):
        assert said(gate.one, address, 443) == b"garden"
    assert ask(gate, OWN4, "elsewhere.example", A)[1]
    with pytest.raises(ConnectionRefusedError):
        said(gate.one, "203.0.113.60", 443)


def test_a_resolver_that_is_restarted_cuts_nobody_off_and_forgets_no_garden(gate: Lab) -> None:
    ask(gate, OWN4, "moodle.school.example", A)
    gate.do(Admit(mac=ONE, addresses=(ONE4, ONE6), seconds=60))
    old = OURS.pop()
    old.kill()
    old.wait(20)
    assert said(gate.one, FAR6, 443) == b"garden", "who is in needs no resolver of ours"
    gate.do(Remove(mac=ONE))
    assert said(gate.one, GARDEN4, 443) == b"garden", "what it had put there stays"
    with pytest.raises(OSError):
        ask(gate, OWN4, "moodle.school.example", A)
    serve_names(gate)
    wait_until(lambda: _answers(gate), 20, "dnsmasq does not answer again")
    assert ask(gate, OWN4, "moodle.school.example", A)[1] == [GARDEN4]


def test_a_lease_tells_of_the_portal(gate: Lab, tmp_path: Path) -> None:
    client = require("udhcpc", "udhcpc")
    script = tmp_path / "leased.sh"
    script.write_text(f'#!/bin/sh\n[ "$1" = bound ] && env > {tmp_path}/lease\nexit 0\n')
    script.chmod(0o755)
    inside(gate.other, client, "-i", "wlan", "-n", "-q", "-f", "-t", "5", "-s", str(script))
    lease = dict(line.partition("=")[::2] for line in (tmp_path / "lease").read_text().splitlines())
    assert lease["ip"].startswith("10.77.0.") and lease["ip"] != OWN4
    assert (lease["router"], lease["dns"]) == (OWN4, OWN4)
    assert bytes.fromhex(lease["opt114"]).decode() == API
    assert int(lease["lease"]) == 3600


def test_stateless_dhcpv6_tells_of_the_portal(gate: Lab) -> None:
    with within(gate.other):
        wire = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        index = socket.if_nametoindex("wlan")
    identity = struct.pack("!HHHH6s", 1, 10, 3, 1, bytes.fromhex("02aa00000006"))
    asked = (
        b"\x0bABC" + identity + struct.pack("!HHH", 8, 2, 0) + struct.pack("!HHHH", 6, 4, 103, 23)
    )
    with wire:
        wire.settimeout(5)
        wire.bind(("::", 546))
        wire.sendto(asked, ("ff02::1:2", 547, 0, index))
        octets = wire.recv(2000)
    found, at = {}, 4
    while at < len(octets):
        option, length = struct.unpack_from("!HH", octets, at)
        found[option] = octets[at + 4 : at + 4 + length]
        at += 4 + length
    assert octets[:4] == b"\x07ABC"
    assert found[103].decode() == API
    assert socket.inet_ntop(socket.AF_INET6, found[23]) == OWN6


def test_a_device_makes_its_ipv6_address_of_what_is_announced(gate: Lab) -> None:
    inside(gate.other, "sysctl", "-qw", "net.ipv6.conf.wlan.accept_ra=1",
           "net.ipv6.conf.wlan.autoconf=1")  # fmt: skip
    with within(gate.other):
        wire = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        index = socket.if_nametoindex("wlan")
    with wire:
        wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        wire.sendto(struct.pack("!BBHI", 133, 0, 0, 0), ("ff02::2", 0, 0, index))

    def made() -> bool:
        shown = subprocess.run(
            ["ip", "-n", gate.other, "-j", "-6", "addr", "show", "dev", "wlan"],
            check=True, capture_output=True, timeout=20,
        ).stdout  # fmt: skip
        return any(
            one.get("dynamic") and one["local"].startswith("fd77:")
            for one in json.loads(shown)[0]["addr_info"]
        )

    wait_until(made, 10, "no address")


def test_dnsmasq_itself_has_nothing_to_object_to(gate: Lab) -> None:
    program = shutil.which("dnsmasq") or require("dnsmasq", "dnsmasq-base")
    done = subprocess.run(
        [program, "--test", f"--conf-file={gate.folder / 'inside.conf'}"],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "syntax check OK" in done.stderr
