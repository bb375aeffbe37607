"""What the machine gives: disk, clock, ports, processor. Changes nothing."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from common.config import Config
from common.disk import Level, room_of
from common.net import parse_listen
from identity.passwords import PasswordVault
from yuenyan.checkup.finding import Finding, error, ok, warn
from yuenyan.context import NO_SITE

_STATUS_UNSYNCHRONISED = 0x40
_TIMEX_OCTETS = 512
_SLOW_HASH_SECONDS = 0.5
"""A log-in that waits longer than this behind two others is repeated by its access point."""


def check_disk(config: Config) -> Iterator[Finding]:
    """The data directory can be written and has room."""
    path = config.data_dir
    if not path.is_dir():
        yield error("data directory", f"{path} does not exist", NO_SITE)
        return
    if not os.access(path, os.W_OK | os.X_OK):
        yield error(
            "data directory",
            f"{path} cannot be written by this user",
            f"run as the user that owns it, or: chown -R {os.getuid()} {path}",
        )
    else:
        yield ok("data directory", str(path))
    room = room_of(path)
    if room is None:
        yield warn("disk", f"cannot tell how full {path} is", "look with: df -h")
    elif room.level is Level.FULL:
        refusing = config.archive.disk_full == "refuse-logins"
        yield error(
            "disk",
            f"{room.text}{'; nobody new is let in' if refusing else ''}",
            "make room now: receiving stops when it is full, and nothing younger than 90 days is"
            " ever deleted for it",
        )
    elif room.level is Level.NEARLY:
        yield warn("disk", room.text, "make room this week, or move the archive to a larger disk")
    elif room.level is Level.FILLING:
        yield warn("disk", room.text, "plan for more room")
    else:
        yield ok("disk", room.text)


def check_clock(config: Config) -> Iterator[Finding]:
    """The kernel says that something keeps the clock right."""
    here = datetime.now(ZoneInfo(config.site.timezone))
    yield ok("time zone", f"{config.site.timezone}, now {here.isoformat(timespec='seconds')}")
    state = clock_state()
    if state is None:
        yield warn(
            "clock",
            "cannot tell whether it is kept right on this system",
            "make sure that NTP runs: records must be right to a fraction of a second",
        )
        return
    synchronised, maximum_error_seconds = state
    if synchronised:
        yield ok("clock", f"synchronised, at most {maximum_error_seconds:.3f} s wrong")
    else:
        yield warn(
            "clock",
            "not synchronised",
            "install and start chrony; in a container or virtual machine, on its host",
        )


def clock_state() -> tuple[bool, float] | None:
    """(synchronised, greatest error in seconds) as adjtimex(2) tells, or None."""
    if sys.platform != "linux":
        return None
    # A timex whose first field, modes, is 0 only asks. Its tail differs between versions.
    buffer = ctypes.create_string_buffer(_TIMEX_OCTETS)
    if ctypes.CDLL(None, use_errno=True).adjtimex(buffer) < 0:
        return None
    word = struct.calcsize("l")
    (maximum_error_micros,) = struct.unpack_from("l", buffer, 3 * word)
    (status,) = struct.unpack_from("i", buffer, 5 * word)
    return not status & _STATUS_UNSYNCHRONISED, maximum_error_micros / 1e6


def is_clock_kept() -> bool:
    """Whether the kernel says that something keeps the clock right."""
    state = clock_state()
    return state is not None and state[0]


def check_password_costs(config: Config) -> Iterator[Finding]:
    """What one first log-in costs on this machine."""
    vault = PasswordVault(config.passwords)
    began = time.perf_counter()
    vault.hash("how long does this take")
    seconds = time.perf_counter() - began
    costs = config.passwords
    text = (
        f"argon2id {costs.memory_kib // 1024} MiB, {costs.passes} passes:"
        f" {seconds * 1000:.0f} ms, about {(os.cpu_count() or 1) / seconds:.0f} a second"
    )
    if seconds > _SLOW_HASH_SECONDS:
        yield warn("password hashes", text, "lower [passwords] memory_kib or passes")
    else:
        yield ok("password hashes", text)


def check_ports(config: Config) -> Iterator[Finding]:
    """Every address to listen on can be bound, or is held by a process of ours."""
    datagram, stream = socket.SOCK_DGRAM, socket.SOCK_STREAM
    wanted = [
        *((f"radius.auth {text}", text, datagram) for text in config.radius.auth),
        *((f"radius.acct {text}", text, datagram) for text in config.radius.acct),
        ("portal.listen " + config.portal.listen, config.portal.listen, stream),
        ("admin.listen " + config.admin.listen, config.admin.listen, stream),
        *((f"collector.netflow {text}", text, datagram) for text in config.collector.netflow),
        *((f"collector.ipfix {text}", text, datagram) for text in config.collector.ipfix),
    ]
    for check, listen, kind in wanted:
        yield _check_port(check, listen, kind)


def _check_port(check: str, listen: str, kind: socket.SocketKind) -> Finding:
    host, port = parse_listen(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:
                # Connections that are being closed do not hold the port against gunicorn either.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as problem:
        if problem.errno == errno.EADDRINUSE:
            return _held(check, port, kind)
        if problem.errno == errno.EACCES:
            return error(
                check,
                "a port below 1024 that this user may not open",
                "use a port above 1023, or give the service CAP_NET_BIND_SERVICE",
            )
        if problem.errno == errno.EADDRNOTAVAIL:
            return error(check, f"this machine has no address {host}", "correct the address")
        return error(check, str(problem), "correct the address")
    return ok(check, "free")


def _held(check: str, port: int, kind: socket.SocketKind) -> Finding:
    holder = find_holder(port, "tcp" if kind == socket.SOCK_STREAM else "udp")
    if holder is None:
        return warn(
            check,
            "in use, and not visible by whom",
            "run this as root to see; it is fine if Yuenyan is running",
        )
    number, command = holder
    if "yuenyan" in command:
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
            command = Path("/proc", number, "cmdline").read_bytes()
        except OSError:
            continue
        return int(number), command.replace(b"\0", b" ").decode(errors="replace").strip()
    return None
