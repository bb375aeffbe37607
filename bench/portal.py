"""Logins a second at the public portal, what each costs, and how long its first page takes.

Starts `yuenyan portal` with two workers on SQLite and then on a PostgreSQL of its own. A login is
one form with the right password of somebody who has logged in before (a warm credential): it is
checked, recorded and answered by 303 to the status page. A visit is all that a caught phone does,
on a connection of its own: the gateway's redirect, the page, the form, and the page that hands a
one-time token over to the gateway. Processor time is read from the kernel for every process that
takes part, so it says what this machine could do even while something else runs on it. Under two
minutes; leaves nothing behind.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.phones import Answer, Phone, Walks, walk
from bench.postgresql import free_port, postgresql_programs, running_postgresql
from bench.processes import end, end_on_sigterm, processor_seconds
from common import config as configuration
from identity.office import Office
from identity.services import nas, people
from yuenyan.initialise import initialise

PASSWORD = "password of everybody"
USERS = 200
WORKERS = 2
CONNECTIONS = 8
CORES = 2
START_SECONDS = 40.0
TARGET_LOGINS, TARGET_P99 = 500, 0.050
GATEWAY = "hall"

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
_TOKEN = re.compile(rb'name="form_token" value="([^"]+)"')


def main() -> None:
    """Print what each kind of database does; a wrong answer ends it with an error."""
    end_on_sigterm()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure("SQLite", Path(folder), "", asked.seconds)
    if postgresql_programs() is None:
        return
    with running_postgresql() as server, tempfile.TemporaryDirectory() as folder:
        measure("PostgreSQL", Path(folder), server.url, asked.seconds, server.number)


def measure(name: str, folder: Path, url: str, seconds: float, database: int = 0) -> None:
    """Print what a portal on this database does; `database`: the process number of its server."""
    with portal(folder, url) as (port, number):
        taken: list[float] = []
        logins = _logins(port, taken)
        for _ in range(WORKERS * 3):  # each worker keeps its own memory
            walk(port, logins, CONNECTIONS, count=USERS)
        taken.clear()
        full, costs = _priced(
            lambda: walk(port, logins, CONNECTIONS, seconds=seconds), number, database
        )
        print(
            f"{name:<11} {full.done / full.seconds:6.0f} logins/s, p99"
            f" {_p99(taken) * 1000:.0f} ms; target {TARGET_LOGINS}/s"
        )
        _tell_costs("login", costs, full.done)
        pages: list[float] = []
        watching = threading.Thread(target=_watch, args=(port, seconds, pages))
        watching.start()
        half = walk(port, logins, CONNECTIONS, seconds=seconds, rate=full.done / full.seconds / 2)
        watching.join()
        print(
            f"{'':<11} login page at {half.done / half.seconds:.0f} logins/s: median "
            f"{statistics.median(pages) * 1000:.1f} ms, p99 {_p99(pages) * 1000:.1f} ms of"
            f" {len(pages)}; target {TARGET_P99 * 1000:.0f} ms"
        )
        walk(port, _visits(port), CONNECTIONS, count=USERS, fresh=True)  # statements are prepared
        visits, costs = _priced(
            lambda: walk(port, _visits(port), CONNECTIONS, seconds=seconds, fresh=True),
            number,
            database,
        )
        print(f"{'':<11} {visits.done / visits.seconds:.0f} whole visits/s of 4 requests each")
        _tell_costs("visit", costs, visits.done)


def _priced(
    load: Callable[[], Walks], portal: int, database: int
) -> tuple[Walks, dict[str, float]]:
    """What a load came to, and the processor seconds of everybody in it."""
    parts = {"portal": portal, "database": database}
    before = {part: processor_seconds(one) for part, one in parts.items() if one}
    own = sum(os.times()[:2])
    walks = load()
    costs = {"client": sum(os.times()[:2]) - own}
    for part, seconds in before.items():
        costs[part] = processor_seconds(parts[part]) - seconds
    return walks, costs


def _tell_costs(what: str, costs: dict[str, float], count: int) -> None:
    each = {part: seconds * 1000 / count for part, seconds in costs.items()}
    parts = ", ".join(f"{part} {cost:.2f}" for part, cost in sorted(each.items()))
    total = sum(each.values())
    print(
        f"{'':<11} processor ms a {what}: {total:.2f} ({parts});"
        f" {CORES} cores carry {CORES * 1000 / total:.0f}/s with the client,"
        f" {CORES * 1000 / (total - each['client']):.0f}/s without"
    )


def _p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98] if len(seconds) > 1 else 0.0


def _logins(port: int, taken: list[float]) -> Callable[[int], Phone]:
    """Phones that send a form with the right password of one of the people."""
    token = form_token(port)
    forms = [
        http_request(port, "POST", "/", _form(token, f"user{number}")) for number in range(USERS)
    ]

    def phone(number: int) -> Phone:
        answer = yield forms[number % USERS]
        _expect(answer, 303)
        taken.append(answer.seconds)

    return phone


def _visits(port: int) -> Callable[[int], Phone]:
    """Phones that a gateway has caught, up to the page that hands them back to it."""

    def phone(number: int) -> Phone:
        query = urlencode(
            {
                "mac": f"02-00-00-{number >> 16 & 255:02x}-{number >> 8 & 255:02x}"
                f"-{number & 255:02x}",
                "url": "http://connectivitycheck.gstatic.com/generate_204",
            }
        )
        answer = yield http_request(port, "GET", f"/p/{GATEWAY}/?{query}")
        place = answer.header(b"location")
        _expect(answer, 302)
        answer = yield http_request(port, "GET", place)
        _expect(answer, 200)
        found = _TOKEN.search(answer.body)
        assert found is not None, "the login page has no form token"
        answer = yield http_request(
            port, "POST", place, _form(found[1].decode(), f"user{number % USERS}")
        )
        _expect(answer, 303)
        place = answer.header(b"location")
        assert place.startswith("/connect"), place
        answer = yield http_request(port, "GET", place)
        _expect(answer, 200)
        assert b"hall.example" in answer.body, answer.body[:2000]

    return phone


def _expect(answer: Answer, status: int) -> None:
    assert answer.status == status, answer.head + answer.body[:2000]


def _watch(port: int, seconds: float, taken: list[float]) -> None:
    """Open the login page again and again as a phone does, each on a connection of its own."""

    def phone(_number: int) -> Phone:
        answer = yield http_request(port, "GET", "/")
        _expect(answer, 200)
        taken.append(answer.seconds)
        time.sleep(0.02)

    walk(port, phone, 1, seconds=seconds, fresh=True)


def _form(token: str, username: str) -> bytes:
    """The form with somebody's right password."""
    fields = {"form_token": token, "username": username, "password": PASSWORD}
    return urlencode(fields).encode()


def http_request(port: int, method: str, path: str, body: bytes = b"") -> bytes:
    """One request as octets."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    if body:
        head += "Content-Type: application/x-www-form-urlencoded\r\n"
        head += f"Content-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


def form_token(port: int) -> str:
    """A token that any form of this machine may send."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/")
    found = _TOKEN.search(connection.getresponse().read())
    connection.close()
    assert found is not None, "the login page has no form token"
    return found[1].decode()


@contextlib.contextmanager
def portal(folder: Path, url: str) -> Iterator[tuple[int, int]]:
    """Port and process number of a running portal with `USERS` people and one gateway."""
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
        nas.add_nas(
            session,
            office,
            GATEWAY,
            "192.0.2.1/32",
            "a-long-shared-secret",
            "bench",
            login_url="http://hall.example/login",
        )
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
        yield port, server.pid
    finally:
        end(server, 30)


if __name__ == "__main__":
    main()
