"""Logins and accounting packets a second, each on the disk before it is answered.

Starts `yuenyan radius` on SQLite and then on a PostgreSQL of its own, both with every
guarantee on, and loads it from loopback. Under a minute; leaves nothing behind.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.loadgen import Measured, run
from bench.postgresql import free_port, postgresql_programs, running_postgresql
from bench.processes import end, end_on_sigterm
from common import config as configuration
from common.config import Config
from identity.office import Office
from identity.services import nas, people
from tests.integration.radius_packets import (
    ACCESS_ACCEPT,
    ACCOUNTING_RESPONSE,
    INTERIM,
    START,
    STOP,
    access_request,
    accounting_request,
)
from yuenyan.initialise import initialise
from yuenyan.processes.radius import worker_count

SECRET = "the shared secret of the bench"
KEY = SECRET.encode()
PASSWORD = b"password of everybody"
USERS = 100
SOURCES = 16
WINDOW = 128
SECONDS = 3.0
"""Of load in each measurement."""

MOST = 96_000
"""Packets made beforehand; more than a machine answers in that time."""

START_SECONDS = 40.0

Packets = tuple[list[list[bytes]], list[list[bytes]]]
"""Of each source: Access-Requests, Accounting-Requests."""

_CONFIGURATION = """\
[site]
name = "bench"
data_dir = "{folder}/var"
[database]
url = "{url}"
[radius]
auth = ["127.0.0.1:{auth}"]
acct = ["127.0.0.1:{acct}"]
workers = {workers}
"""


def main() -> int:
    """Print the table; the exit code says whether every answer was right."""
    end_on_sigterm()
    cores = os.cpu_count() or 1
    print(
        f"{SOURCES} sources, {WINDOW} requests under way, {cores} cores that server, database "
        "and load generator share; every decision and packet is committed durably before its "
        "answer; passwords warm (argon2id paid once a user beforehand)"
    )
    print(
        f"{'database':<12}{'workers':>8}  {'measured':<11}{'per second':>11}{'p50 ms':>8}"
        f"{'p99 ms':>8}{'answered':>10}{'again':>7}{'lost':>6}{'wrong':>7}{'checked':>9}"
    )
    packets = login_packets(), accounting_packets()
    good = True
    with tempfile.TemporaryDirectory(prefix="yuenyan-bench-") as name:
        good &= bench(Path(name), "sqlite", "", packets)
    if postgresql_programs() is None:
        print("postgresql: not installed, not measured")
        return 0 if good else 1
    with (
        tempfile.TemporaryDirectory(prefix="yuenyan-bench-") as name,
        running_postgresql() as database,
    ):
        good &= bench(Path(name), "postgresql", database.url, packets)
    return 0 if good else 1


def bench(folder: Path, kind: str, url: str, packets: Packets) -> bool:
    """Measure one database; whether every answer was right."""
    config = make_site(folder, url)
    auth, acct = (
        int(one[0].rpartition(":")[2]) for one in (config.radius.auth, config.radius.acct)
    )
    logins, accounting = packets
    with server(config, folder):
        run(auth, first_logins(), KEY, ACCESS_ACCEPT, 32, 30.0)
        good = report(
            kind, config, "logins", run(auth, logins, KEY, ACCESS_ACCEPT, WINDOW, SECONDS)
        )
        good &= report(
            kind, config, "accounting",
            run(acct, accounting, KEY, ACCOUNTING_RESPONSE, WINDOW, SECONDS),
        )  # fmt: skip
    return good


def report(kind: str, config: Config, what: str, measured: Measured) -> bool:
    """Print one line; whether every answer was right."""
    print(
        f"{kind:<12}{worker_count(config):>8}  {what:<11}{measured.rate:>11,.0f}"
        f"{measured.percentile(0.5) * 1000:>8.1f}{measured.percentile(0.99) * 1000:>8.1f}"
        f"{measured.answered:>10,}{measured.again:>7}{measured.lost:>6}{measured.wrong:>7}"
        f"{measured.checked:>9,}",
        flush=True,
    )
    return not measured.wrong and not measured.lost


def first_logins() -> list[list[bytes]]:
    """One Access-Request a user, which costs argon2; afterwards the server knows them."""
    return [
        [
            access_request(number, KEY, f"user{user}".encode(), PASSWORD)
            for number, user in enumerate(range(source, USERS, SOURCES))
        ]
        for source in range(SOURCES)
    ]


def login_packets() -> list[list[bytes]]:
    """Access-Requests of every source; each has an authenticator of its own."""
    return [
        [
            access_request(number % 256, KEY, f"user{(source + number) % USERS}".encode(), PASSWORD)
            for number in range(MOST // SOURCES)
        ]
        for source in range(SOURCES)
    ]


def accounting_packets() -> list[list[bytes]]:
    """Start, two interim updates and stop of many sessions, those of one session in order."""
    sources = []
    sessions = MOST // SOURCES // 4
    for source in range(SOURCES):
        packets: list[bytes] = []
        # Sixty-four sessions at a time, as a busy access point has them.
        for first in range(0, sessions, 64):
            for step, status in enumerate((START, INTERIM, INTERIM, STOP)):
                for number in range(first, min(first + 64, sessions)):
                    packets.append(
                        accounting_request(
                            len(packets) % 256, KEY, status, f"{source}-{number}".encode(),
                            name=f"user{number % USERS}".encode(),
                            address=0x0A000000 + source * 65536 + number, seconds=step * 300,
                        )
                    )  # fmt: skip
        sources.append(packets)
    return sources


def make_site(folder: Path, url: str, workers: int = 0, users: int = USERS) -> Config:
    """An initialised site with users and one NAS; `workers` 0 is one a core."""
    path = folder / "yuenyan.toml"
    auth, acct = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    path.write_text(
        _CONFIGURATION.format(folder=folder, url=url, auth=auth, acct=acct, workers=workers),
        encoding="utf-8",
    )
    config = configuration.load(path)
    initialise(config, "bench", "correct horse battery")
    office = Office.open(config)
    # One hash for all: what an account costs to make is not measured here.
    hashed = office.passwords.hash(PASSWORD.decode())
    with office.database.write() as session:
        for number in range(users):
            new = people.NewUser(username=f"user{number}", password_hash=hashed)
            people.add_user(session, office, new, "bench")
        nas.add_nas(session, office, "bench", "127.0.0.1/32", SECRET, "bench")
    office.database.dispose()
    return config


@contextmanager
def server(
    config: Config, folder: Path, ready: Callable[[], bool] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """`yuenyan radius` while it answers; it must end well at the end.

    Args:
        ready: tells whether it answers; without it, the metrics of every worker do.
    """
    log = folder / "radius.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "yuenyan.cli", "--config", str(config.source), "radius"],
            stdout=stream,
            stderr=stream,
            cwd=Path(__file__).parent.parent,
        )
    metrics = [
        config.data_dir / "metrics" / f"radius-{number}.prom"
        for number in range(worker_count(config))
    ]
    is_ready = ready or (lambda: all(path.exists() for path in metrics))
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the server does not start: {log.read_text()}")
            time.sleep(0.01)
        yield process
    finally:
        exit_code = end(process, 60)
    if exit_code:
        raise SystemExit(f"the server ended with {exit_code}: {log.read_text()[-3000:]}")


if __name__ == "__main__":
    sys.exit(main())
