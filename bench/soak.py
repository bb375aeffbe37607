"""A day's traffic of a province's schools in ten minutes, while things break.

`yuenyan radius` with two workers on a PostgreSQL of its own is loaded at a steady pace while
the database is restarted, crashed and frozen, a worker is killed, and the directory, where slapd
is installed, is restarted and frozen. At the end: is everything
that was acknowledged in the database, was a wrong password ever accepted, is memory flat?
The exit code says whether all held.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench import soakdirectory
from bench.postgresql import (
    FAST,
    IMMEDIATE,
    PostgresqlServer,
    postgresql_programs,
    running_postgresql,
)
from bench.processes import end_on_sigterm, memory, workers
from bench.radius import PASSWORD, SECRET, make_site, server
from bench.soakload import (
    DIRECTORY_EVERY,
    HASTE,
    INTERIM_SECONDS,
    PACKETS_A_SECOND,
    SESSION_SECONDS,
    SESSIONS_A_DAY,
    SESSIONS_A_SECOND,
    SOAK_SECONDS,
    USERS,
    WRONG_EVERY,
    Fact,
    Sessions,
    Told,
)
from common.config import Config
from db.engine import Database
from tests.integration.radius_packets import STOP
from tests.slapd import Slapd

WORKERS = 2
SHORTEST_SECONDS, LONGEST_SECONDS = 30, 7200
DRAIN_SECONDS = 60.0
"""How long after the last fault everything must be answered."""

FROZEN_SECONDS = 4.0
DOWN_SECONDS = 1.0
GROWTH = 0.20
WARM_SECONDS = 60.0
"""Of each worker, before which its memory is not looked at: caches fill."""

JUDGED_SECONDS = 180.0
"""A shorter run only shows memory."""

SAMPLE_SECONDS = 2.0
EAP_SECONDS = 2.0
EAP_WRONG_EVERY = 5
EAP_MOST = 4
ROUNDS = 4
"""Of every kind of fault in one run."""

KILLING_ROUNDS = 2
"""Rounds in which a worker is killed: the last one then has half of the time to show growth."""


@dataclass(slots=True)
class Samples:
    """RSS of each worker process by the time since the start."""

    sizes: dict[int, list[tuple[float, int]]] = field(default_factory=dict)
    killed: set[int] = field(default_factory=set)

    def take(self, elapsed: float, numbers: list[int]) -> None:
        for number in numbers:
            if octets := memory(number)[0]:
                self.sizes.setdefault(number, []).append((elapsed, octets))

    def are_flat(self, seconds: float) -> bool:
        """Print start, middle and end of each worker that was there at the end."""
        print("\nmemory (RSS) after warm-up:     start    middle       end    growth")
        flat, watched = True, 0
        for number, samples in self.sizes.items():
            warm = samples[0][0] + min(WARM_SECONDS, seconds / 4)
            after = [octets for at, octets in samples if at >= warm]
            if number in self.killed or len(after) < 3:
                continue
            watched += 1
            start, middle, end = after[0], after[len(after) // 2], after[-1]
            growth = end / start - 1
            flat &= growth <= GROWTH
            since = f"worker {number} since {samples[0][0]:.0f} s"
            print(
                f"  {since:<26}{start / 1e6:>7.1f}M{middle / 1e6:>9.1f}M{end / 1e6:>9.1f}M"
                f"{growth:>9.1%}"
            )
        if seconds < JUDGED_SECONDS:
            print(f"  (judged in runs of {JUDGED_SECONDS:.0f} s and more)")
            return True
        return flat and watched >= WORKERS


class Phones:
    """A few eapol_test at a time, each one login by EAP-TTLS/PAP; some with a wrong password."""

    def __init__(self, config: Config, folder: Path) -> None:
        self.right, self.wrong = folder / "right.conf", folder / "wrong.conf"
        for path, password in (
            (self.right, PASSWORD.decode()),
            (self.wrong, "wrong " + PASSWORD.decode()),
        ):
            path.write_text(
                'network={\n  key_mgmt=IEEE8021X\n  eap=TTLS\n  identity="user0"\n'
                f'  anonymous_identity="anonymous"\n  password="{password}"\n'
                f'  ca_cert="{config.eap_ca}"\n  phase2="auth=PAP"\n}}\n',
                encoding="utf-8",
            )
        self._port = config.radius.auth[0].rpartition(":")[2]
        self._program = shutil.which("eapol_test")
        self._running: list[tuple[subprocess.Popen[bytes], bool]] = []
        self._number = 0
        self._next = 0.0
        self.succeeded = self.failed = self.refused = self.wrong_accepted = 0

    @property
    def is_absent(self) -> bool:
        """Whether eapol_test is not installed."""
        return self._program is None

    def step(self, now: float) -> None:
        """Look at those that have ended; let another begin when it is time."""
        for peer, is_right in list(self._running):
            if peer.poll() is None:
                continue
            self._running.remove((peer, is_right))
            if peer.returncode == 0 and not is_right:
                self.wrong_accepted += 1
            elif peer.returncode == 0:
                self.succeeded += 1
            elif is_right:
                self.failed += 1
            else:
                self.refused += 1
        if self._program and now >= self._next and len(self._running) < EAP_MOST:
            self._next = now + EAP_SECONDS
            self._number += 1
            is_right = bool(self._number % EAP_WRONG_EVERY)
            peer = subprocess.Popen(
                [self._program, "-c", str(self.right if is_right else self.wrong),
                 "-a", "127.0.0.1", "-p", self._port, "-s", SECRET, "-t", "15",
                 "-M", f"06:00:00:00:{self._number >> 8 & 255:02x}:{self._number & 255:02x}"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            self._running.append((peer, is_right))

    def close(self) -> None:
        """End those that still run."""
        for peer, _ in self._running:
            peer.kill()
            peer.wait()


class Faults(threading.Thread):
    """Breaks things at their times, beside the load."""

    def __init__(
        self,
        database: PostgresqlServer,
        number: int,
        seconds: float,
        killed: set[int],
        slapd: Slapd | None,
    ) -> None:
        super().__init__(name="faults")
        self.error: BaseException | None = None
        self.done = 0
        self._database = database
        self._server = number
        self._spared = min(workers(number))
        self._killed = killed
        self._slapd = slapd
        self.directory_back_at = 0.0
        """When the directory answered again the last time, monotonic seconds."""
        self._began = time.monotonic()
        self._ended = threading.Event()
        kinds = (
            (0.10, "slapd is stopped and started again", self._restart_directory),
            (0.20, "PostgreSQL is restarted (fast)", self._restart),
            (0.40, "a worker is killed (SIGKILL)", self._kill),
            (0.60, "PostgreSQL is frozen (SIGSTOP)", self._freeze),
            (0.70, "slapd is frozen (SIGSTOP)", self._freeze_directory),
            (0.80, "PostgreSQL crashes (immediate) and is started again", self._crash),
        )
        self._plan = [
            ((turn + part) / ROUNDS * seconds, what, action)
            for turn in range(ROUNDS)
            for part, what, action in kinds
            if action != self._kill or turn < KILLING_ROUNDS
            if slapd is not None or "slapd" not in what
        ]

    def run(self) -> None:
        try:
            for at, what, action in self._plan:
                if self._ended.wait(max(0.0, self._began + at - time.monotonic())):
                    return
                print(f"  {time.monotonic() - self._began:>6.1f} s  {what}", flush=True)
                action()
                self.done += 1
        except BaseException as error:
            self.error = error

    def close(self) -> None:
        """Begin no further fault, and end when the present one is over."""
        self._ended.set()
        self.join()

    @property
    def are_all_done(self) -> bool:
        return self.error is None and self.done == len(self._plan)

    def _restart(self) -> None:
        self._database.stop(FAST)
        self._ended.wait(DOWN_SECONDS)
        self._database.start()

    def _restart_directory(self) -> None:
        assert self._slapd is not None
        self._slapd.stop()
        self._ended.wait(DOWN_SECONDS)
        self._slapd.start()
        self.directory_back_at = time.monotonic()

    def _freeze_directory(self) -> None:
        assert self._slapd is not None
        self._slapd.freeze()
        self._ended.wait(FROZEN_SECONDS / 2)
        self._slapd.thaw()
        self.directory_back_at = time.monotonic()

    def _crash(self) -> None:
        self._database.stop(IMMEDIATE)
        self._ended.wait(DOWN_SECONDS)
        self._database.start()

    def _freeze(self) -> None:
        self._database.freeze()
        self._ended.wait(FROZEN_SECONDS)
        self._database.thaw()

    def _kill(self) -> None:
        # Never the first: its memory is watched from the beginning to the end.
        victim = max(number for number in workers(self._server) if number != self._spared)
        self._killed.add(victim)
        os.kill(victim, signal.SIGKILL)


def main() -> int:
    """Run it, print what was seen; the exit code says whether all held."""
    end_on_sigterm()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SOAK_SECONDS, help="default 600")
    seconds = parser.parse_args().seconds
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        parser.error(f"--seconds: {SHORTEST_SECONDS} to {LONGEST_SECONDS}")
    if postgresql_programs() is None:
        print("postgresql: not installed, nothing was soaked")
        return 1
    describe(seconds)
    with (
        tempfile.TemporaryDirectory(prefix="yuenyan-soak-") as name,
        running_postgresql() as database,
        contextlib.ExitStack() as at_the_end,
    ):
        folder = Path(name)
        config, slapd = make_site(folder, database.url, WORKERS, USERS), None
        if soakdirectory.is_here():
            config, slapd = at_the_end.enter_context(
                soakdirectory.directory(config, folder, PASSWORD.decode())
            )
        with server(config, folder) as process:
            checks = soak(config, folder, database, process.pid, seconds, slapd)
    checks["the server ended well on SIGTERM"] = True  # or `server` would have said so
    for what, held in checks.items():
        print(f"{'held  ' if held else 'BROKEN'}  {what}")
    return 0 if all(checks.values()) else 1


def describe(seconds: float) -> None:
    """Say what is going to be done, with the arithmetic."""
    day_packets = SESSIONS_A_DAY * PACKETS_A_SECOND / SESSIONS_A_SECOND
    print(
        f"{SESSIONS_A_DAY:,} sessions a day of {SESSION_SECONDS // 60} minutes with an interim "
        f"update each {INTERIM_SECONDS // 60}: {day_packets:,.0f} packets a day; squeezed "
        f"{HASTE:.0f} times that is {SESSIONS_A_SECOND:.1f} sessions and {PACKETS_A_SECOND:.0f} "
        f"packets a second, here for {seconds:.0f} s = {seconds * HASTE / 3600:.1f} hours. "
        f"{USERS} people, {WORKERS} workers, one login in {WRONG_EVERY} with a wrong password."
    )
    if shutil.which("eapol_test") is None:
        print("eapol_test is not installed: no EAP logins")
    if soakdirectory.is_here():
        print(f"One login in {DIRECTORY_EVERY} is of somebody whom only a slapd knows.")
    else:
        print("slapd or ldap-utils is not installed: no logins of a directory, no LDAP faults")


def soak(
    config: Config,
    folder: Path,
    database: PostgresqlServer,
    number: int,
    seconds: float,
    slapd: Slapd | None,
) -> dict[str, bool]:
    """Load and faults for `seconds`; each thing that must hold, and whether it did."""
    auth, acct = (
        int(one[0].rpartition(":")[2]) for one in (config.radius.auth, config.radius.acct)
    )
    samples = Samples()
    people = soakdirectory.PEOPLE if slapd is not None else 0
    sessions, phones = Sessions(auth, acct, people), Phones(config, folder)
    faults = Faults(database, number, seconds, samples.killed, slapd)
    faults.start()
    began = time.monotonic()
    try:
        next_sample = began
        while (now := time.monotonic()) < began + seconds:
            sessions.step(0.005)
            phones.step(now)
            if now >= next_sample:
                next_sample = now + SAMPLE_SECONDS
                samples.take(now - began, workers(number))
        faults.join(DRAIN_SECONDS)
        sessions.hurry()
        while not sessions.is_over and time.monotonic() < now + DRAIN_SECONDS:
            sessions.step(0.005)
        drained = time.monotonic() - now
    finally:
        faults.close()
        phones.close()
        sessions.close()
    told = sessions.told
    print("\n" + ", ".join(f"{count:,} {what}" for what, count in sorted(told.counts.items())))
    print(
        f"EAP-TTLS/PAP: {phones.succeeded} let in, {phones.failed} not (faults), "
        f"{phones.refused} wrong passwords refused"
    )
    print(
        f"longest wait for an Accounting-Response {told.longest_wait:.1f} s; "
        f"all answered {drained:.1f} s after the end"
    )
    return {
        **compare(config, told),
        "no wrong password was accepted": not told.wrong_accepted and not phones.wrong_accepted,
        "no right password was refused": not told.counts["right passwords refused"],
        "people of the directory got in after its last outage": slapd is None
        or told.directory_accepted_at > faults.directory_back_at + soakdirectory.REMEMBER_SECONDS,
        "people got in by EAP": phones.succeeded > 0 or phones.is_absent,
        "everything was answered in the end": sessions.is_over,
        "every fault was made": faults.are_all_done,
        f"memory grew by less than {GROWTH:.0%}": samples.are_flat(seconds),
    }


def compare(config: Config, told: Told) -> dict[str, bool]:
    """What the clients were told against what the database says."""
    database = Database(config.database_url)
    try:
        with database.read() as session:
            stored = Counter(
                fact_of(bytes(octets))
                for (octets,) in session.execute(text("SELECT octets FROM accounting_event"))
            )
            admitted = set(
                session.scalars(
                    text("SELECT calling_station_id FROM auth_event WHERE outcome = 'accept'")
                )
            )
            stopped = set(
                session.scalars(
                    text("SELECT acct_session_id FROM network_session WHERE stop_seen = 1")
                )
            )
    finally:
        database.dispose()
    doubled = sum(count - 1 for count in stored.values())
    lost = told.acknowledged - stored.keys()
    ended = {session for session, status, _ in told.acknowledged if status == STOP}
    print(
        f"accounting: {len(told.acknowledged):,} acknowledged, {len(stored):,} different ones and "
        f"{doubled} second copies in the database, {len(lost)} lost; logins: "
        f"{len(told.accepted):,} accepted, {len(told.accepted - admitted)} without a record; "
        f"sessions: {len(ended):,} ended, {len(ended - stopped)} of them still open"
    )
    return {
        "every acknowledged accounting packet is stored": bool(stored) and not lost,
        "every Access-Accept has its record": bool(admitted) and told.accepted <= admitted,
        "every session whose stop was acknowledged has ended": ended <= stopped,
    }


def fact_of(octets: bytes) -> Fact:
    """What an Accounting-Request says, read here without the server's code."""
    found = {}
    at = 20
    while at < len(octets):
        found[octets[at]] = octets[at + 2 : at + octets[at + 1]]
        at += octets[at + 1]
    return found[44].decode(), int.from_bytes(found[40], "big"), int.from_bytes(found[46], "big")


if __name__ == "__main__":
    sys.exit(main())
