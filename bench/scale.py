"""A province: 100,000 accounts and 1,000 NAS, against the small site of bench/radius.py.

How long until it answers, how much memory a worker takes, how fast it is, and how long one
waits at half of that. PostgreSQL of its own; about two minutes; leaves nothing behind.

Accounting brings the Class of its login back, as a NAS does; and once more without one, when the
server has to find out whose each session is.
"""

from __future__ import annotations

import hmac
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import insert, text

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.loadgen import Measured, run, run_steadily
from bench.postgresql import postgresql_programs, running_postgresql
from bench.processes import end_on_sigterm, memory, workers
from bench.radius import KEY, MOST, PASSWORD, SECRET, USERS, WINDOW, make_site, server
from common.config import Config
from db.models import NasClient
from identity.office import Office
from identity.services import nas
from radius_server.process import class_attribute
from tests.integration.radius_packets import (
    ACCESS_ACCEPT,
    ACCOUNTING_RESPONSE,
    INTERIM,
    START,
    STOP,
    access_request,
    accounting_request,
)
from yuenyan.processes.radius import worker_count

ACCOUNTS, NAS = 100_000, 1_000
SOURCES = 64
"""Sockets of the load; each is a NAS of its own where there are so many."""

WARM_USERS = 640
"""Whose passwords argon2 has seen before the clock runs; evenly among all accounts."""

SECONDS = 3.0
_WITHOUT = "accounting without Class"
START_LIMIT, MEMORY_LIMIT, RATE_LIMIT, P99_LIMIT = 5.0, 300_000_000, 0.8, 0.050

_HASH = """
SELECT password_hash FROM credential JOIN account ON id = account_id WHERE username = 'user0'
"""
_PEOPLE = """
INSERT INTO person (id, full_name, proofing_method, proofed_by, proofed_at, created_at)
SELECT 1000 + n, 'Person ' || n, 'roster', 'bench', t.now, t.now
FROM generate_series(:first, :last) AS n, (SELECT max(created_at) AS now FROM account) AS t
"""
_ACCOUNTS = """
INSERT INTO account (id, username, kind, state, person_id, role_id, created_at)
SELECT 1000 + n, 'user' || n, 'person', 'active', 1000 + n,
       (SELECT id FROM role WHERE name = 'student'),
       (SELECT max(created_at) FROM account)
FROM generate_series(:first, :last) AS n
"""
_CREDENTIALS = """
INSERT INTO credential (account_id, password_hash, changed_at)
SELECT 1000 + n, :hash, (SELECT max(created_at) FROM account)
FROM generate_series(:first, :last) AS n
"""


@dataclass(frozen=True, slots=True)
class Size:
    """One of the two sites, and where its load comes from."""

    name: str
    accounts: int
    addresses: tuple[str, ...]
    """Of each source."""
    warm: Sequence[str]
    """Names that log in."""

    def user(self, number: int) -> str:
        """One of all names; numbers that follow one another are far apart."""
        return f"user{number * 7919 % self.accounts}"


@dataclass(slots=True)
class Figures:
    """What one site came to; octets and seconds."""

    workers: int = 0
    start: float = 0.0
    idle: tuple[int, int] = (0, 0)
    """RSS and PSS of the largest worker before any load."""
    loaded: tuple[int, int] = (0, 0)
    full: tuple[int, int] = (0, 0)
    """After accounting of every account."""
    highest: dict[str, Measured] = field(default_factory=dict)
    half: dict[str, Measured] = field(default_factory=dict)


def main() -> int:
    """Print the table; the exit code says whether every answer was right.

    A missed target is marked and does not fail: machines differ.
    """
    end_on_sigterm()
    if postgresql_programs() is None:
        print("postgresql: not installed, not measured")
        return 0
    small = Size(
        "small", USERS, ("127.0.0.1",) * SOURCES, [f"user{number}" for number in range(USERS)]
    )
    every = NAS // SOURCES
    large = Size(
        "large",
        ACCOUNTS,
        tuple(nas_address(number * every) for number in range(SOURCES)),
        [f"user{number}" for number in range(0, ACCOUNTS, ACCOUNTS // WARM_USERS)],
    )
    figures = [measure(small), measure(large)]
    report(small, large, *figures)
    measured = [one for each in figures for one in (*each.highest.values(), *each.half.values())]
    return 0 if all(not one.wrong and not one.lost for one in measured) else 1


def measure(size: Size) -> Figures:
    """Make the site, start its server, load it."""
    figures = Figures()
    with (
        tempfile.TemporaryDirectory(prefix="yuenyan-bench-") as name,
        running_postgresql() as database,
    ):
        config = make_site(Path(name), database.url)
        if size.accounts > USERS:
            fill(config, size.accounts)
        auth, acct = (
            int(one[0].rpartition(":")[2]) for one in (config.radius.auth, config.radius.acct)
        )
        classes = classes_of(config)
        loads = (
            ("PAP", auth, ACCESS_ACCEPT, logins(size)),
            ("accounting", acct, ACCOUNTING_RESPONSE, accounting(size, classes)),
            (_WITHOUT, acct, ACCOUNTING_RESPONSE, accounting(size, {}, "no")),
        )
        with Asking(auth, size.addresses) as asking:
            began = time.perf_counter()
            with server(config, Path(name), asking.is_answered) as process:
                figures.start = time.perf_counter() - began
                figures.idle = largest(process)
                run(auth, warming(size), KEY, ACCESS_ACCEPT, 32, 60.0, size.addresses)
                for what, port, code, packets in loads:
                    figures.highest[what] = run(
                        port, packets, KEY, code, WINDOW, SECONDS, size.addresses
                    )
                figures.loaded = largest(process)
                for what, port, code, _ in loads[:2]:
                    rate = figures.highest[what].rate / 2
                    again = logins(size) if what == "PAP" else accounting(size, classes, "half")
                    figures.half[what] = run_steadily(
                        port, again, KEY, code, rate, SECONDS, size.addresses
                    )
                for turn in range(2):
                    # Twice, from other sources, so that most workers hear of most accounts.
                    run(
                        acct, everybody(size, turn), KEY, ACCOUNTING_RESPONSE, WINDOW, 30.0,
                        size.addresses,
                    )  # fmt: skip
                figures.full = largest(process)
                figures.workers = worker_count(config)
    return figures


def report(small: Size, large: Size, little: Figures, much: Figures) -> None:
    """Both sites side by side, with the targets."""
    print(
        f"{os.cpu_count()} cores that server, PostgreSQL and load generator share; "
        f"{little.workers} workers; {SOURCES} sources, {WINDOW} requests under way"
    )
    first = f"{small.accounts} accounts, 1 NAS"
    second = f"{large.accounts:,} accounts, {NAS:,} NAS"
    print(f"{'':<36}{first:>22}{second:>30}  target")
    _line("start until it answers, s", f"{little.start:.2f}", f"{much.start:.2f}",
          "< 5", much.start < START_LIMIT)  # fmt: skip
    for what, one, two in (
        ("at the start", little.idle, much.idle),
        ("after the load", little.loaded, much.loaded),
        ("every account heard of", little.full, much.full),
    ):
        _line(f"RSS (PSS) a worker, {what}", _megabytes(one), _megabytes(two),
              "< 300 MB", two[0] < MEMORY_LIMIT)  # fmt: skip
    for what in little.highest:
        slow, fast = little.highest[what].rate, much.highest[what].rate
        _line(f"{what} a second", f"{slow:,.0f}", f"{fast:,.0f} ({fast / slow:.0%})",
              "> 80 % of the small", fast > RATE_LIMIT * slow)  # fmt: skip
        if what == _WITHOUT:
            continue
        halves = little.half[what], much.half[what]
        _line(f"{what} at half of it, p50/p99 ms", _waits(halves[0]), _waits(halves[1]),
              "p99 < 50 ms", all(each.percentile(0.99) < P99_LIMIT for each in halves))  # fmt: skip
    for name, each in ((small.name, little), (large.name, much)):
        everything = [*each.highest.values(), *each.half.values()]
        print(
            f"{name}: {sum(one.answered for one in everything):,} answered, "
            f"{sum(one.again for one in everything)} sent again, "
            f"{sum(one.lost for one in everything)} lost, "
            f"{sum(one.wrong for one in everything)} wrong of "
            f"{sum(one.checked for one in everything):,} checked"
        )


def _line(what: str, one: str, two: str, target: str, held: bool) -> None:
    print(f"{what:<36}{one:>22}{two:>30}  {target:<21}{'' if held else 'MISSED'}")


def _waits(measured: Measured) -> str:
    return f"{measured.percentile(0.5) * 1000:.1f}/{measured.percentile(0.99) * 1000:.1f}"


def _megabytes(sizes: tuple[int, int]) -> str:
    return f"{sizes[0] / 1e6:.0f} ({sizes[1] / 1e6:.0f}) MB"


def nas_address(number: int) -> str:
    """The address of a NAS; Linux lets a program send from all of 127.0.0.0/8."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


def fill(config: Config, accounts: int) -> None:
    """Every account and NAS that the small site has not, in bulk; one argon2 hash for all."""
    office = Office.open(config)
    span = {"first": USERS, "last": accounts - 1}
    now = office.clock()
    with office.database.write() as session:
        shared = session.scalar(text(_HASH))
        session.execute(text(_PEOPLE), span)
        session.execute(text(_ACCOUNTS), span)
        session.execute(text(_CREDENTIALS), {**span, "hash": shared})
        nas.remove_nas(session, office, "bench", "bench")
        model = nas.add_nas(session, office, "nas-0", nas_address(0), SECRET, "bench")
        rows = [
            {
                "name": f"nas-{number}",
                "prefix": f"{nas_address(number)}/32",
                "secret_encrypted": office.vault.encrypt(KEY, "nas secret"),
                "vendor": model.vendor,
                "require_message_authenticator": True,
                "enabled": True,
                "created_at": now,
            }
            for number in range(1, NAS)
        ]
        session.execute(insert(NasClient), rows)
    with office.database.engine.connect().execution_options(
        isolation_level="AUTOCOMMIT"
    ) as connection:
        connection.execute(text("ANALYZE"))
        # What the filling left to be written would be waited for by the first commits measured.
        connection.execute(text("CHECKPOINT"))
    os.sync()
    office.database.dispose()


def largest(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """RSS and PSS of the largest worker."""
    return max(memory(number) for number in workers(process.pid))


def warming(size: Size) -> list[list[bytes]]:
    """One Access-Request a name that will log in; argon2 confirms each once."""
    return [
        [
            access_request(number, KEY, name.encode(), PASSWORD)
            for number, name in enumerate(size.warm[source::SOURCES])
        ]
        for source in range(SOURCES)
    ]


def logins(size: Size) -> list[list[bytes]]:
    """Access-Requests of every source; each has an authenticator of its own."""
    names = [name.encode() for name in size.warm]
    return [
        [
            access_request(number % 256, KEY, names[(source * 37 + number) % len(names)], PASSWORD)
            for number in range(MOST // SOURCES)
        ]
        for source in range(SOURCES)
    ]


def classes_of(config: Config) -> dict[str, bytes]:
    """The Class that each account's login would have got."""
    office = Office.open(config)
    with office.database.engine.connect() as connection:
        rows = connection.execute(text("SELECT username, id FROM account")).all()
    office.database.dispose()
    key = office.vault.class_key
    return {name: class_attribute.seal(key, number, os.urandom(8)) for name, number in rows}


def accounting(size: Size, classes: Mapping[str, bytes], tag: str = "") -> list[list[bytes]]:
    """Start, two interim updates and stop of many sessions of all accounts."""
    sessions = MOST // SOURCES // 4
    sources = []
    for source in range(SOURCES):
        packets: list[bytes] = []
        for first in range(0, sessions, 16):
            for step, status in enumerate((START, INTERIM, INTERIM, STOP)):
                for number in range(first, min(first + 16, sessions)):
                    user = size.user(source * sessions + number)
                    packets.append(
                        accounting_request(
                            len(packets) % 256, KEY, status, f"{tag}{source}-{number}".encode(),
                            name=user.encode(), address=0x0A000000 + source * 65536 + number,
                            seconds=step * 300, class_value=classes.get(user, b""),
                        )
                    )  # fmt: skip
        sources.append(packets)
    return sources


def everybody(size: Size, turn: int) -> list[list[bytes]]:
    """One Stop of every account; in another turn it comes from another source."""
    return [
        [
            accounting_request(
                number % 256, KEY, STOP, f"all{turn}-{user}".encode(),
                name=f"user{user}".encode(), seconds=60,
            )
            for number, user in enumerate(
                range((source + turn) % SOURCES, size.accounts, SOURCES)
            )
        ]
        for source in range(SOURCES)
    ]  # fmt: skip


class Asking:
    """Status-Server from several ports until each is answered, so that each worker has."""

    def __init__(self, port: int, addresses: Sequence[str]) -> None:
        self._wires: dict[int, socket.socket] = {}
        for address in addresses[:16]:
            wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            wire.bind((address, 0))
            wire.connect(("127.0.0.1", port))
            wire.setblocking(False)
            self._wires[wire.fileno()] = wire
        self._waiting = dict(self._wires)

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *_: object) -> None:
        for wire in self._wires.values():
            wire.close()

    def is_answered(self) -> bool:
        """Ask those that have no answer yet; whether all have one."""
        for wire in self._waiting.values():
            try:
                wire.send(_status_server())
            except ConnectionError:
                continue  # nobody listens yet
        time.sleep(0.02)
        ready, _, _ = select.select(list(self._waiting), [], [], 0.02)
        for handle in ready:
            try:
                self._waiting[handle].recv(4096)
            except OSError:
                continue
            del self._waiting[handle]
        return not self._waiting


def _status_server() -> bytes:
    """RFC 5997 section 3, with its Message-Authenticator."""
    head = struct.pack("!BBH", 12, 1, 38) + os.urandom(16)
    return head + b"\x50\x12" + hmac.digest(KEY, head + b"\x50\x12" + bytes(16), "md5")


if __name__ == "__main__":
    sys.exit(main())
