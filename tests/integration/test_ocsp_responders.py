"""Responders on real sockets: what is believed of HTTP, and how often anybody is asked."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Any

import pytest

from common.metrics import Counters
from identity.domain.access import Unavailable
from radius_server.process.standing import NoProof, Standing, Word
from radius_server.worker.responders import MAXIMUM_OCTETS, Responders, post
from tests.conftest import wait_until

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
                heard.append(connection.recv(65536))
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
        time.sleep(0.15)
        assert responders.known(Asks(url)) is None
        ask(responders, Asks(url))
        assert len(heard) == 2


def test_a_responder_without_an_answer_is_left_alone_for_a_while(
    responders: Responders, monkeypatch: pytest.MonkeyPatch
) -> None:
    with responder(says(GOOD.replace(b"good", b"evil"))) as (url, heard):
        assert ask(responders, Asks(url)) == Unavailable("ocsp")
        assert responders.known(Asks(url, b"another")) == Unavailable("ocsp")
        monkeypatch.setattr("radius_server.worker.responders.REST_SECONDS", 0.0)
        assert ask(responders, Asks(url)) == Unavailable("ocsp")
        assert responders.known(Asks(url)) is None
        assert len(heard) == 2


def test_a_kept_answer_counts_while_the_responder_is_gone(responders: Responders) -> None:
    with responder(says(GOOD)) as (url, _):
        ask(responders, Asks(url))
    assert ask(responders, Asks(url, b"another")) == Unavailable("ocsp")
    assert isinstance(responders.known(Asks(url)), Standing)
