"""EAP logins a second, and what one costs the server, by method, TLS version and workers.

Debian's eapol_test, several at once, is the clients; they share the cores with the server and
most of what a second has goes to them, so the processor time a login is the figure to compare.
About a minute; leaves nothing behind.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.postgresql import postgresql_programs, running_postgresql
from bench.processes import end_on_sigterm, processor_seconds
from bench.radius import SECRET, make_site, server
from common.config import Config
from identity.domain.recoverable import Recoverable
from identity.office import Office
from identity.services import people
from yuenyan.processes.radius import worker_count

NAME, PASSWORD = "somchai", "password of somchai"
METHODS = {"TTLS/PAP": ("TTLS", "PAP"), "PEAP/MSCHAPv2": ("PEAP", "MSCHAPV2")}
VERSIONS = {
    "1.2": "tls_disable_tlsv1_3=1",
    "1.3": "tls_disable_tlsv1_3=0",
}
PEERS = 32
LOGINS = 10
"""Of each peer, one after the other; where they are resumed all but the first."""

WARM_LOGINS = 2
LIMIT_SECONDS = 60.0
WORKERS = (1, 2)

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Peers:
    """What several eapol_test came to."""

    logins: int
    failed: int
    seconds: float
    rounds: float
    """RADIUS requests a login."""


def main() -> int:
    """Print the table; the exit code says whether every login succeeded with equal keys."""
    end_on_sigterm()
    if shutil.which("eapol_test") is None:
        print("eapol_test: not installed (apt-get install eapoltest), not measured")
        return 0
    if postgresql_programs() is None:
        print("postgresql: not installed, not measured")
        return 0
    print(
        f"{PEERS} eapol_test at once, {LOGINS} logins each, on the {os.cpu_count()} cores of the "
        "server; PostgreSQL, every decision committed durably; the certificates `yuenyan init` "
        "makes (ECDSA P-256); server ms: user and system time of all its processes"
    )
    print(
        f"{'method':<15}{'TLS':>4}  {'handshake':<10}{'workers':>8}{'logins/s':>10}"
        f"{'server ms':>11}{'rounds':>8}{'logins':>8}{'failed':>8}"
    )
    good = True
    for workers in WORKERS:
        with (
            tempfile.TemporaryDirectory(prefix="yuenyan-bench-") as name,
            running_postgresql() as database,
        ):
            config = make_site(Path(name), database.url, workers)
            add_person(config)
            with server(config, Path(name)) as process:
                good &= measure(config, Path(name), process.pid)
    return 0 if good else 1


def add_person(config: Config) -> None:
    """The one who logs in; MSCHAPv2 needs the password kept."""
    office = Office.open(config)
    hashed = office.passwords.hash(PASSWORD)
    with office.database.write() as session:
        new = people.NewUser(
            username=NAME,
            password_hash=hashed,
            password=PASSWORD,
            recoverable=Recoverable.NT_HASH,
        )
        people.add_user(session, office, new, "bench")
    office.database.dispose()


def measure(config: Config, folder: Path, number: int) -> bool:
    """One line for each kind of login; `number` is the server's process."""
    good = True
    for method, version, resumed in itertools.product(METHODS, VERSIONS, (False, True)):
        network = write_network(config, folder, method, version, resumed)
        run_peers(config, network, WARM_LOGINS)
        before = processor_seconds(number)
        made = run_peers(config, network, LOGINS)
        cost = (processor_seconds(number) - before) / max(1, made.logins)
        good &= not made.failed
        print(
            f"{method:<15}{version:>4}  {'resumed' if resumed else 'full':<10}"
            f"{worker_count(config):>8}{made.logins / made.seconds:>10.0f}{cost * 1000:>11.2f}"
            f"{made.rounds:>8.1f}{made.logins:>8}{made.failed:>8}",
            flush=True,
        )
    return good


def write_network(config: Config, folder: Path, method: str, version: str, resumed: bool) -> Path:
    """The peers' configuration; without fast_reauth they begin anew each time."""
    eap, phase2 = METHODS[method]
    path = folder / "network.conf"
    path.write_text(
        f"fast_reauth={int(resumed)}\n"
        "network={\n  key_mgmt=IEEE8021X\n"
        f'  eap={eap}\n  identity="{NAME}"\n  anonymous_identity="anonymous"\n'
        f'  password="{PASSWORD}"\n  ca_cert="{config.eap_ca}"\n'
        f'  phase1="{VERSIONS[version]}"\n  phase2="auth={phase2}"\n}}\n',
        encoding="utf-8",
    )
    return path


def run_peers(config: Config, network: Path, logins: int) -> Peers:
    """Let every peer log in `logins` times, each as a device of its own."""
    port = config.radius.auth[0].rpartition(":")[2]
    logs = [network.with_name(f"peer-{number}.log") for number in range(PEERS)]
    running = []
    began = time.perf_counter()
    try:
        for mac, path in zip(_macs(), logs, strict=False):
            # Into a file, because a peer whose pipe is full waits.
            with path.open("w", encoding="utf-8") as log:
                running.append(
                    subprocess.Popen(
                        ["eapol_test", "-c", str(network), "-a", "127.0.0.1", "-p", port,
                         "-s", SECRET, "-M", mac, "-t", "20", "-r", str(logins - 1)],
                        stdout=log, stderr=log,
                    )
                )  # fmt: skip
        for peer in running:
            peer.wait(LIMIT_SECONDS)
        seconds = time.perf_counter() - began
    finally:
        for peer in running:
            peer.kill()
            peer.wait()
    outputs = [path.read_text(encoding="utf-8", errors="replace") for path in logs]
    proven = sum(_equal_keys(output) for output in outputs)
    rounds = sum(output.count("Sending RADIUS message") for output in outputs)
    return Peers(proven, PEERS * logins - proven, seconds, rounds / max(1, PEERS * logins))


def _equal_keys(output: str) -> int:
    """How many logins ended with the same keys on both sides."""
    found = re.search(r"MPPE keys OK: (\d+)  mismatch: (\d+)", output)
    return int(found[1]) if found and output.rstrip().endswith("SUCCESS") else 0


def _macs() -> Iterator[str]:
    for number in _numbers:
        yield f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"


if __name__ == "__main__":
    sys.exit(main())
