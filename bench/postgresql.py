"""A PostgreSQL of the bench's own, with fsync on, that can be restarted and frozen.

It lives in a temporary folder, listens on loopback and is gone at the end.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.processes import descendants

FAST, IMMEDIATE = signal.SIGINT, signal.SIGQUIT
"""How it is told to end: sessions are cut off; or as a crash, and the log is replayed."""

START_SECONDS = 40.0


def postgresql_programs() -> Path | None:
    """The folder of Debian's newest PostgreSQL, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


class PostgresqlServer:
    """One cluster and its server; `start` it before anything else."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._owner: dict[str, Any] = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam("postgres")
            self._owner = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        self._port = free_port(socket.SOCK_STREAM)
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen: list[int] = []
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/postgres"
        subprocess.run(
            [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust"],
            check=True, stdout=subprocess.DEVNULL, cwd="/", **self._owner,
        )  # fmt: skip

    def start(self) -> None:
        """Start it and return when it takes connections."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._folder / "data"),
                 "-p", str(self._port), "-k", str(self._folder),
                 "-c", "listen_addresses=127.0.0.1"],
                stdout=log, stderr=log, cwd="/", **self._owner,
            )  # fmt: skip
        ready = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        deadline = time.monotonic() + START_SECONDS
        while subprocess.run(ready).returncode:
            if time.monotonic() > deadline:
                raise SystemExit("PostgreSQL does not start")
            time.sleep(0.1)

    @property
    def number(self) -> int:
        """The process number of the server; its backends are its children."""
        assert self._process is not None
        return self._process.pid

    def stop(self, how: signal.Signals = FAST) -> None:
        """End it; it may be started again."""
        self.thaw()
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def freeze(self) -> None:
        """Stop every process of it where it stands, as a machine does whose disk hangs."""
        assert self._process is not None
        self._frozen = [self._process.pid, *descendants(self._process.pid)]
        for number in self._frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let what was frozen go on."""
        for number in reversed(self._frozen):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGCONT)
        self._frozen = []


@contextmanager
def running_postgresql() -> Iterator[PostgresqlServer]:
    """A new PostgreSQL while the block runs; `postgresql_programs` must have found one."""
    programs = postgresql_programs()
    assert programs is not None
    folder = Path(tempfile.mkdtemp(prefix="yuenyan-bench-postgresql-"))
    try:
        server = PostgresqlServer(programs, folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port(kind: socket.SocketKind) -> int:
    """A port of loopback that was free a moment ago."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
