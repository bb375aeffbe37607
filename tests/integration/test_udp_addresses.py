"""A wildcard listener on a machine of several addresses, in a network namespace of its own."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.integration.radius_site import SECRET, command, site_of_kind
from tests.programs import require

pytestmark = [pytest.mark.real, pytest.mark.root, pytest.mark.timeout(60)]

ROOT = Path(__file__).parents[2]
FIRST, SECOND, CLIENT = "10.79.0.1", "10.79.0.2", "10.79.0.9"
FIRST_6, SECOND_6, CLIENT_6 = "fd79::1", "fd79::2", "fd79::9"

_ECHO = """
import select, sys
from radius_server import udp
listening = [udp.bind("0.0.0.0:1812"), udp.bind("[::]:1812")]
print("ready", flush=True)
while True:
    ready, _, _ = select.select([*listening, sys.stdin], [], [], 30)
    if sys.stdin in ready or not ready:
        break
    for one in ready:
        datagram, source = one.recvfrom(4096)
        own = source[2 if one is listening[0] else 4 :]
        one.sendto(datagram + b" for " + repr(own).encode(), source)
for one in listening:
    one.close()
"""
_ASK = """
import socket, sys
address, text = sys.argv[1:]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as asking:
    asking.settimeout(3)
    asking.sendto(text.encode(), (address, 1812))
    answer, source = asking.recvfrom(4096)
    print(source[0], answer.decode())
"""


def ip(*words: str) -> None:
    program = require("ip", "iproute2")
    subprocess.run([program, *words], check=True, timeout=20, capture_output=True)


@dataclass(frozen=True, slots=True)
class Wire:
    """Two namespaces with a cable between them."""

    server: str
    client: str

    def ask(self, address: str, text: str = "hello") -> list[str]:
        """[the address that answers, what it says]."""
        run = subprocess.run(
            [
                *(require("ip", "iproute2"), "netns", "exec", self.client),
                *(sys.executable, "-c", _ASK, address, text),
            ],
            check=True,
            timeout=20,
            capture_output=True,
            text=True,
        )
        return run.stdout.strip().split(" ", 1)

    def give(self, address: str) -> None:
        """One more address for the server."""
        more = ["nodad"] if ":" in address else []
        length = 64 if ":" in address else 24
        ip("-n", self.server, "addr", "add", f"{address}/{length}", "dev", "wire", *more)


@pytest.fixture
def wire() -> Iterator[Wire]:
    mark = secrets.token_hex(3)
    made = Wire(f"server-{mark}", f"client-{mark}")
    names = [made.server, made.client]
    try:
        for name in names:
            ip("netns", "add", name)
        ip(
            *("link", "add", "wire", "netns", made.server, "type", "veth"),
            *("peer", "name", "wire", "netns", made.client),
        )
        for name in names:
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "wire", "up")
        ip("-n", made.client, "addr", "add", f"{CLIENT}/24", "dev", "wire")
        ip("-n", made.client, "addr", "add", f"{CLIENT_6}/64", "dev", "wire", "nodad")
        made.give(FIRST)
        made.give(FIRST_6)
        yield made
    finally:
        for name in names:
            subprocess.run(
                [require("ip", "iproute2"), "netns", "del", name], check=False, capture_output=True
            )


@contextmanager
def echoing(wire: Wire) -> Iterator[None]:
    running = subprocess.Popen(
        [
            *(require("ip", "iproute2"), "netns", "exec", wire.server),
            *(sys.executable, "-c", _ECHO),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    assert running.stdin is not None and running.stdout is not None
    with running.stdout, running.stdin:
        while running.stdout.readline() not in ("ready\n", ""):
            pass
        try:
            yield
        finally:
            running.stdin.close()
            assert running.wait(10) == 0


def test_the_address_that_was_asked_answers(wire: Wire) -> None:
    wire.give(SECOND)
    wire.give(SECOND_6)
    with echoing(wire):
        for address in (FIRST, SECOND, FIRST_6, SECOND_6):
            assert wire.ask(address) == [address, f"hello for ('{address}',)"]


def test_an_address_that_comes_later_answers_too_and_one_alone_costs_nothing(wire: Wire) -> None:
    with echoing(wire):
        for address in (FIRST, FIRST_6):
            # Nothing is asked of the kernel that a plain socket would not ask.
            assert wire.ask(address) == [address, "hello for ()"]
        for address in (SECOND, SECOND_6):
            wire.give(address)
        for address in (SECOND, SECOND_6, FIRST, FIRST_6):
            assert wire.ask(address)[0] == address


def test_a_login_at_the_second_address_of_a_server_on_all_of_them(
    request: pytest.FixtureRequest, tmp_path: Path, wire: Wire
) -> None:
    wire.give(SECOND)
    everywhere = {
        'auth = ["127.0.0.1:0"]': 'auth = ["0.0.0.0:1812", "[::]:1812"]',
        'acct = ["127.0.0.1:0"]': 'acct = ["0.0.0.0:1813"]',
    }
    live = site_of_kind(request, tmp_path, "sqlite", everywhere)
    live.add_nas("gate", f"{CLIENT}/32")
    live.add_person("somchai", "seven green elephants")
    inside = [require("ip", "iproute2"), "netns", "exec"]
    running = subprocess.Popen(
        [*inside, wire.server, *command(live.site, "radius")], stderr=subprocess.PIPE
    )
    try:
        metrics = live.site.data_dir / "metrics" / "radius-0.prom"
        wait_until(metrics.exists, 40, "it does not serve")
        for address in (FIRST, SECOND):
            # radclient takes an answer from the address it asked, and from no other.
            asked = subprocess.run(
                [
                    *(*inside, wire.client, require("radclient", "freeradius-utils")),
                    *("-x", "-r", "1", "-t", "5", address, "auth", SECRET),
                ],
                input='User-Name=somchai,User-Password="seven green elephants",'
                "Message-Authenticator=0x00\n",
                capture_output=True,
                text=True,
                timeout=30,
            )
            assert "Received Access-Accept" in asked.stdout, (address, asked)
    finally:
        running.terminate()
        _, told = running.communicate(timeout=40)
    assert b"answers_from_the_address_asked" in told
