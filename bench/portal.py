"""Logins a second at the public portal, and how long its first page takes meanwhile.

Starts `yuenyan portal` with two workers on SQLite and then on a PostgreSQL of its own. A login is
one form with the right password of somebody who has logged in before (a warm credential): it is
checked, recorded and answered by 303 to the status page. Under two minutes; leaves nothing
behind.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.postgresql import free_port, postgresql_programs, running_postgresql
from common import config as configuration
from identity.office import Office
from identity.services import people
from yuenyan.initialise import initialise

PASSWORD = "password of everybody"
USERS = 200
WORKERS = 2
CONNECTIONS = 8
START_SECONDS = 40.0
TARGET_LOGINS, TARGET_P99 = 500, 0.050

_CONFIGURATION = """\
[site]
name = "bench"
data_dir = "{folder}/var"
[database]
url = "{url}"
[portal]
listen = "127.0.0.1:{port}"
workers = {workers}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure("SQLite", Path(folder), "", asked.seconds)
    if postgresql_programs() is None:
        return
    with running_postgresql() as server, tempfile.TemporaryDirectory() as folder:
        measure("PostgreSQL", Path(folder), server.url, asked.seconds)


def measure(name: str, folder: Path, url: str, seconds: float) -> None:
    with portal(folder, url) as port:
        token = form_token(port)
        forms = [login(port, token, f"user{number}") for number in range(USERS)]
        for _ in range(WORKERS * 3):  # each worker keeps its own memory
            load(port, forms, 0.0, count=len(forms))
        full = load(port, forms, seconds)
        print(
            f"{name:<11} {full.rate:6.0f} logins/s, p99 {full.p99 * 1000:.0f} ms, "
            f"{full.failed} refused; target {TARGET_LOGINS}/s"
        )
        page = http_request(port, "GET", "/")
        pages: list[float] = []
        watching = threading.Thread(target=_watch, args=(port, page, seconds, pages))
        watching.start()
        half = load(port, forms, seconds, rate=full.rate / 2)
        watching.join()
        p99 = statistics.quantiles(pages, n=100)[98]
        print(
            f"{'':<11} login page at {half.rate:.0f} logins/s: median "
            f"{statistics.median(pages) * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms of {len(pages)}; "
            f"target {TARGET_P99 * 1000:.0f} ms"
        )


class Load:
    """What one burst of requests came to."""

    def __init__(self, seconds: float, taken: list[float], failed: int) -> None:
        self.rate = len(taken) / seconds
        self.p99 = statistics.quantiles(taken, n=100)[98] if len(taken) > 1 else 0.0
        self.failed = failed


def load(
    port: int, forms: list[bytes], seconds: float, *, rate: float = 0.0, count: int = 0
) -> Load:
    """Send `forms` in turn on several connections, for `seconds` or `count` of them."""
    taken: list[list[float]] = [[] for _ in range(CONNECTIONS)]
    failed = [0] * CONNECTIONS
    began = time.perf_counter()

    def one(place: int) -> None:
        gap = CONNECTIONS / rate if rate else 0.0
        due = time.perf_counter() + gap * place / CONNECTIONS
        with contextlib.closing(socket.create_connection(("127.0.0.1", port))) as connection:
            for number in range(place, 10**9, CONNECTIONS):
                if (count and number >= count) or (
                    not count and time.perf_counter() - began >= seconds
                ):
                    return
                if gap:
                    time.sleep(max(0.0, due - time.perf_counter()))
                    due += gap
                sent = time.perf_counter()
                answer = exchange(connection, forms[number % len(forms)])
                taken[place].append(time.perf_counter() - sent)
                failed[place] += not answer.startswith(b"HTTP/1.1 303")

    threads = [threading.Thread(target=one, args=(place,)) for place in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Load(time.perf_counter() - began, [one for part in taken for one in part], sum(failed))


def _watch(port: int, page: bytes, seconds: float, taken: list[float]) -> None:
    """Open the login page ten times a second as a phone does, each on a connection of its own."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        with contextlib.closing(socket.create_connection(("127.0.0.1", port))) as connection:
            answer = exchange(connection, page)
        taken.append(time.perf_counter() - began)
        assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
        time.sleep(0.02)


def exchange(connection: socket.socket, request: bytes) -> bytes:
    """Send one request and read its whole answer."""
    connection.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = connection.recv(1 << 16)
        if not part:
            raise ConnectionError("the portal closed the connection")
        answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while length and len(body) < int(length[1]):
        body += connection.recv(1 << 16)
    return head


def login(port: int, token: str, username: str) -> bytes:
    """The form with somebody's right password."""
    body = urlencode({"form_token": token, "username": username, "password": PASSWORD})
    return http_request(port, "POST", "/", body.encode())


def http_request(port: int, method: str, path: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    if body:
        head += "Content-Type: application/x-www-form-urlencoded\r\n"
        head += f"Content-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


def form_token(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/")
    text = connection.getresponse().read().decode()
    connection.close()
    found = re.search(r'name="form_token" value="([^"]+)"', text)
    assert found is not None, "the login page has no form token"
    return found[1]


@contextlib.contextmanager
def portal(folder: Path, url: str) -> Iterator[int]:
    """The port of a running portal with `USERS` people."""
    port = free_port(socket.SOCK_STREAM)
    path = folder / "yuenyan.toml"
    path.write_text(
        _CONFIGURATION.format(folder=folder, url=url, port=port, workers=WORKERS), encoding="utf-8"
    )
    config = configuration.load(path)
    initialise(config, "head", "correct horse battery")
    office = Office.open(config)
    hashed = office.passwords.hash(PASSWORD)
    with office.database.write() as session:
        for number in range(USERS):
            new = people.NewUser(username=f"user{number}", password_hash=hashed)
            people.add_user(session, office, new, "bench")
    office.database.dispose()
    command = [sys.executable, "-m", "yuenyan.cli", "--config", str(path), "portal"]
    with (folder / "portal.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and server.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            time.sleep(0.1)
        yield port
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


if __name__ == "__main__":
    main()
