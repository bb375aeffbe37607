"""Clients that send one octet and fall silent do not keep a portal from answering."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest

from tests.conftest import free_port, wait_until

_SERVER = """
import sys
from flask import Flask
from captive_portal.web import server, worker
worker.HEADER_SECONDS, worker.REQUEST_SECONDS = 0.5, 1.0
app = Flask("test")
app.add_url_rule("/", "here", lambda: "here", methods=["GET", "POST"])
app.before_request(lambda: __import__("flask").request.form and None)
sys.exit(server.serve(lambda: app, sys.argv[1], 1, 2, "test"))
"""


@pytest.fixture
def port() -> Iterator[int]:
    """A portal of two threads."""
    number = free_port()
    process = subprocess.Popen([sys.executable, "-c", _SERVER, f"127.0.0.1:{number}"])
    try:
        wait_until(lambda: _answers(number), 20, "the portal does not answer")
        yield number
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=15) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"G", id="header"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 99\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\na=",
            id="body",
        ),
    ],
)
def test_silent_clients_do_not_hold_the_threads(port: int, start: bytes) -> None:
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
    for one in silent:
        one.sendall(start)
    assert _answers(port)
    for one in silent:
        one.close()
