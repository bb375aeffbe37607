"""Foreign realms at FreeRADIUS home servers behind us, and FreeRADIUS as a proxy before us."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.clients import freeradius
from tests.clients.freeradius import FreeRadius
from tests.clients.radclient import Answer, Attributes, Nas
from tests.conftest import free_port, wait_until
from tests.integration.radius_site import (
    KINDS,
    LOOPBACK,
    SECRET,
    LiveSite,
    Server,
    running_radius,
    site_of_kind,
)
from tests.programs import require

pytestmark = [pytest.mark.real, pytest.mark.timeout(150), pytest.mark.sampled]

PASSWORD = "seven green elephants"
HOME_SECRET = "a secret between institutions"
VISITOR = "visitor@partner.example"
SEND_KEY, RECEIVE_KEY = bytes(range(32)), bytes(range(64, 96))
_PROXY = """\
[proxy]
local_realms = ["school.example"]
operator_name = "school.example"
answer_seconds = 1.0
give_up_seconds = 4.0
probe_seconds = 1.0
[proxy.server.first]
host = "127.0.0.1"
port = {first}
acct_port = {first_acct}
secret_file = "{secret}"
[proxy.server.second]
host = "127.0.0.1"
port = {second}
acct_port = {second_acct}
secret_file = "{secret}"
[[proxy.realm]]
name = "partner.example"
servers = ["first", "second"]
vlan = 60
[[proxy.realm]]
name = "deaf.example"
servers = ["second"]
[database]"""


@dataclass(slots=True)
class Roaming:
    """A site, and where its two home servers are or would be."""

    live: LiveSite
    server: Server
    folder: Path
    ports: tuple[tuple[int, int], tuple[int, int]]

    def home(self, number: int, more_reply: str = "") -> AbstractContextManager[FreeRadius]:
        """The home server of this number, while the block runs."""
        auth, acct = self.ports[number]
        return freeradius.home_server(
            self.folder / f"home-{number}",
            ("first", "second")[number],
            HOME_SECRET,
            VISITOR,
            PASSWORD,
            (SEND_KEY, RECEIVE_KEY),
            auth=auth,
            acct=acct,
            more_reply=more_reply,
        )


@pytest.fixture(params=KINDS)
def roaming(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Roaming]:
    """A site whose partner has two home servers; none is started yet."""
    require("freeradius", "freeradius")
    ports = tuple(free_port(socket.SOCK_DGRAM) for _ in range(4))
    secret = tmp_path / "partner-secret"
    secret.write_text(HOME_SECRET + "\n")
    text = _PROXY.format(
        first=ports[0],
        first_acct=ports[1],
        second=ports[2],
        second_acct=ports[3],
        secret=secret,
    )
    live = site_of_kind(request, tmp_path, request.param, {"[database]": text})
    live.add_nas("gate", LOOPBACK)
    live.add_person("somchai", PASSWORD)
    with running_radius(live) as server:
        yield Roaming(live, server, tmp_path, ((ports[0], ports[1]), (ports[2], ports[3])))


def decision(live: LiveSite, name: str) -> tuple[str, str, str, list[str]]:
    """(method, outcome, reason, trace) of the newest decision on `name`."""
    rows = live.rows(
        "SELECT method, outcome, reason, trace FROM auth_event WHERE user_name = :name"
        " ORDER BY id DESC LIMIT 1",
        name=name,
    )
    method, outcome, reason, trace = rows[0]
    return method, outcome, reason, (trace or "").splitlines()


def test_a_visitor_is_asked_of_home_and_put_where_we_say(roaming: Roaming) -> None:
    live = roaming.live
    nas = Nas(live, tries=5)
    with roaming.home(0) as first:
        accepted = nas.access(VISITOR, PASSWORD, Proxy_State=["0x0a0b"])
        assert accepted.code == "Access-Accept", (accepted.output, roaming.server.log())
        assert accepted.one("Reply-Message") == "from first"
        assert accepted.one("Session-Timeout") == "1234"
        assert accepted.one("Tunnel-Private-Group-Id") == "60"
        assert "Filter-Id" not in accepted.attributes
        assert accepted.attributes["Proxy-State"] == ["0x0a0b"]
        assert "Message-Authenticator" in accepted.attributes
        # radclient shows the keys as it has decrypted them with the NAS's secret.
        assert accepted.one("MS-MPPE-Send-Key") == f"0x{SEND_KEY.hex()}"
        assert accepted.one("MS-MPPE-Recv-Key") == f"0x{RECEIVE_KEY.hex()}"
        method, outcome, reason, trace = decision(live, VISITOR)
        assert (method, outcome, reason) == ("proxy", "accept", "ok")
        assert trace[:2] == ["proxy:realm=partner.example", "proxy:server=first"]
        assert trace[-1] == "proxy:accept" and "proxy:cui=cui" in trace

        (asked,) = first.requests()
        assert asked["User-Name"] == [VISITOR]
        assert asked["Operator-Name"] == ["1school.example"]
        assert asked["Chargeable-User-Identity"] == ["0x00"]
        assert len(asked["Proxy-State"]) == 2 and asked["Proxy-State"][0] == "0x0a0b"
        assert "Message-Authenticator" in asked

        assert nas.access(VISITOR, "another").code == "Access-Reject"
        assert decision(live, VISITOR)[:3] == ("proxy", "reject", "home_server_refused")
        assert nas.chap(VISITOR, PASSWORD).code == "Access-Accept"

        # A home server might take the other of two names than the one that names its realm.
        heard = len(first.identifiers())
        named: Attributes = {"User-Name": [VISITOR, "somchai"], "User-Password": PASSWORD}
        assert nas.login(named).code == "Access-Reject"
        assert decision(live, VISITOR)[:3] == ("pap", "reject", "several_proofs")
        assert len(first.identifiers()) == heard

        started = nas.account("Start", "visit-1", User_Name=VISITOR)
        assert started.code == "Accounting-Response"
        wait_until(lambda: first.requests("Accounting-Request"), 5, "home heard no accounting")
        assert first.requests("Accounting-Request")[0]["Acct-Session-Id"] == ["visit-1"]
    assert live.rows("SELECT user_name FROM network_session") == [(VISITOR,)]


def test_a_name_that_home_gives_never_makes_a_visitor_one_of_our_people(roaming: Roaming) -> None:
    live, nas = roaming.live, Nas(roaming.live, tries=5)
    claimed = live.rows("SELECT id FROM account WHERE username = 'somchai'")[0][0]
    with roaming.home(0, 'User-Name := "somchai"') as first:
        accepted = nas.access(VISITOR, PASSWORD)
        assert accepted.code == "Access-Accept", accepted.output
        assert accepted.one("User-Name") == "somchai@partner.example"
        # A NAS that cuts the realm off still says in Class whose session it is.
        for session, name in (("visit-1", accepted.one("User-Name")), ("visit-2", "somchai")):
            answer = nas.account("Start", session, User_Name=name, Class=accepted.one("Class"))
            assert answer.code == "Accounting-Response"
        unlabelled = nas.account("Start", "visit-3", User_Name="somchai@partner.example")
        assert unlabelled.code == "Accounting-Response"
        wait_until(lambda: len(first.requests("Accounting-Request")) == 3, 5, "home missed some")
        assert all("Class" not in asked for asked in first.requests("Accounting-Request"))
    reference = live.rows("SELECT session_ref FROM auth_event WHERE method = 'proxy'")[0][0]
    assert live.rows(
        "SELECT acct_session_id, account_id, session_ref FROM network_session ORDER BY 1"
    ) == [("visit-1", None, reference), ("visit-2", None, reference), ("visit-3", None, None)]

    own = nas.access("somchai", PASSWORD)
    nas.account("Start", "own-1", User_Name="somchai", Class=own.one("Class"))
    nas.account("Start", "own-2", User_Name="somchai")
    found = live.rows("SELECT account_id FROM network_session WHERE acct_session_id LIKE 'own-%'")
    assert found == [(claimed,), (claimed,)]


def test_our_own_realm_is_taken_off_and_served_here(roaming: Roaming) -> None:
    nas = Nas(roaming.live)
    accepted = nas.access("somchai@school.example", PASSWORD)
    assert accepted.code == "Access-Accept"
    assert accepted.one("User-Name") == "somchai"
    assert nas.access("somchai@SCHOOL.example", "another").code == "Access-Reject"
    assert decision(roaming.live, "somchai@school.example")[:3] == ("pap", "accept", "ok")
    assert nas.access("somchai@elsewhere.example", PASSWORD).code == "Access-Reject"
    assert decision(roaming.live, "somchai@elsewhere.example")[2] == "unknown_account"


def patient(live: LiveSite) -> Nas:
    """A NAS that waits for its answer as long as an access point does."""
    return Nas(live, tries=8)


def test_the_second_home_server_takes_over_and_the_first_comes_back(roaming: Roaming) -> None:
    live = roaming.live
    nas = patient(live)
    with roaming.home(1) as second:
        with roaming.home(0) as first:
            assert from_server(nas) == "from first"
            first.stop()
            began = time.monotonic()
            assert from_server(nas) == "from second"
            assert time.monotonic() - began < 4.0
            trace = decision(live, VISITOR)[3]
            assert trace[-1] == "proxy:accept" and "proxy:server=second" in trace
            began = time.monotonic()
            assert from_server(nas) == "from second"
            assert time.monotonic() - began < 0.5, "a dead server was asked first"
            assert "home_server_dead" in roaming.server.log()
        with roaming.home(0):
            wait_until(
                lambda: "home_server_alive" in roaming.server.log(), 10, "nobody noticed it is back"
            )
            # Each worker finds it out by itself, and only the first has told yet.
            wait_until(lambda: from_server(nas) == "from first", 10, "it is not asked first")
        assert len(second.requests()) >= 2


def from_server(nas: Nas) -> str:
    answer = nas.access(VISITOR, PASSWORD)
    assert answer.code == "Access-Accept", answer.output
    return answer.one("Reply-Message")


def test_when_no_home_server_answers_the_login_is_refused_and_says_so(roaming: Roaming) -> None:
    answer: Answer = patient(roaming.live).access("x@deaf.example", PASSWORD)
    assert answer.code == "Access-Reject"
    method, outcome, reason, trace = decision(roaming.live, "x@deaf.example")
    assert (method, outcome, reason) == ("proxy", "reject", "backend_unavailable")
    assert trace == ["proxy:realm=deaf.example", "proxy:server=second", "proxy:timeout"]
    # And what is ours goes on meanwhile.
    assert Nas(roaming.live).access("somchai", PASSWORD).code == "Access-Accept"


def test_a_request_that_has_been_here_is_refused(roaming: Roaming) -> None:
    with roaming.home(0) as first:
        nas = Nas(roaming.live, tries=5)
        assert nas.access(VISITOR, PASSWORD).code == "Access-Accept"
        state = first.requests()[0]["Proxy-State"][-1]
        again = nas.access(VISITOR, PASSWORD, Proxy_State=[state])
        assert again.code == "Access-Reject"
        assert decision(roaming.live, VISITOR)[3][-1] == "proxy:loop"
        many = [f"0x{number:02x}" for number in range(10)]
        assert nas.access(VISITOR, PASSWORD, Proxy_State=many).code == "Access-Reject"
        assert decision(roaming.live, VISITOR)[3][-1] == "proxy:hops"
        assert len(first.requests()) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_freeradius_as_a_proxy_in_front_of_us(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    require("freeradius", "freeradius")
    live = site_of_kind(request, tmp_path, kind)
    live.add_nas("front", LOOPBACK)
    live.add_person("somchai", PASSWORD)
    with (
        running_radius(live),
        freeradius.proxy(tmp_path / "front", SECRET, live.auth_port, live.acct_port) as front,
    ):
        nas = Nas(replace(live, auth_port=front.auth_port, acct_port=front.acct_port), tries=5)
        accepted = nas.access("somchai", PASSWORD)
        assert accepted.code == "Access-Accept", accepted.output
        assert nas.access("somchai", "another").code == "Access-Reject"
        started = nas.account("Start", "front-1", User_Name="somchai", Class=accepted.one("Class"))
        assert started.code == "Accounting-Response"
    ((name, is_known),) = live.rows("SELECT user_name, account_id IS NOT NULL FROM network_session")
    assert name == "somchai" and is_known
