"""Phones that connect and say nothing, or say too much, keep no other phone from the gateway."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from captive_portal.gateway.crowd import MOST_OF_AN_ADDRESS
from tests.conftest import free_port, wait_until

_THREADS = 2
_SERVER = f"""
import sys
from werkzeug.wrappers import Response
from captive_portal.gateway.crowd import CrowdWorker
from captive_portal.web import server, worker
worker.HEADER_SECONDS = 0.5
sys.exit(server.serve(
    lambda: Response("caught"), sys.argv[1], 1, {_THREADS}, "test", keepalive=0,
    worker_class=CrowdWorker,
))
"""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A gateway's web server of two threads."""
    number = free_port()
    process = subprocess.Popen([sys.executable, "-c", _SERVER, f"127.0.0.1:{number}"])
    try:
        wait_until(lambda: _answer(number) is not None, 20, "the server does not answer")
        yield number
    finally:
        process.terminate()
        assert process.wait(30) == 0


def _connect(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0))


def _answer(port: int, source: str = "127.0.0.1") -> bytes | None:
    """The whole answer, read until the server hangs up."""
    try:
        with _connect(port, source) as wire:
            wire.sendall(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
            octets = b""
            while more := wire.recv(4096):
                octets += more
    except OSError:
        return None
    return octets


def test_connections_that_browsers_open_in_advance_cost_nobody_a_thread(port: int) -> None:
    silent = [_connect(port, f"127.0.1.{phone}") for phone in range(1, 30) for _ in range(2)]
    began = time.monotonic()
    for _ in range(5):
        answer = _answer(port)
        assert answer is not None and answer.endswith(b"caught")
    assert time.monotonic() - began < 2
    silent[0].sendall(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
    assert silent[0].recv(4096).startswith(b"HTTP/1.1 200")
    for one in silent:
        one.close()


def test_no_connection_is_kept_for_a_second_request(port: int) -> None:
    answer = _answer(port)
    assert answer is not None and b"Connection: close" in answer


def test_one_device_holds_few_connections_and_gets_them_back(port: int) -> None:
    greedy = [_connect(port, "127.0.2.1") for _ in range(MOST_OF_AN_ADDRESS)]
    time.sleep(0.2)
    assert not _answer(port, "127.0.2.1")
    answer = _answer(port, "127.0.2.2")
    assert answer is not None and answer.endswith(b"caught")
    for one in greedy:
        one.close()
    wait_until(lambda: _answer(port, "127.0.2.1"), 5, "its room is not given back")


def test_half_a_request_holds_a_thread_for_a_moment_only(port: int) -> None:
    halves = [_connect(port, "127.0.3.1") for _ in range(2 * _THREADS)]
    for one in halves:
        one.sendall(b"GET / HT")
    answer = _answer(port)
    assert answer is not None and answer.endswith(b"caught")
    for one in halves:
        with suppress(OSError):
            one.close()
