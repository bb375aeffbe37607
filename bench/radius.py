"""Logins and accounting packets a second, each on the disk before it is answered.

Starts `yuenyan radius` on SQLite and then on a PostgreSQL of its own, both with every
guarantee on, and loads it from loopback. Under a minute; leaves nothing behind.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.loadgen import Measured, run
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
"""


def main() -> int:
    """Print the table; the exit code says whether every answer was right."""
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
    with tempfile.TemporaryDirectory(prefix="yuenyan-bench-") as name, postgresql() as url:
        good &= bench(Path(name), "postgresql", url, packets)
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


def make_site(folder: Path, url: str) -> Config:
    """An initialised site with users and one NAS."""
    path = folder / "yuenyan.toml"
    auth, acct = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    path.write_text(
        _CONFIGURATION.format(folder=folder, url=url, auth=auth, acct=acct), encoding="utf-8"
    )
    config = configuration.load(path)
    initialise(config, "bench", "correct horse battery")
    office = Office.open(config)
    # One hash for all: what an account costs to make is not measured here.
    hashed = office.passwords.hash(PASSWORD.decode())
    with office.database.write() as session:
        for number in range(USERS):
            new = people.NewUser(username=f"user{number}", password_hash=hashed)
            people.add_user(session, office, new, "bench")
        nas.add_nas(session, office, "bench", "127.0.0.1/32", SECRET, "bench")
    office.database.dispose()
    return config


@contextmanager
def server(config: Config, folder: Path) -> Iterator[None]:
    """`yuenyan radius` while it answers; stopped at the end."""
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
    try:
        deadline = time.monotonic() + START_SECONDS
        while not all(path.exists() for path in metrics):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the server does not start: {log.read_text()}")
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def postgresql_programs() -> Path | None:
    """The folder of Debian's newest PostgreSQL, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of a new database on a PostgreSQL of its own, with fsync on."""
    programs = postgresql_programs()
    assert programs is not None
    owner: dict[str, Any] = {}
    if os.geteuid() == 0:
        entry = pwd.getpwnam("postgres")
        owner = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    folder = Path(tempfile.mkdtemp(prefix="yuenyan-bench-postgresql-"))
    if owner:
        os.chown(folder, owner["user"], owner["group"])
    port = free_port(socket.SOCK_STREAM)
    data = folder / "data"
    subprocess.run(
        [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust"],
        check=True, stdout=subprocess.DEVNULL, cwd="/", **owner,
    )  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder),
             "-c", "listen_addresses=127.0.0.1"],
            stdout=log, stderr=log, cwd="/", **owner,
        )  # fmt: skip
    ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    try:
        deadline = time.monotonic() + START_SECONDS
        while subprocess.run(ready).returncode:
            if time.monotonic() > deadline:
                raise SystemExit("PostgreSQL does not start")
            time.sleep(0.1)
        yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def free_port(kind: socket.SocketKind) -> int:
    """A port of loopback that was free a moment ago."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
