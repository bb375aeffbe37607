"""The programs and files of this machine that change its kernel: nft, tc, ip and sysctl.

Programs are run by absolute path, without a shell, with an environment of their own, and what
they read is made of the configuration, parsed addresses and numbers alone.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from captive_portal.gateway import rates, rules
from captive_portal.gateway.counting import COUNTING_SETS
from common.config_gateway import GatewayKernel
from common.errors import BackendUnavailable, ConfigError
from common.logging import get_logger

_FOLDERS = tuple(Path(folder) for folder in ("/usr/sbin", "/sbin", "/usr/bin", "/bin"))
_PROGRAMS = {"nft": "nftables", "tc": "iproute2", "ip": "iproute2"}
_LIMIT_SECONDS = 20
_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
_QUEUES = ("fq_codel", "sfq perturb 10", "pfifo limit 64")
"""Of what waits in a device's class; the first that this kernel has. The last is about a second
at one megabit."""
_LEAST = {
    f"{version}/neigh/default/gc_thresh{number}": least
    for version in ("ipv4", "ipv6")
    for number, least in ((3, 32_768), (2, 16_384), (1, 4_096))
} | {"netfilter/nf_conntrack_max": 262_144}
"""Linux is made for a desk: beyond 1,024 neighbours it forgets some, and a phone holds a hundred
connections. They are the whole machine's, not a namespace's. Some 80 MB when all are used."""


class Machine:
    """This machine; `start` looks for its programs."""

    def __init__(self, settings: GatewayKernel) -> None:
        self._settings = settings
        self._programs: Mapping[str, str] = {}
        self._queue: str | None = None
        self._log = get_logger(__name__)

    def start(self) -> None:
        """Find the programs.

        Raises:
            ConfigError: one is missing.
            BackendUnavailable: an interface is not there.
        """
        self._programs = {name: _find(name, package) for name, package in _PROGRAMS.items()}
        for interface in (*self._settings.inside, *self._settings.outside):
            # Not every namespace has a sysfs of its own.
            if not Path(f"/proc/sys/net/ipv4/conf/{interface}").is_dir():
                # It may come in a moment, with a cable or a driver.
                raise BackendUnavailable(f"the interface {interface}", "this machine has none such")

    def forward(self) -> None:
        """Let the kernel route, count connections and note their times."""
        versions = {own.version for own in self._settings.own}
        wanted = {
            "netfilter/nf_conntrack_acct": "1",
            "netfilter/nf_conntrack_timestamp": "1",
            # Newer kernels (2) tell of the ends of those alone that began while somebody listened.
            "netfilter/nf_conntrack_events": "1",
        }
        if 4 in versions:
            wanted["ipv4/ip_forward"] = "1"
        if 6 in versions:
            # A router takes no routes from others unless it is told so (2): its way out may be one.
            for interface in self._settings.outside:
                if _sysctl(f"ipv6/conf/{interface}/accept_ra") == "1":
                    wanted[f"ipv6/conf/{interface}/accept_ra"] = "2"
            wanted["ipv6/conf/all/forwarding"] = "1"
        for name, least in _LEAST.items():
            present = _sysctl(name)
            if present.isdigit() and int(present) < least:
                wanted[name] = str(least)
        for name, value in wanted.items():
            if _sysctl(name) == value:
                continue
            try:
                (_SYSCTL / name).write_text(value, encoding="ascii")
            except OSError as error:
                self._log.error("sysctl_refused", name=name, wanted=value, error=str(error))

    def change(self, text: str) -> None:
        """One transaction of nft: all of it, or BackendUnavailable and nothing."""
        self._run("nft", "-f", "-", given=text)

    def listing(self) -> bytes:
        """Our table with everything in it, as JSON."""
        return self._run("nft", "-j", "list", "table", *rules.TABLE.split())

    def counters(self) -> str:
        """Every element that counts, as text."""
        return "\n".join(
            self._run("nft", "-n", "list", "set", *rules.TABLE.split(), name).decode()
            for name in COUNTING_SETS
        )

    def counters_of(self, asked: str) -> str:
        """Those that `asked` names."""
        return self._run("nft", "-n", asked).decode() if asked else ""

    def is_installed(self) -> bool:
        """Whether our table is there."""
        try:
            self._run("nft", "-t", "list", "chain", *rules.TABLE.split(), "forward")
        except BackendUnavailable:
            return False
        return True

    def rules(self) -> bytes:
        """Our table without what is in its sets; empty when it is not there."""
        try:
            return self._run("nft", "-t", "-n", "list", "table", *rules.TABLE.split())
        except BackendUnavailable:
            return b""

    def neighbours(self) -> bytes:
        """What ip tells of neighbours, as JSON."""
        return self._run("ip", "-j", "neigh", "show")

    def set_rate(self, interfaces: Sequence[str], minor: int, kbps: int) -> None:
        """Give the class `minor` a rate on these interfaces."""
        lines = []
        fresh = []
        for interface in interfaces:
            if not rates.has_root(self._show("qdisc", interface)):
                lines += rates.root_lines(interface)
            if minor not in rates.minors(self._show("class", interface)):
                fresh.append(interface)
        lines += rates.class_lines(interfaces, minor, kbps)
        self._batch(lines)
        if fresh:
            self._queue_in(fresh, minor)

    def drop_rate(self, interfaces: Sequence[str], minor: int) -> None:
        """Take the class `minor` away where it is."""
        there = [
            interface
            for interface in interfaces
            if minor in rates.minors(self._show("class", interface))
        ]
        self._batch(rates.delete_lines(there, minor))

    def drop_rates_but(self, interfaces: Sequence[str], kept: set[int]) -> None:
        """Take away classes of nobody, which a helper that was killed has left."""
        lines = []
        for interface in interfaces:
            for minor in rates.minors(self._show("class", interface)) - kept:
                lines += rates.delete_lines([interface], minor)
        self._batch(lines)

    def _queue_in(self, interfaces: Sequence[str], minor: int) -> None:
        for queue in _QUEUES if self._queue is None else (self._queue,):
            try:
                self._batch(rates.leaf_lines(interfaces, minor, queue))
            except BackendUnavailable:
                if queue == _QUEUES[-1]:
                    raise
            else:
                self._queue = queue
                return

    def _batch(self, lines: Sequence[str]) -> None:
        if lines:
            self._run("tc", "-batch", "-", given="".join(f"{line}\n" for line in lines))

    def _show(self, what: str, interface: str) -> str:
        return self._run("tc", what, "show", "dev", interface).decode(errors="replace")

    def _run(self, program: str, *arguments: str, given: str = "") -> bytes:
        try:
            done = subprocess.run(  # noqa: S603 - absolute path, no shell, checked values
                [self._programs[program], *arguments],
                input=given.encode("ascii"),
                capture_output=True,
                env=_ENVIRONMENT,
                cwd="/",
                timeout=_LIMIT_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BackendUnavailable(program, str(error)) from error
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
            raise BackendUnavailable(program, said or f"exit code {done.returncode}")
        return done.stdout


_SYSCTL = Path("/proc/sys/net")


def _sysctl(name: str) -> str:
    try:
        return (_SYSCTL / name).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _find(name: str, package: str) -> str:
    for folder in _FOLDERS:
        if (folder / name).is_file():
            return str(folder / name)
    raise ConfigError(f"the gateway needs {name}: apt-get install {package}", "gateway.kernel")
