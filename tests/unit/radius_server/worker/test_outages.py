"""An outage in the middle of a conversation is silence, and the packet sent again goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from OpenSSL import SSL

from common.errors import BackendUnavailable
from identity.office import Office
from identity.services import people, roles
from radius_server.eap.packet import Type
from tests.conftest import add_person, wait_until
from tests.integration.radius_packets import access_request
from tests.unit.radius_server.eap.methods.test_mschapv2 import Peer as Mschap
from tests.unit.radius_server.eap.peer import InPeap, Peer, client_context
from tests.unit.radius_server.worker.eap_bench import EapBench, Plain, Talk
from tests.unit.radius_server.worker.test_failed_checks import keep
from tests.unit.radius_server.worker.test_worker import ACCEPT, PASSWORD, REJECT, SECRET

CHALLENGE = 11
METHODS = ("peap", "ttls", "gtc", "mschapv2")


def gone(*_arguments: Any, **_more: Any) -> Any:
    raise BackendUnavailable("database", "pulled out")


@pytest.fixture
def bench(office: Office) -> Iterator[EapBench]:
    add_person(office, "somchai", PASSWORD)
    made = EapBench(office, methods=METHODS)
    yield made
    made.close()


def tunnelled(bench: EapBench, password: str = PASSWORD) -> tuple[Talk, InPeap]:
    context = client_context(bench.office.config.eap_ca, SSL.TLS1_3_VERSION)
    inside = InPeap(b"somchai", password.encode())
    return Talk(bench, Peer(Type.PEAP, context, inside)), inside


def at_the_password(talk: Talk, inside: InPeap) -> None:
    """The peer's next packet brings the password."""
    talk.until(lambda _reply: inside.heard and inside.heard[-1][0] == 6)


def by_gtc(bench: EapBench, password: str = PASSWORD) -> Talk:
    return Talk(bench, Plain(6, b"somchai", lambda _prompt: password.encode()))


@pytest.mark.parametrize("what", ["accounts", "check_password"])
def test_a_round_that_meets_an_outage_is_decided_when_its_packet_comes_again(
    bench: EapBench, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    talk, inside = tunnelled(bench)
    at_the_password(talk, inside)
    bench.worker._directory.forget()
    with monkeypatch.context() as patched:
        patched.setattr(bench.worker._store, what, gone)
        talk.send()
        talk.silence()
        talk.again()
        talk.silence()
    assert bench.events() == []
    talk.again()
    assert talk.heard().code == CHALLENGE
    assert talk.until().code == ACCEPT
    assert bench.reasons() == ["ok"]


def test_another_message_than_the_one_that_met_the_outage_goes_on_with_nothing(
    bench: EapBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = by_gtc(bench, "a guess")
    talk.until(lambda _reply: talk.said[4:5] == b"\6")
    with monkeypatch.context() as patched:
        patched.setattr(bench.worker._store, "check_password", gone)
        talk.send()
        talk.silence()
    talk.said = talk.said[:5] + PASSWORD.encode()
    talk.said = talk.said[:2] + len(talk.said).to_bytes(2, "big") + talk.said[4:]
    assert talk.step().code == REJECT
    assert bench.reasons() == ["eap_conversation_lost"]


def test_with_rejects_an_outage_ends_the_conversation_at_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_person(office, "somchai", PASSWORD)
    bench = EapBench(office, {"backend_failure": "reject"}, methods=METHODS)
    talk = by_gtc(bench)
    talk.until(lambda _reply: talk.said[4:5] == b"\6")
    with monkeypatch.context() as patched:
        patched.setattr(bench.worker._store, "check_password", gone)
        assert talk.step().code == REJECT
    assert len(bench.worker._conversing._open) == 0
    bench.close()


@pytest.mark.parametrize("password", [PASSWORD, "a guess"])
def test_a_decision_that_could_not_be_stored_is_made_again(
    bench: EapBench, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    talk, inside = tunnelled(bench, password)
    at_the_password(talk, inside)
    if password == PASSWORD:
        talk.until(lambda _reply: inside.heard[-1][4:5] == b"\x21")
    with monkeypatch.context() as patched:
        patched.setattr(bench.worker._committer._ledger, "start", gone)
        talk.send()
        talk.silence()
    talk.again()
    reply = talk.heard()
    if password == PASSWORD:
        assert reply.code == ACCEPT
        assert bench.reasons() == ["ok"]
        return
    assert reply.code == CHALLENGE
    assert bench.reasons() == ["wrong_password"]
    assert talk.until().code == REJECT
    assert bench.reasons() == ["wrong_password"]


def test_an_account_suspended_during_the_outage_does_not_get_in(
    bench: EapBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = by_gtc(bench)
    talk.until(lambda _reply: talk.said[4:5] == b"\6")
    with monkeypatch.context() as patched:
        patched.setattr(bench.worker._committer._ledger, "start", gone)
        talk.send()
        talk.silence()
    with bench.office.database.write() as session:
        people.set_state(session, bench.office, "somchai", "suspended", "test")
    bench.worker._next_poll = 0.0
    talk.again()
    assert talk.heard().code == REJECT
    assert bench.reasons() == ["suspended"]


def test_a_refused_proof_that_could_not_be_stored_counts_once(
    bench: EapBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(bench.office)
    counted: list[str] = []
    penalties = bench.worker._questions._throttle._penalties
    monkeypatch.setattr(penalties, "failed", lambda name, *_rest: counted.append(name))
    peer = Mschap("a guess", b"somchai")
    talk = Talk(
        bench,
        Plain(26, b"somchai", lambda data: bytes((4,)) if data[0] == 4 else peer(data)),
    )
    talk.until(lambda _reply: talk.said[5:6] == b"\2")
    with monkeypatch.context() as patched:
        patched.setattr(bench.worker._committer._ledger, "start", gone)
        talk.send()
        talk.silence()
    talk.again()
    talk.heard()
    assert talk.until().code == REJECT
    assert bench.reasons() == ["wrong_password"]
    assert len(counted) == 1


class Held:
    """Keeps the first password check until it is let go."""

    def __init__(self, bench: EapBench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bench, self.free, self.checks = bench, threading.Event(), 0
        self._check = bench.worker._store.check_password
        monkeypatch.setattr(bench.worker._store, "check_password", self._slowly)
        octets = access_request(200, SECRET.encode(), b"somchai", b"whatever it is")
        bench.auth.waiting = [octets]
        bench.turn()
        wait_until(lambda: self.checks, 10, "no password is checked")

    def _slowly(self, *arguments: Any) -> Any:
        self.checks += 1
        assert self.free.wait(20)
        return self._check(*arguments)


def test_a_password_inside_a_conversation_finds_no_more_room_than_any_other(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_person(office, "somchai", PASSWORD)
    bench = EapBench(office, {"slow_queue": 1}, methods=METHODS)
    talk = by_gtc(bench)
    talk.until(lambda _reply: talk.said[4:5] == b"\6")
    held = Held(bench, monkeypatch)
    talk.send()
    bench.turn()
    assert bench.worker._questions.waiting == 1
    assert bench.counters.get("radius_dropped", reason="slow_queue_full") == 1
    held.free.set()
    assert bench.until_answered(200) == REJECT
    assert talk.number not in bench.auth.replies
    talk.again()
    assert talk.heard().code == ACCEPT
    bench.close()


def test_the_tls_of_a_conversation_goes_on_while_the_queue_is_full(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_person(office, "somchai", PASSWORD)
    bench = EapBench(office, {"slow_queue": 1}, threads=2, methods=METHODS)
    talk, inside = tunnelled(bench)
    talk.step()
    held = Held(bench, monkeypatch)
    talk.until(lambda _reply: inside.heard and inside.heard[-1][0] == 6)
    assert not held.free.is_set()
    held.free.set()
    bench.close()


def test_a_quota_still_bounds_an_account_that_changed_while_it_waited(
    bench: EapBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench.office.database.write() as session:
        roles.set_role(session, bench.office, "student", {"quota_minutes_day": 5}, "test")
    bench.worker._next_poll = 0.0
    checked, is_turned = bench.worker._store.check_password, threading.Event()

    def slowly(*arguments: Any) -> Any:
        is_turned.wait(20)  # or the turn that asks might take the answer up, too
        with bench.office.database.write() as session:
            roles.set_role(session, bench.office, "student", {"vlan": 7}, "test")
        return checked(*arguments)

    monkeypatch.setattr(bench.worker._store, "check_password", slowly)
    bench.auth.waiting = [access_request(9, SECRET.encode(), b"somchai", PASSWORD.encode())]
    bench.turn()
    is_turned.set()
    wait_until(lambda: bench.worker._questions._answered, 20, "argon2 takes too long")
    bench.worker._next_poll = 0.0
    assert bench.until_answered(9) == ACCEPT
    values = bench.auth.replies[9].values
    assert values[81] == b"7"
    assert int.from_bytes(values[27], "big") <= 300
