"""Responders on real sockets: what is believed of HTTP, and how often anybody is asked."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from common.metrics import Counters
from identity.domain.access import AccountSnapshot, Denied, Method, Reason, Unavailable
from identity.domain.throttle import Penalties
from identity.office import Office
from identity.stores.sql import SqlStore
from identity.verified import TABLE_OCTETS, VerifiedPasswords
from radius_server.process.questions import AskStanding, CheckPassword, Dialogue, FindAccount
from radius_server.process.standing import NoProof, Standing, Word
from radius_server.worker.directory import Directory
from radius_server.worker.look_ups import LookUps
from radius_server.worker.questions import Login, Questions
from radius_server.worker.responders import MAXIMUM_OCTETS, Responders, post
from tests.certificates import Authority, Issued
from tests.conftest import add_person, wait_until

pytestmark = pytest.mark.timeout(60)

GOOD = b"HTTP/1.0 200 OK\r\nContent-Type: application/ocsp-response\r\n\r\ngood"


@contextmanager
def responder(serve: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """Answers each connection with `serve`; its URL and the requests it has had."""
    listener = socket.create_server(("127.0.0.1", 0))
    heard: list[bytes] = []

    def run() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                heard.append(_whole_request(connection))
                try:
                    serve(connection)
                except OSError:
                    continue

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/status?of=us", heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(15)


def _whole_request(connection: socket.socket) -> bytes:
    """Head and body: closing before all is read would be a reset, and take the answer along."""
    octets = b""
    while not (found := re.search(rb"Content-Length: (\d+)\r\n.*?\r\n\r\n", octets, re.DOTALL)):
        more = connection.recv(4096)
        if not more:
            return octets
        octets += more
    while len(octets) < found.end() + int(found[1]):
        octets += connection.recv(4096)
    return octets


def says(octets: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(octets)


class Asks:
    """An inquiry that believes the word `good`."""

    def __init__(self, url: str, key: bytes = b"k", seconds: float = 60) -> None:
        self.url, self.key, self.seconds = url, key, seconds

    def request(self, nonce: bytes) -> bytes:
        return b"?" + nonce

    def judge(self, answer: bytes, nonce: bytes, now: datetime) -> Standing:
        if answer != b"good":
            raise NoProof("no good")
        return Standing(Word.GOOD, now + timedelta(seconds=self.seconds))


@pytest.fixture
def responders() -> Iterator[Responders]:
    made = Responders(1.0, Counters(), lambda: datetime.now(UTC))
    yield made
    made.close()


def ask(responders: Responders, inquiry: Asks) -> Standing | Unavailable:
    told: list[Any] = []
    responders.ask(inquiry, told.append)
    wait_until(lambda: told, 10, "nobody was told")
    answer: Standing | Unavailable = told[0]
    return answer


def test_what_is_posted_and_what_comes_back() -> None:
    with responder(says(GOOD)) as (url, heard):
        assert post(url, b"request", 2) == b"good"
        assert heard[0].startswith(b"POST /status?of=us HTTP/1.1\r\n")
        assert b"Content-Type: application/ocsp-request\r\n" in heard[0]


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
        b"HTTP/1.0 500 Oh\r\n\r\ngood",
        b"nothing of the kind\r\n\r\n",
        b"",
        b"HTTP/1.0 200 OK\r\n\r\n" + bytes(MAXIMUM_OCTETS + 1),
    ],
    ids=["redirect", "error", "no HTTP", "nothing", "too long"],
)
def test_what_is_no_answer(octets: bytes) -> None:
    with responder(says(octets)) as (url, heard), pytest.raises((HTTPException, OSError)):
        post(url, b"request", 2)
    assert len(heard) == 1


@pytest.mark.parametrize("head", [b"", GOOD[:40], GOOD[:-4]], ids=["head", "fields", "body"])
def test_a_responder_that_drips_is_cut_off_in_time(head: bytes) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(100):
            time.sleep(0.1)
            connection.sendall(b"H")

    began = time.monotonic()
    with responder(drip) as (url, _):
        with pytest.raises((HTTPException, OSError)):
            post(url, b"request", 0.6)
        assert time.monotonic() - began < 2


def over_tls(issued: Issued, answer: bytes) -> Callable[[socket.socket], None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.chain, issued.key)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as inside:
            _whole_request(inside)
            inside.sendall(answer)

    return serve


@contextmanager
def tls_responder(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """As `responder`, without a look at what comes before TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            connection, _ = listener.accept()
            connection.settimeout(10)
            with connection, contextlib.suppress(OSError):
                serve(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"https://localhost:{listener.getsockname()[1]}/"
        thread.join(15)


def test_a_responder_over_tls_is_believed_when_its_certificate_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("localhost", dns=["localhost"])
    with tls_responder(over_tls(issued, GOOD)) as url, pytest.raises(ssl.SSLError):
        post(url, b"request", 5)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    with tls_responder(over_tls(issued, GOOD)) as url:
        assert post(url, b"request", 5) == b"good"
    other = authority.issue("elsewhere", dns=["elsewhere.example"])
    with tls_responder(over_tls(other, GOOD)) as url, pytest.raises(ssl.SSLError):
        post(url, b"request", 5)


def test_a_responder_that_drips_its_handshake_is_cut_off_in_time() -> None:
    def drip(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")  # a long ServerHello begins
        for _ in range(100):
            time.sleep(0.1)
            connection.sendall(b"\0")

    began = time.monotonic()
    with tls_responder(drip) as url:
        with pytest.raises(OSError):
            post(url, b"request", 0.6)
        assert time.monotonic() - began < 2


def test_a_responder_that_is_cut_off_before_its_handshake_begins_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class AtOnce:
        """A timer on a machine that gave the asking thread no turn until it was over."""

        def __init__(self, _seconds: float, act: Callable[..., None], words: list[Any]) -> None:
            self.start = lambda: act(*words)

        def cancel(self) -> None:
            pass

    monkeypatch.setattr("radius_server.worker.responders.threading.Timer", AtOnce)
    with tls_responder(lambda connection: None) as url, pytest.raises(OSError):
        post(url, b"request", 5)


def test_many_logins_ask_once_and_the_answer_is_kept(responders: Responders) -> None:
    def slowly(connection: socket.socket) -> None:
        time.sleep(0.3)
        connection.sendall(GOOD)

    with responder(slowly) as (url, heard):
        told: list[Any] = []
        for _ in range(50):
            responders.ask(Asks(url), told.append)
        wait_until(lambda: len(told) == 50, 10, "somebody was not told")
        assert {answer.word for answer in told} == {Word.GOOD}
        assert responders.known(Asks(url)) == told[0]
        assert responders.known(Asks(url, b"another")) is None
        assert len(heard) == 1


def test_an_answer_is_asked_for_again_when_its_time_is_over(responders: Responders) -> None:
    with responder(says(GOOD)) as (url, heard):
        ask(responders, Asks(url, seconds=0.1))
        wait_until(lambda: responders.known(Asks(url)) is None, 5, "it is kept for good")
        ask(responders, Asks(url))
        assert len(heard) == 2


def test_a_responder_without_an_answer_is_left_alone_for_a_while(
    responders: Responders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radius_server.worker.responders.REST_SECONDS", 0.5)
    with responder(says(GOOD.replace(b"good", b"evil"))) as (url, heard):
        assert ask(responders, Asks(url)) == Unavailable("ocsp")
        assert responders.known(Asks(url, b"another")) == Unavailable("ocsp")
        assert ask(responders, Asks(url, b"another")) == Unavailable("ocsp")
        assert len(heard) == 1
        wait_until(lambda: responders.known(Asks(url)) is None, 10, "it is left alone for good")
        assert ask(responders, Asks(url)) == Unavailable("ocsp")
        assert len(heard) == 2


def test_a_kept_answer_counts_while_the_responder_is_gone(responders: Responders) -> None:
    with responder(says(GOOD)) as (url, _):
        ask(responders, Asks(url))
    assert ask(responders, Asks(url, b"another")) == Unavailable("ocsp")
    assert isinstance(responders.known(Asks(url)), Standing)


def says_nothing(connection: socket.socket) -> None:
    """Wait until whoever asks has given up."""
    while connection.recv(4096):
        pass


def test_a_responder_that_hangs_holds_up_a_line_for_one_time_out_only(
    responders: Responders,
) -> None:
    with responder(says_nothing) as (url, _):
        told: list[Any] = []
        began = time.monotonic()
        for number in range(20):
            responders.ask(Asks(url, b"%d" % number), told.append)
        wait_until(lambda: len(told) == 20, 20, "somebody was not told")
        assert time.monotonic() - began < 2.2
        assert told == [Unavailable("ocsp")] * 20


def test_passwords_go_on_while_a_responder_hangs(responders: Responders, office: Office) -> None:
    add_person(office, "somchai", "seven elephants")
    proven: list[Any] = []
    ended = Denied(Reason.BAD_REQUEST, Method.PAP)

    def with_certificate(inquiry: Asks) -> Dialogue:
        yield AskStanding(inquiry)
        return ended

    def with_password() -> Dialogue:
        account = yield FindAccount("somchai")
        assert isinstance(account, AccountSnapshot)
        proven.append((yield CheckPassword(account, b"seven elephants")))
        return ended

    def login(dialogue: Dialogue) -> Login:
        return Login(dialogue, (None, SimpleNamespace(nas_client_id=1, now=office.clock())))

    store = SqlStore(office)
    questions = Questions(
        store,
        Directory(store),
        VerifiedPasswords(b"key", bytearray(TABLE_OCTETS)),
        Counters(),
        threads=1,
        queue_limit=6,
        wake=lambda: None,
        penalties=Penalties(b"p" * 32),
        responders=responders,
    )
    try:
        with responder(says_nothing) as (url, _):
            asking = [login(with_certificate(Asks(url, b"%d" % number))) for number in range(9)]
            _, dropped = questions.start(asking)
            assert len(dropped) == 5, "one NAS has two thirds of the room for these, no more"
            assert not questions.is_full
            assert questions.start([login(with_password())]) == ([], [])
            began = time.monotonic()
            decided: list[Login] = []

            def all_decided() -> bool:
                decided.extend(questions.resume(office.clock())[0])
                return len(decided) == 5

            wait_until(all_decided, 20, "somebody waits")
            assert proven == [True]
            assert time.monotonic() - began < 2.2
            assert questions.waiting == 0
    finally:
        questions.close()
        store.close()


@pytest.fixture
def silent_dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A resolver that says nothing until the test is over; the names it was asked for."""
    over = threading.Event()
    asked: list[str] = []

    def hang(host: str, *_arguments: Any, **_more: Any) -> Any:
        asked.append(host)
        over.wait(20)
        raise socket.gaierror("nobody knows")

    with monkeypatch.context() as patched:
        patched.setattr("radius_server.worker.look_ups.socket.getaddrinfo", hang)
        yield asked
        over.set()


def test_a_name_that_nobody_looks_up_is_given_up_in_time(silent_dns: list[str]) -> None:
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(TimeoutError, match=r"ocsp\.silent\.example"):
            post("http://ocsp.silent.example/", b"request", 0.3)
    assert time.monotonic() - began < 2
    assert silent_dns == ["ocsp.silent.example"], "a name that is being looked up has its thread"


def test_names_that_hang_take_no_more_than_so_many_threads(
    silent_dns: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radius_server.worker.look_ups.MAXIMUM_UNDER_WAY", 2)
    look_ups = LookUps()
    for name in ("one", "two"):
        with pytest.raises(TimeoutError):
            look_ups.find(name, 80, 0.05)
    with pytest.raises(OSError, match="too many names"):
        look_ups.find("three", 80, 0.05)
    assert silent_dns == ["one", "two"]


def test_a_name_that_nobody_has_is_no_answer_and_asked_for_again() -> None:
    look_ups = LookUps()
    for _ in range(2):
        with pytest.raises(OSError):
            look_ups.find("nobody.invalid" + "x" * 300, 80, 10)
    assert look_ups.find("127.0.0.1", 80, 10) == [(socket.AF_INET, ("127.0.0.1", 80))]
