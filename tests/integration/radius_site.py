"""A site whose RADIUS server really runs: free ports, real processes, ended by number.

`radius_on` makes a site on either kind of database; `running` starts one process of it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from common import config as configuration
from db.engine import Database
from tests import prepared
from tests.conftest import (
    ADMIN,
    ADMIN_PASSWORD,
    PostgresqlServer,
    Result,
    Site,
    free_port,
    wait_until,
    write_configuration,
)
from yuenyan.initialise import initialise
from yuenyan.processes.radius import worker_count

SECRET = "a shared secret of some length"
LOOPBACK = "127.0.0.1/32"

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.real)]
"""Of databases, for `parametrize`."""

START_SECONDS = 40.0
STOP_SECONDS = 40.0
SETTLE_SECONDS = 5.0
"""Changes are seen within a second where a process gets its turn."""


@dataclass(frozen=True, slots=True)
class Server:
    """One running `yuenyan PROCESS`."""

    process: subprocess.Popen[bytes]
    log_file: Path
    begins_at: int = 0
    """Where its part of the log begins: one after the other may write there."""

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def own_log(self) -> str:
        """What this one has written."""
        return self.log_file.read_bytes()[self.begins_at :].decode(errors="replace")

    def children(self) -> list[int]:
        """The process numbers of its children, as the kernel tells."""
        return children_of(self.process.pid)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)


@dataclass(frozen=True, slots=True)
class LiveSite:
    """A site with ports of its own, and short ways to ask about it."""

    site: Site
    auth_port: int
    acct_port: int
    flow_port: int

    def yuenyan(self, *arguments: str, stdin: str = "") -> Result:
        """Run a command that must succeed."""
        result = self.site.yuenyan(*arguments, stdin=stdin)
        assert result.exit_code == 0, (arguments, result)
        return result

    def refused(self, *arguments: str, stdin: str = "") -> Result:
        """Run a command that must not succeed."""
        result = self.site.yuenyan(*arguments, stdin=stdin)
        assert result.exit_code != 0, (arguments, result)
        return result

    def rows(self, statement: str, /, **values: Any) -> list[tuple[Any, ...]]:
        """What a query on the site's database gives."""
        database = Database(self.site.config.database_url)
        try:
            with database.read() as session:
                from sqlalchemy import text

                return [tuple(row) for row in session.execute(text(statement), values)]
        finally:
            database.dispose()

    def counter(self, name: str, **labels: str) -> int:
        """A counter, summed over the workers' metrics files."""
        inner = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        series = f"yuenyan_{name}{{{inner}}}" if inner else f"yuenyan_{name}"
        found = 0
        for path in (self.site.data_dir / "metrics").glob("*.prom"):
            match = re.search(rf"^{re.escape(series)} (\d+)$", path.read_text(), re.MULTILINE)
            found += int(match.group(1)) if match else 0
        return found

    def settle(self) -> None:
        """Return when every RADIUS worker that runs counts by all that is stored now."""
        (number,) = self.rows("SELECT number FROM revision")[0]
        workers = [str(worker) for worker in range(worker_count(self.site.config))]
        wait_until(
            lambda: all(self.counter("radius_revision", worker=one) >= number for one in workers),
            SETTLE_SECONDS,
            f"a worker has not seen revision {number}",
        )

    def add_person(self, name: str, password: str, role: str = "student", **more: str) -> None:
        """An account, made as an operator makes it."""
        options = [part for key, value in more.items() for part in (f"--{key}", value)]
        self.yuenyan(
            *("user", "add", name, "--role", role, *options, "--password-stdin"),
            stdin=password + "\n",
        )

    def add_nas(self, name: str, prefix: str, *options: str, secret: str = SECRET) -> None:
        """A NAS, made as an operator makes it."""
        self.yuenyan("nas", "add", name, prefix, *options, "--secret-stdin", stdin=secret + "\n")


def live_site(
    folder: Path, template: Path, url: str = "", changes: Mapping[str, str] | None = None
) -> LiveSite:
    """A site in `folder`, copied from the initialised one in `template`, with free ports.

    Args:
        url: the database; a PostgreSQL one must have its tables, and gets the first admin.
        changes: texts of the configuration file and what to put in their place.
    """
    shutil.copytree(template / "var", folder / "var")
    path = write_configuration(folder, url)
    text = path.read_text(encoding="utf-8")
    auth, acct, flow = (free_port(socket.SOCK_DGRAM) for _ in range(3))
    ports = {
        'auth = ["127.0.0.1:0"]': f'auth = ["127.0.0.1:{auth}", "[::1]:{auth}"]',
        'acct = ["127.0.0.1:0"]': f'acct = ["127.0.0.1:{acct}", "[::1]:{acct}"]',
        'netflow = ["127.0.0.1:0"]': f'netflow = ["127.0.0.1:{flow}"]',
        '[portal]\nlisten = "127.0.0.1:0"': f'[portal]\nlisten = "127.0.0.1:{free_port()}"',
        '[admin]\nlisten = "127.0.0.1:0"': f'[admin]\nlisten = "127.0.0.1:{free_port()}"',
        **(changes or {}),
    }
    for old, new in ports.items():
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    config = configuration.load(path)
    if url:
        initialise(config, ADMIN, ADMIN_PASSWORD)
    return LiveSite(Site(path, config), auth, acct, flow)


def site_of_kind(
    request: pytest.FixtureRequest,
    folder: Path,
    kind: str,
    changes: Mapping[str, str] | None = None,
) -> LiveSite:
    """A live site on `kind`: sqlite or postgresql."""
    template: Path = request.getfixturevalue("_made_site")
    url = ""
    if kind == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        url = server.create_database("migrated")
    return live_site(folder, template, url, changes)


def command(site: Site, *arguments: str) -> list[str]:
    """The command line of `yuenyan` for a process of its own."""
    # The script that people run, because its workers begin by reading it again.
    script = Path(sys.executable).with_name("yuenyan")
    return [sys.executable, "-P", str(script), "--config", str(site.config_file), *arguments]


@contextmanager
def started(site: Site, process: str) -> Iterator[Server]:
    """`yuenyan PROCESS` from its start on; whatever is left of it at the end is killed."""
    log_file = site.config_file.with_name(f"{process}.log")
    begins_at = log_file.stat().st_size if log_file.exists() else 0
    with log_file.open("ab") as log:
        words = command(site, process)
        running = (
            prepared.start(process, words, log)
            if process in prepared.KINDS
            else subprocess.Popen(words, stdout=log, stderr=log, process_group=0, cwd="/")
        )
    server = Server(running, log_file, begins_at)
    try:
        yield server
    finally:
        family = [running.pid, *descendants_of(running.pid)]
        for number in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        running.wait(20)


@contextmanager
def running_radius(live: LiveSite) -> Iterator[Server]:
    """`yuenyan radius` while it answers; it must stop cleanly on SIGTERM."""
    with started(live.site, "radius") as server:
        wait_for_workers(live, server)
        yield server
        assert server.stop() == 0, server.log()


def wait_for_workers(live: LiveSite, server: Server) -> None:
    """Return when every worker of this server has the ports."""
    count = worker_count(live.site.config)

    def all_serve() -> bool:
        assert server.process.poll() is None, server.log()
        return server.own_log().count("radius_listening") >= count

    wait_until(all_serve, START_SECONDS, "the RADIUS workers do not start")


def children_of(number: int) -> list[int]:
    """Process numbers of the children of a process."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == number and state != "Z":
                found.append(int(path.parent.name))
    return sorted(found)


def descendants_of(number: int) -> list[int]:
    """Process numbers of everything a process has started, and they, and so on."""
    found = []
    for child in children_of(number):
        found += [child, *descendants_of(child)]
    return found


def words_of(number: int) -> list[str]:
    """The command line of a process; empty when it has just ended."""
    try:
        line = Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return []
    return line.rstrip(b"\0").decode().split("\0") if line else []


def is_alive(number: int) -> bool:
    """Whether the process still runs; a zombie does not."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
