"""pyrad as the NAS that is told by our server, radclient as the server that tells our gateway.

Each checks Request and Response Authenticator itself and takes no part in what is wrong.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from captive_portal.gateway.authorization import Authorization, open_sockets
from captive_portal.gateway.doorkeeper import Doorkeeper, Entered
from captive_portal.gateway.store import Store
from common.metrics import Counters
from tests.clients.radclient import Nas
from tests.conftest import free_port, wait_until
from tests.integration.radius_site import SECRET, LiveSite
from tests.programs import require
from tests.unit.captive_portal.gateway.lab import (
    PHONE,
    TOKEN,
    V4,
    FakeKernel,
    FakeRadius,
    HandClock,
    settings,
)

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

ADDRESS = "127.0.0.9"
_NAS = """\
import io, json, sys
from pyrad import packet
from pyrad.dictionary import Dictionary
from pyrad.server import RemoteHost, Server

WORDS = Dictionary(io.StringIO('''
ATTRIBUTE User-Name 1 string
ATTRIBUTE Session-Timeout 27 integer
ATTRIBUTE Calling-Station-Id 31 string
ATTRIBUTE NAS-Identifier 32 string
ATTRIBUTE Acct-Session-Id 44 string
ATTRIBUTE Event-Timestamp 55 integer
ATTRIBUTE Message-Authenticator 80 octets
ATTRIBUTE Error-Cause 101 integer
'''))

class Nas(Server):
    def HandleCoaPacket(self, pkt):
        self.answer(pkt, packet.CoANAK)

    def HandleDisconnectPacket(self, pkt):
        self.answer(pkt, packet.DisconnectNAK)

    def answer(self, pkt, nak):
        said = {key: pkt[key][0] for key in pkt.keys() if key != 'Message-Authenticator'}
        said['code'] = pkt.code
        print(json.dumps(said), flush=True)
        reply = self.CreateReplyPacket(pkt)
        if 'unknown' in said['Acct-Session-Id']:
            reply.code = nak
            reply['Error-Cause'] = 503
        self.SendReplyPacket(pkt.fd, reply)

address, port, secret = sys.argv[1:]
hosts = {'127.0.0.1': RemoteHost('127.0.0.1', secret.encode(), 'yuenyan')}
nas = Nas(
    addresses=[address], coaport=int(port), hosts=hosts, dict=WORDS, auth_enabled=False,
    acct_enabled=False, coa_enabled=True, enable_pkt_verify=True,
)
print('ready', flush=True)
nas.Run()
"""
_COA, _DISCONNECT = 43, 40


@dataclass(frozen=True, slots=True)
class PyradNas:
    """A NAS that pyrad is, and what it was told."""

    port: int
    log: Path

    def told(self, session_id: str) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines()[1:]]
        return [line for line in lines if line["Acct-Session-Id"] == session_id]


@pytest.fixture(scope="module")
def peer(live: LiveSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PyradNas]:
    port = free_port(socket.SOCK_DGRAM)
    log = tmp_path_factory.mktemp("pyrad") / "log"
    with log.open("wb") as out:
        running = subprocess.Popen(
            [sys.executable, "-c", _NAS, ADDRESS, str(port), SECRET], stdout=out, stderr=out
        )
    try:
        wait_until(lambda: log.read_bytes().startswith(b"ready"), 20, "pyrad does not start")
        live.add_nas(f"pyrad-{port}", f"{ADDRESS}/32", "--vendor", "mikrotik")
        live.yuenyan("nas", "set", f"pyrad-{port}", "--coa-port", str(port))
        live.settle()
        yield PyradNas(port, log)
        live.yuenyan("nas", "remove", f"pyrad-{port}")
    finally:
        running.terminate()
        running.wait(10)


def begin(live: LiveSite, name: str, session_id: str) -> str:
    """The key of a new session."""
    live.add_person(name, "seven green elephants")
    started = Nas(live, source=ADDRESS).account(
        "Start", session_id, User_Name=name, NAS_Identifier="py",
        Calling_Station_Id="3C-22-FB-00-00-09",
    )  # fmt: skip
    assert started.code == "Accounting-Response", started.output
    (found,) = json.loads(live.yuenyan("session", "list", "--user", name, "--json").stdout)
    return str(found["session_id"])


def test_pyrad_takes_a_change_and_then_the_end_of_a_session(live: LiveSite, peer: PyradNas) -> None:
    key = begin(live, "py-told", "py-1")
    live.yuenyan("session", "change", key, "--session-seconds", "600")
    ended = live.yuenyan("session", "disconnect", key, "--reason", "test")
    assert ended.stdout == f"{key}: ended\n"
    change, end = peer.told("py-1")
    assert (change["code"], change["Session-Timeout"]) == (_COA, 600)
    assert (end["code"], end["User-Name"]) == (_DISCONNECT, "py-told")
    assert "Session-Timeout" not in end
    assert abs(int(str(end["Event-Timestamp"])) - time.time()) < 30
    (session,) = json.loads(live.yuenyan("session", "list", "--user", "py-told", "--json").stdout)
    assert session["close_cause"] == "disconnected"


def test_the_refusal_of_pyrad_is_on_record_with_its_cause(live: LiveSite, peer: PyradNas) -> None:
    key = begin(live, "py-unknown", "py-unknown-1")
    refused = live.refused("session", "change", key, "--session-seconds", "600")
    assert "Session-Context-Not-Found" in refused.stdout + refused.stderr
    assert [told["code"] for told in peer.told("py-unknown-1")] == [_COA]


@dataclass(frozen=True, slots=True)
class Hall:
    """Our gateway with one visitor, and where it hears."""

    port: int
    kernel: FakeKernel
    clock: HandClock
    session_id: str

    def tell(self, kind: str, *lines: str, secret: str = SECRET) -> str:
        """What radclient says about one request; it is not repeated."""
        said = (
            f'Acct-Session-Id = "{self.session_id}"',
            f"Event-Timestamp = {int(self.clock.calendar())}",
            "Message-Authenticator = 0x00",
            *lines,
        )
        run = subprocess.run(
            [
                *(require("radclient", "freeradius-utils"), "-x", "-t", "1", "-r", "1"),
                *(f"127.0.0.1:{self.port}", kind, secret),
            ],
            input="\n".join(said) + "\n",
            capture_output=True,
            text=True,
            timeout=20,
        )
        return run.stdout + run.stderr


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    kernel, clock, store = FakeKernel(), HandClock(), Store(tmp_path / "gateway.db")
    store.open()
    keeper = Doorkeeper(settings(), kernel, FakeRadius(), store, clock, Counters())
    keeper.tick()
    entered = keeper.log_in(V4, "somchai", TOKEN)
    assert isinstance(entered, Entered)
    port = free_port(socket.SOCK_DGRAM)
    sockets = open_sockets([f"127.0.0.1:{port}"])
    server = Authorization(settings(), SECRET.encode(), keeper, clock, Counters(), sockets)
    server.start()
    yield Hall(port, kernel, clock, entered.client.session_id)
    server.stop()
    sockets[0].close()
    store.close()


def test_radclient_changes_the_rates_of_a_visitor_and_puts_them_out(hall: Hall) -> None:
    assert "Received CoA-ACK" in hall.tell("coa", "WISPr-Bandwidth-Max-Down = 512000")
    assert hall.kernel.admitted[PHONE].down_kbps == 512
    assert "Received Disconnect-ACK" in hall.tell("disconnect", 'User-Name = "somchai"')
    assert hall.kernel.admitted == {}
    again = hall.tell("disconnect", 'User-Name = "somchai"', 'Proxy-State = "a hop"')
    assert "Received Disconnect-NAK" in again
    assert "Error-Cause = Session-Context-Not-Found" in again
    assert "Proxy-State = 0x6120686f70" in again.partition("Received")[2]


def test_radclient_with_another_secret_gets_no_answer(hall: Hall) -> None:
    assert "No reply" in hall.tell("disconnect", secret="another secret of some length")
    assert PHONE in hall.kernel.admitted


def test_what_names_somebody_else_puts_nobody_out(hall: Hall) -> None:
    refused = hall.tell("disconnect", 'User-Name = "somsri"')
    assert "Received Disconnect-NAK" in refused
    assert PHONE in hall.kernel.admitted
