"""How long a look-up takes in an archive of 180 days of 2,500 users.

The manifest has a line for every minute of 180 days, the database four sessions a day of every
user. Flows (one a user and minute, 42 a second) are really written for the last 25 hours, in
segments of a minute as the collector does; no question here opens an older one, and its line
alone is there. On SQLite, and on PostgreSQL where it is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.postgresql import postgresql_programs, running_postgresql
from bench.processes import end_on_sigterm
from common import config as configuration
from common.config import Config
from db.engine import Database
from db.models import ServiceRun
from tests.conftest import write_configuration
from traffic.archive.entries import Entry
from traffic.archive.index import ManifestIndex
from traffic.archive.inside import Inside
from traffic.archive.manifest import Manifest
from traffic.archive.segments import SegmentWriter
from traffic.decoders.batch import FlowBatch
from traffic.decoders.fields import Array
from traffic.lookup.attribution import Window
from traffic.lookup.flows import FlowQuestion, find_flows
from traffic.lookup.service import run_lookup
from yuenyan.initialise import initialise

DAYS, USERS = 180, 2_500
SLOT = 21_600
"""Seconds of a session; everybody has another address in the next."""
WRITTEN_HOURS = 25
BEGIN = 1_780_272_000
END = BEGIN + DAYS * 86_400
POOL = 4_096
FIRST = int(IPv4Address("10.20.0.0"))
PUBLIC = int(IPv4Address("203.0.113.0"))

_NUMBERS = (
    "WITH RECURSIVE n(i) AS (SELECT CAST(0 AS BIGINT)"
    " UNION ALL SELECT i + 1 FROM n WHERE i < :last) "
)
_KEY = {"sqlite": "printf('%032x', i)", "postgresql": "lpad(to_hex(i), 32, '0')"}
_USER, _SLOT = f"(i % {USERS})", f"(i / {USERS})"
_HOST = f"(({_USER} * 31 + {_SLOT} * 977) % {POOL})"
_FROM = f"(({BEGIN} + {_SLOT} * {SLOT} + 1) * 1000000)"
_TO = f"(({BEGIN} + {_SLOT} * {SLOT} + {SLOT} - 1) * 1000000)"
_SESSIONS = (
    "INSERT INTO network_session (session_key, nas_client_id, nas_identity, acct_session_id,"
    " user_name, calling_station_id, started_at, first_heard_at, last_heard_at, session_seconds,"
    f" stop_seen, stop_at, input_octets, output_octets) {_NUMBERS}"
    f"SELECT {{key}}, 1, 'ap', 's' || i, 'user' || {_USER}, '02000000' || (1000 + {_USER}),"
    f" {_FROM}, {_FROM}, {_TO}, {SLOT - 2}, 1, {_TO}, 0, 0 FROM n"
)
_ADDRESSES = (
    "INSERT INTO address_interval (session_key, address, source, from_at, to_at,"
    f" first_offset_seconds, last_offset_seconds) {_NUMBERS}"
    f"SELECT {{key}}, '10.20.' || ({_HOST} / 256) || '.' || ({_HOST} % 256), 'radius',"
    f" {_FROM}, {_TO}, 0, {SLOT - 2} FROM n"
)


def main() -> int:
    """Print what each look-up takes; the exit code says whether every answer was right."""
    end_on_sigterm()
    good = True
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=30)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = configuration.load(write_configuration(Path(folder)))
        initialise(config, "head", "correct horse battery")
        started = time.perf_counter()
        fill_archive(config)
        print(f"archive made in {time.perf_counter() - started:.0f} s")
        measure_index(config)
        with databases() as urls:
            for name, url in urls:
                path = write_configuration(Path(folder), url)
                config = configuration.load(path)
                initialise(config, "head", "correct horse battery", may_be_empty=True)
                started = time.perf_counter()
                fill_database(config)
                print(f"{name}: {DAYS * USERS * 4:,} sessions in {_since(started):.0f} s")
                good &= measure(config, path, asked.questions)
    return 0 if good else 1


@contextlib.contextmanager
def databases() -> Iterator[list[tuple[str, str]]]:
    """(name, URL) of one database of each kind that is here."""
    urls = [("SQLite", "")]
    if postgresql_programs() is None:
        yield urls
        return
    with running_postgresql() as server:
        yield [*urls, ("PostgreSQL", server.url)]


def host_of(user: int, slot: int) -> int:
    """Which address of the pool a user has in a slot; as _HOST."""
    return FIRST + (user * 31 + slot * 977) % POOL


def fill_archive(config: Config) -> None:
    """A line for every minute, and segments for the last hours."""
    archive = config.data_dir / "archive"
    inside = Inside(config.collector.inside)
    writer, manifest = SegmentWriter(archive, inside), Manifest(archive)
    written_from = END - WRITTEN_HOURS * 3600
    for day in range(DAYS):
        entries = []
        for minute in range(1440):
            begin = BEGIN + day * 86_400 + minute * 60
            at = datetime.fromtimestamp(begin, UTC)
            path = f"flow/date={at:%Y-%m-%d}/hour={at:%H}/node-{begin:012d}.parquet"
            values: dict[str, Any] = {
                "path": path,
                "sha256": "0" * 64,
                "records": USERS,
                "octets": 40_000,
                "received_min_ms": begin * 1000,
                "received_max_ms": begin * 1000 + 59_999,
                "active_min_ms": begin * 1000 - 60_000,
                "active_max_ms": begin * 1000 + 59_999,
                "inside": inside.digest,
            }
            if begin >= written_from:
                values = asdict(writer.write(flows_of(begin), path))
            state = f"state-{begin:012d}.json"
            entries.append(Entry(kind="flow", node="node", spools=(begin,), state=state, **values))
        with manifest.locked():
            manifest.append(entries)


def flows_of(begin: int) -> FlowBatch:
    """One flow of every user, exported in this minute."""
    rng = np.random.default_rng(begin)
    user = np.arange(USERS)
    slot, minute = (begin - BEGIN) // SLOT, (begin - BEGIN) // 60
    received = begin * 1000 + np.sort(rng.integers(0, 60_000, USERS))
    end = received - rng.integers(100, 15_000, USERS)
    columns = {
        "received_ms": received,
        "exported_ms": received // 1000 * 1000,
        "start_ms": end - rng.integers(0, 40_000, USERS),
        "end_ms": end,
        "exporter": np.zeros(USERS, np.uint32),
        "family": np.full(USERS, 4, np.uint8),
        "src4": (FIRST + (user * 31 + slot * 977) % POOL).astype(np.uint32),
        "dst4": rng.integers(0x01000000, 0xDF000000, USERS).astype(np.uint32),
        "src_port": rng.integers(1024, 65_536, USERS).astype(np.uint16),
        "dst_port": np.where(rng.random(USERS) < 0.8, 443, 80).astype(np.uint16),
        "protocol": np.full(USERS, 6, np.uint8),
        "octets": rng.integers(64, 200_000, USERS).astype(np.uint64),
        "packets": rng.integers(1, 200, USERS).astype(np.uint64),
        "nat_src4": (PUBLIC + user % 8).astype(np.uint32),
        "nat_src_port": port_of(user, minute).astype(np.uint16),
    }
    return FlowBatch(USERS, columns, ("192.0.2.1",))


def port_of(user: Array, minute: int) -> Array:
    """The public port of a user's flow in a minute; nobody else's within two hours."""
    return 1024 + (user * 24 + minute // 5) % 60_000


def fill_database(config: Config) -> None:
    database = Database(config.database_url)
    kind = database.engine.dialect.name
    last = {"last": DAYS * 4 * USERS - 1}
    with database.write() as session:
        session.execute(text("DELETE FROM service_run"))
        session.execute(text(_SESSIONS.format(key=_KEY[kind])), last)
        session.execute(text(_ADDRESSES.format(key=_KEY[kind])), last)
        for process in ("radius", "collector"):
            session.add(
                ServiceRun(
                    process=process,
                    node="node",
                    started_at=datetime.fromtimestamp(BEGIN, UTC),
                    alive_at=datetime.fromtimestamp(END, UTC),
                    stopped_at=datetime.fromtimestamp(END, UTC),
                )
            )
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    database.dispose()


def measure_index(config: Config) -> None:
    """What the length of the manifest costs."""
    archive = config.data_dir / "archive"
    octets = (archive / "manifest.jsonl").stat().st_size
    started = time.perf_counter()
    lines = len(Manifest(archive).entries())
    whole = _since(started)
    started = time.perf_counter()
    ManifestIndex(archive)
    making = _since(started)
    started = time.perf_counter()
    ManifestIndex(archive).segments("flow", (END - 3600) * 1000, END * 1000)
    print(
        f"manifest: {lines:,} lines, {octets / 1e6:.0f} MB; decoded whole {whole:.1f} s,"
        f" index made {making:.1f} s, an hour found by it {_since(started) * 1000:.0f} ms"
    )


def measure(config: Config, path: Path, questions: int) -> bool:
    """Ask in this process and by the command; whether every answer named the right person."""
    database = Database(config.database_url)
    rng = np.random.default_rng(1)
    seconds: dict[str, list[float]] = {"public": [], "inside": [], "day": [], "person": []}
    right = 0
    for _ in range(questions):
        user = int(rng.integers(0, USERS))
        begin = int(rng.integers(END - 24 * 3600, END - 600)) // 60 * 60
        flows = flows_of(begin)
        at = datetime.fromtimestamp(int(flows.column("end_ms")[user]) / 1000, UTC)
        purpose = {"at": at, "case": "bench", "reason": "bench"}
        public = str(IPv4Address(PUBLIC + user % 8))
        port = int(flows.column("nat_src_port")[user])
        for kind, asked in (
            ("public", {"address": public, "port": port, "protocol": "tcp"}),
            ("inside", {"address": str(IPv4Address(int(flows.column("src4")[user])))}),
        ):
            started = time.perf_counter()
            answer = run_lookup(database, config, {**purpose, **asked}, "bench")
            seconds[kind].append(_since(started))
            right += _is_right(answer, user)
    day = Window(
        datetime.fromtimestamp(END, UTC) - timedelta(hours=24), datetime.fromtimestamp(END, UTC)
    )
    for turn in range(3):
        address = IPv4Address(host_of(turn, DAYS * 4 - 1))
        asking = FlowQuestion(address=address, user=None, window=day, case="b", reason="b")
        for kind, question in (
            ("day", asking),
            ("person", replace(asking, address=None, user=f"user{turn}")),
        ):
            started = time.perf_counter()
            found = find_flows(database, config, question, "bench")["flows"]
            seconds[kind].append(_since(started))
            assert found
    database.dispose()
    command = [sys.executable, "-m", "yuenyan.cli", "--config", str(path), "lookup", "--json"]
    command += ["--at", at.isoformat(), "--address", public, "--port", str(port)]
    started = time.perf_counter()
    ran = subprocess.run(
        [*command, "--protocol", "tcp", "--case", "b", "--reason", "b"],
        check=True,
        stdout=subprocess.PIPE,
    )
    whole = _since(started)
    right += _is_right(json.loads(ran.stdout), user)
    rows = (
        ("public address and port", seconds["public"], "1 s"),
        ("inside address", seconds["inside"], "1 s"),
        ("whole command, process start included", [whole], "1 s"),
        ("24 hours of one address", seconds["day"], "5 s"),
        ("24 hours of one person", seconds["person"], "5 s"),
    )
    for name, taken, target in rows:
        median, worst = statistics.median(taken) * 1000, max(taken) * 1000
        print(f"  {name:<40} median {median:6.0f} ms, worst {worst:6.0f} ms; target {target}")
    asked_in_all = 2 * questions + 1
    print(
        f"  right and single: {right} of {asked_in_all}{'' if right == asked_in_all else ' FAILED'}"
    )
    return right == asked_in_all


def _is_right(answer: Mapping[str, Any], user: int) -> bool:
    named = {one["user_name"] for one in answer["candidates"]}
    return answer["outcome"] == "single" and named == {f"user{user}"}


def _since(started: float) -> float:
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
