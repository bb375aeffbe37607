"""Turns of a worker over sockets that only pretend, on a real office and ledger."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from common.errors import BackendUnavailable
from common.metrics import Counters
from db.ledger import open_ledger
from db.models import AuthEvent, NasBoot
from identity.office import Office
from identity.services import nas, people
from identity.verified import TABLE_OCTETS, VerifiedPasswords
from radius_server.process.policy import reply_attributes
from radius_server.worker.worker import Worker
from tests.conftest import add_person, wait_until
from tests.integration.radius_packets import access_request, attribute

SECRET = "a shared secret of some length"
PASSWORD = "password of theirs"
ACCEPT, REJECT = 2, 3


class Wire:
    """A socket whose datagrams are put in and whose replies are looked at."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []
        self.sent: dict[int, int] = {}
        self.source = ("127.0.0.1", 40_000)

    def recvfrom(self, _limit: int) -> tuple[bytes, tuple[str, int]]:
        if not self.waiting:
            raise BlockingIOError
        return self.waiting.pop(0), self.source

    def sendto(self, octets: bytes, _target: object) -> None:
        self.sent[octets[1]] = octets[0]


class Bench:
    """A worker, its two wires, and a turn at a time."""

    def __init__(self, office: Office) -> None:
        self.office, self.auth, self.acct, self.counters = office, Wire(), Wire(), Counters()
        verified = VerifiedPasswords(secrets.token_bytes(32), bytearray(TABLE_OCTETS))
        auth: Any = self.auth
        acct: Any = self.acct
        self.worker = Worker(
            office.config,
            office,
            open_ledger(office.config.database_url),
            [auth],
            [acct],
            self.counters,
            verified,
            threads=1,
        )

    def turn(self) -> None:
        self.worker._turn_safely()

    def close(self) -> None:
        worker = self.worker
        worker._questions.close()
        worker._committer.finish(datetime.now(UTC), time.monotonic() + 5)
        worker._store.close()
        worker._wake_in.close()
        worker._wake_out.close()

    def until_answered(self, identifier: int) -> int:
        def answered() -> bool:
            self.turn()
            return identifier in self.auth.sent

        wait_until(answered, 20, "no answer")
        return self.auth.sent[identifier]


@pytest.fixture
def bench(office: Office) -> Iterator[Bench]:
    add_person(office, "somchai", PASSWORD)
    with office.database.write() as session:
        nas.add_nas(session, office, "gate", "127.0.0.1/32", SECRET, "test")
    bench = Bench(office)
    yield bench
    bench.close()


def _login(identifier: int, name: str = "somchai", password: str = PASSWORD) -> bytes:
    return access_request(identifier, SECRET.encode(), name.encode(), password.encode())


def signed(octets: bytes) -> bytes:
    """A request whose first attribute is Message-Authenticator, with the right value in it."""
    bare = octets[:22] + bytes(16) + octets[38:]
    return octets[:22] + hmac.digest(SECRET.encode(), bare, "md5") + octets[38:]


def _with_proxy_states(octets: bytes) -> bytes:
    """The same request, filled up with Proxy-State and signed again."""
    body = octets[20:]
    while len(body) + 20 <= 4096 - 100:
        body += attribute(33, bytes(min(100, 4096 - 20 - len(body)) - 2))
    return signed(octets[:2] + struct.pack("!H", 20 + len(body)) + octets[4:20] + body)


def _accounting(identifier: int, *attributes: tuple[int, bytes]) -> bytes:
    body = b"".join(attribute(kind, value) for kind, value in attributes)
    head = struct.pack("!BBH", 4, identifier, 20 + len(body))
    return head + hashlib.md5(head + bytes(16) + body + SECRET.encode()).digest() + body


def test_a_request_whose_reply_cannot_fit_takes_no_other_along(bench: Bench) -> None:
    bench.auth.waiting = [_login(1)]
    assert bench.until_answered(1) == ACCEPT
    bench.auth.waiting = [_with_proxy_states(_login(2)), _login(3)]
    bench.turn()
    assert bench.auth.sent == {1: ACCEPT, 3: ACCEPT}
    assert bench.counters.get("radius_dropped", reason="malformed") == 1
    assert bench.counters.get("radius_internal_errors") == 0


def test_a_reply_that_cannot_be_made_takes_no_other_along(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_person(bench.office, "broken", PASSWORD)
    for identifier, name in ((1, "somchai"), (2, "broken")):
        bench.auth.waiting = [_login(identifier, name)]
        bench.until_answered(identifier)

    def refuse(granted: Any, *rest: Any) -> bytes:
        if granted.account.username == "broken":
            raise OverflowError("int too big to convert")
        return reply_attributes(granted, *rest)

    monkeypatch.setattr("radius_server.worker.outcome.reply_attributes", refuse)
    bench.auth.waiting = [_login(3, "broken"), _login(4)]
    bench.turn()
    assert (3 in bench.auth.sent, bench.auth.sent.get(4)) == (False, ACCEPT)
    with bench.office.database.read() as session:
        assert len(session.scalars(select(AuthEvent)).all()) == 3


def test_an_account_disabled_while_its_login_waits_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked, is_turned = bench.worker._store.check_password, threading.Event()

    def slowly(*arguments: Any) -> Any:
        is_turned.wait(20)  # or the turn that asks might take the answer up, too
        with bench.office.database.write() as session:
            people.set_state(session, bench.office, "somchai", "suspended", "test")
        return checked(*arguments)

    monkeypatch.setattr(bench.worker._store, "check_password", slowly)
    bench.auth.waiting = [_login(1)]
    bench.turn()
    is_turned.set()
    wait_until(lambda: bench.worker._questions._answered, 20, "argon2 takes too long")
    bench.worker._next_poll = 0.0  # half a second later
    assert bench.until_answered(1) == REJECT
    with bench.office.database.read() as session:
        assert session.scalars(select(AuthEvent.reason)).all() == ["suspended"]


def test_a_restart_that_is_told_late_is_noted_when_it_was(bench: Bench) -> None:
    bench.acct.waiting = [_accounting(7, (40, bytes((0, 0, 0, 7))), (41, bytes((0, 0, 2, 88))))]
    began = datetime.now(UTC)
    bench.turn()
    assert 7 in bench.acct.sent
    with bench.office.database.read() as session:
        (at,) = session.scalars(select(NasBoot.at)).all()
    # The time of receipt is one of whole microseconds between these two.
    assert began - timedelta(seconds=600, milliseconds=1) <= at
    assert at <= datetime.now(UTC) - timedelta(seconds=600)


def test_a_login_whose_password_was_changed_while_it_waited_is_asked_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked, is_turned = bench.worker._store.check_password, threading.Event()

    def slowly(*arguments: Any) -> Any:
        is_turned.wait(20)  # or the turn that asks might take the answer up, too
        with bench.office.database.write() as session:
            hashed = bench.office.passwords.hash("another password")
            people.set_password(session, bench.office, "somchai", hashed, "test")
        return checked(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(bench.worker._store, "check_password", slowly)
        bench.auth.waiting = [first := _login(1)]
        bench.turn()
        is_turned.set()
        wait_until(lambda: bench.worker._questions._answered, 20, "argon2 takes too long")
    bench.worker._next_poll = 0.0  # half a second later
    bench.turn()
    assert bench.auth.sent == {}
    bench.auth.waiting = [first]
    assert bench.until_answered(1) == REJECT


def test_a_worker_that_never_saw_the_database_calls_nobody_a_stranger(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(office)

    def away() -> int:
        raise BackendUnavailable("database")

    with monkeypatch.context() as patched:
        patched.setattr(bench.worker._store, "revision", away)
        bench.auth.waiting = [_login(1)]
        bench.turn()
    assert bench.counters.get("radius_dropped", reason="unknown_nas") == 0
    bench.worker._next_poll = 0.0
    bench.auth.waiting = [_login(1)]
    bench.turn()
    assert bench.counters.get("radius_dropped", reason="unknown_nas") == 1
    bench.close()
