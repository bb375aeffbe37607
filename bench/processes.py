"""What the kernel tells about processes: children, processor time, memory.

The others read /proc and change nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from types import FrameType

_TICKS = os.sysconf("SC_CLK_TCK")


def end_on_sigterm() -> None:
    """Let SIGTERM end this program as Ctrl-C does, so that it cleans up behind itself."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit("ended by SIGTERM")

    signal.signal(signal.SIGTERM, end)


def end(process: subprocess.Popen[bytes], seconds: float) -> int:
    """Ask a program to end and wait; its exit code. It is killed after so long, which is an error.

    A server that hangs must not outlive what has measured it.
    """
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def children(number: int) -> list[int]:
    """Process numbers of the living children of a process."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        fields = _stat(path)
        if fields and int(fields[1]) == number and fields[0] != "Z":
            found.append(int(path.parent.name))
    return sorted(found)


def descendants(number: int) -> list[int]:
    """Process numbers of everything a process has started, and they, and so on."""
    found = []
    for child in children(number):
        found += [child, *descendants(child)]
    return found


def workers(number: int) -> list[int]:
    """Process numbers of the RADIUS workers of `yuenyan radius`: its children, or itself."""
    found = [child for child in children(number) if b"spawn_main" in _words(child)]
    return found or [number]


def processor_seconds(number: int) -> float:
    """User and system time of a process and its descendants, in steps of 10 ms."""
    total = 0
    for member in (number, *descendants(number)):
        fields = _stat(Path(f"/proc/{member}/stat"))
        if fields:
            total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def memory(number: int) -> tuple[int, int]:
    """Octets of a process in memory: RSS, and PSS, which shares out what is shared.

    Zeroes when it has ended.
    """
    sizes = {"Rss": 0, "Pss": 0}
    try:
        text = Path(f"/proc/{number}/smaps_rollup").read_text()
    except OSError:
        return 0, 0
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name in sizes:
            sizes[name] = int(value.split()[0]) * 1024
    return sizes["Rss"], sizes["Pss"]


def _stat(path: Path) -> list[str]:
    """The fields of a stat file after the name: state, parent, …; none when it has ended."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _words(number: int) -> bytes:
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return b""
