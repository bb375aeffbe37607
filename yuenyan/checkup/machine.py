"""What the machine gives: disk, clock, processor. Changes nothing."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from common.config import Config
from common.disk import Level, room_of
from common.owners import other_owner
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
        owner = other_owner(path)
        yield error(
            "data directory",
            f"{path} cannot be written by this user",
            f"run it as {owner}" if owner else f"let its owner write there: chmod u+rwx {path}",
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
