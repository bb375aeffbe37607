"""The addresses to listen on: whether each is free, and who holds it. Changes nothing."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.config import Config
from common.errors import ConfigError
from common.net import parse_listen
from yuenyan.checkup.finding import Finding, error, ok, warn

PATIENCE_SECONDS = 35.0
"""What is left of a service that was killed stores what it has before it leaves its ports."""

_LOOK_AGAIN_SECONDS = 0.2
_ANCESTORS = 8


@dataclass(frozen=True, slots=True)
class Port:
    """An address of the configuration, the key that names it, and what listens there."""

    process: str
    key: str
    listen: str
    kind: socket.SocketKind

    @property
    def text(self) -> str:
        return f"{self.key} {self.listen}"


def ports_of(config: Config) -> list[Port]:
    """Every address that the processes of this site listen on."""
    datagram, stream = socket.SOCK_DGRAM, socket.SOCK_STREAM
    radius, collector, gateway = config.radius, config.collector, config.gateway
    wanted: list[tuple[str, str, Sequence[str], socket.SocketKind]] = [
        ("radius", "radius.auth", radius.auth, datagram),
        ("radius", "radius.acct", radius.acct, datagram),
        ("radius", "radius.radsec", radius.radsec, stream),
        ("portal", "portal.listen", (config.portal.listen,), stream),
        ("admin", "admin.listen", (config.admin.listen,), stream),
        ("collector", "collector.netflow", collector.netflow, datagram),
        ("collector", "collector.ipfix", collector.ipfix, datagram),
        ("collector", "collector.syslog", collector.syslog, datagram),
        ("collector", "collector.ipfix_tcp", collector.ipfix_tcp, stream),
        ("collector", "collector.ipfix_tls", collector.ipfix_tls, stream),
        ("collector", "collector.syslog_tcp", collector.syslog_tcp, stream),
        ("collector", "collector.syslog_tls", collector.syslog_tls, stream),
    ]
    if gateway.is_configured:
        wanted.append(("gateway", "gateway.listen", gateway.listen, stream))
        wanted.append(("gateway", "gateway.coa", gateway.coa, datagram))
    return [Port(name, key, one, kind) for name, key, many, kind in wanted for one in many]


def check_ports(config: Config) -> Iterator[Finding]:
    """Every address to listen on can be bound, or is held by a process of ours."""
    for port in ports_of(config):
        yield _check_port(port)


def require_free(
    config: Config, processes: Sequence[str], patience_seconds: float = PATIENCE_SECONDS
) -> None:
    """Return when every address of these processes is free.

    A RADIUS worker shares its port with others (SO_REUSEPORT), so a second server must be
    stopped before it comes so far.

    Args:
        patience_seconds: how long what may be left of a killed service is waited for; another
            program, or a site that runs, is told of at once.

    Raises:
        ConfigError: somebody holds one; says which, and who as far as it can be seen.
    """
    deadline = time.monotonic() + patience_seconds
    for port in ports_of(config):
        while port.process in processes and (problem := _problem(port)) is not None:
            if problem.errno != errno.EADDRINUSE:
                break  # whoever binds it says what is wrong
            holder = find_holder(parse_listen(port.listen)[1], _protocol(port))
            if time.monotonic() >= deadline or (holder is not None and _stays(*holder)):
                raise ConfigError(
                    f"{port.listen} is in use{_by(holder)}; stop what holds it or change the port",
                    port.key,
                )
            time.sleep(_LOOK_AGAIN_SECONDS)


def _by(holder: tuple[int, str] | None) -> str:
    if holder is None:
        return ""
    number, command = holder
    if _is_ours(number, command):
        return f" by Yuenyan, which runs already (process {number})"
    return f" by process {number} ({command[:60]})"


def _is_ours(number: int, command: str) -> bool:
    """Whether it is Yuenyan: a worker of RADIUS tells only that it was spawned, not by whom."""
    for _ in range(_ANCESTORS):
        if "yuenyan" in command:
            return True
        if "multiprocessing" not in command:
            return False
        try:
            number, command = _parent(number)
        except (OSError, ValueError, IndexError):
            return False
    return False


def _stays(number: int, command: str) -> bool:
    """Whether it will not leave by itself: a strange program, or one under a `serve`."""
    if "yuenyan" not in command and "multiprocessing" not in command:
        return True
    for _ in range(_ANCESTORS):
        if "serve" in command.split():
            return True
        try:
            number, command = _parent(number)
        except (OSError, ValueError, IndexError):
            return False
    return False


def _parent(number: int) -> tuple[int, str]:
    status = Path("/proc", str(number), "stat").read_text(encoding="utf-8")
    above = int(status.rpartition(")")[2].split()[1])
    return above, _command(above)


def _command(number: int) -> str:
    words = Path("/proc", str(number), "cmdline").read_bytes()
    return words.replace(b"\0", b" ").decode(errors="replace").strip()


def _protocol(port: Port) -> str:
    return "tcp" if port.kind == socket.SOCK_STREAM else "udp"


def _problem(port: Port) -> OSError | None:
    """Why the address cannot be bound; None when it can."""
    host, number = parse_listen(port.listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, port.kind) as probe:
            if port.kind == socket.SOCK_STREAM:
                # Connections that are being closed do not hold the port against gunicorn either.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, number))
    except OSError as problem:
        return problem
    return None


def _check_port(port: Port) -> Finding:
    check = port.text
    problem = _problem(port)
    if problem is None:
        return ok(check, "free")
    if problem.errno == errno.EADDRINUSE:
        return _held(port)
    if problem.errno == errno.EACCES:
        return error(
            check,
            "a port below 1024 that this user may not open",
            "use a port above 1023, or give the service CAP_NET_BIND_SERVICE",
        )
    if problem.errno == errno.EADDRNOTAVAIL:
        host, _ = parse_listen(port.listen)
        return error(check, f"this machine has no address {host}", "correct the address")
    return error(check, str(problem), "correct the address")


def _held(port: Port) -> Finding:
    check = port.text
    holder = find_holder(parse_listen(port.listen)[1], _protocol(port))
    if holder is None:
        return warn(
            check,
            "in use, and not visible by whom",
            "run this as root to see; it is fine if Yuenyan is running",
        )
    number, command = holder
    if _is_ours(number, command):
        return ok(check, f"in use by Yuenyan (process {number})")
    return error(
        check,
        f"in use by process {number}: {command[:60]}",
        "stop it, or change the address in the configuration",
    )


def find_holder(port: int, protocol: str) -> tuple[int, str] | None:
    """(process number, command line) of who holds a local port, as far as /proc shows it."""
    inodes = set()
    for table in (f"/proc/net/{protocol}", f"/proc/net/{protocol}6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            # Only a listening TCP socket (0A) holds a port; UDP has no such state.
            if int(fields[1].rpartition(":")[2], 16) == port and (
                protocol == "udp" or fields[3] == "0A"
            ):
                inodes.add(f"socket:[{fields[9]}]")
    if not inodes:
        return None
    for handle in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(handle.readlink()) not in inodes:
                continue
            number = handle.parts[2]
            command = _command(int(number))
        except OSError:
            continue
        return int(number), command
    return None
