"""Keeps a set of programs running: starts, restarts with back-off, stops in reverse order.

Each child is the leader of a process group of its own, so that Ctrl-C reaches only the
supervisor, and nothing a child started can outlive it. Knows nothing of what they do.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from common.logging import get_logger

FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 30.0
HEALTHY_AFTER_SECONDS = 60.0
"""A child that ran this long is not in a crash loop: its next crash starts at one second."""

DRAIN_SECONDS = 90.0
"""What children get to store what they have received; then they are killed."""

CONFIGURATION_EXIT = 2
"""A child that cannot use its configuration: starting it again would change nothing."""

_TICK_SECONDS = 0.25
_PR_SET_PDEATHSIG = 1
_WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_STOPPING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, and what to call it in the log."""

    name: str
    command: Sequence[str]


@dataclass(slots=True)
class _Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    delay_seconds: float = 0.0
    due: float = field(default=0.0)
    """When to start it again, on the monotonic clock; only while `process` is None."""


def next_delay(delay_seconds: float, ran_seconds: float) -> float:
    """How long to wait before the next start, after the last wait and the last run."""
    if delay_seconds == 0 or ran_seconds >= HEALTHY_AFTER_SECONDS:
        return FIRST_DELAY_SECONDS
    return min(delay_seconds * 2, LONGEST_DELAY_SECONDS)


class Supervisor:
    """Runs `programs` until a signal, or until one of them refuses its configuration.

    Args:
        on_tick: called a few times a second while all children run, until it returns True.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        on_tick: Callable[[], bool] = lambda: True,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self._children = [_Child(program) for program in programs]
        self._on_tick = on_tick
        self._drain_seconds = drain_seconds
        self._log = get_logger(__name__)

    def run(self) -> int:
        """The exit code: 0 after a signal, 2 when a child exited with 2."""
        # Blocked signals wait in the kernel until sigtimedwait takes them: none is missed.
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        exit_code = 0
        announced = False
        try:
            for child in self._children:
                self._start(child)
            while True:
                if self._signal_within(_TICK_SECONDS if not announced else self._until_due()):
                    break
                refused = self._reap()
                if refused is not None:
                    self._log.error("stopping_because_of_configuration", process=refused)
                    exit_code = CONFIGURATION_EXIT
                    break
                now = time.monotonic()
                for child in self._children:
                    if child.process is None and child.due <= now:
                        self._start(child)
                if not announced and all(child.process for child in self._children):
                    announced = self._on_tick()
        finally:
            self._stop_all()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        return exit_code

    def _start(self, child: _Child) -> None:
        child.process = subprocess.Popen(  # noqa: S603 - commands of our own
            child.program.command,
            stdin=subprocess.DEVNULL,
            process_group=0,
            preexec_fn=_in_child(os.getpid()),  # noqa: PLW1509 - this process has one thread
        )
        child.started = time.monotonic()
        self._log.info("process_started", name=child.program.name, pid=child.process.pid)

    def _reap(self) -> str | None:
        """Note the children that have ended; the name of one that refused its configuration."""
        for child in self._children:
            if child.process is None:
                continue
            code = child.process.poll()
            if code is None:
                continue
            _signal_group(child.process.pid, signal.SIGTERM)
            child.process = None
            if code == CONFIGURATION_EXIT:
                return child.program.name
            now = time.monotonic()
            child.delay_seconds = next_delay(child.delay_seconds, now - child.started)
            child.due = now + child.delay_seconds
            self._log.error(
                "process_ended",
                name=child.program.name,
                exit_code=code,
                restart_in_seconds=child.delay_seconds,
            )
        return None

    def _until_due(self) -> float:
        """Seconds to wait: until a restart is due, or a minute for safety's sake."""
        waiting = [child.due for child in self._children if child.process is None]
        return max(0.0, min(waiting, default=time.monotonic() + 60) - time.monotonic())

    def _signal_within(self, seconds: float) -> bool:
        """Whether a signal to stop came within `seconds`; the end of a child only wakes."""
        info = signal.sigtimedwait(_WATCHED, seconds)
        return info is not None and info.si_signo in _STOPPING

    def _stop_all(self) -> None:
        running = [child for child in self._children if child.process is not None]
        for child in reversed(running):
            assert child.process is not None, "filtered above"
            child.process.terminate()
        deadline = time.monotonic() + self._drain_seconds
        for child in reversed(running):
            assert child.process is not None, "filtered above"
            try:
                code = child.process.wait(max(0.0, deadline - time.monotonic()))
                self._log.info("process_stopped", name=child.program.name, exit_code=code)
            except subprocess.TimeoutExpired:
                self._log.error("process_killed", name=child.program.name)
            _signal_group(child.process.pid, signal.SIGKILL)
            child.process.wait()
            child.process = None


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def _in_child(parent: int) -> Callable[[], None]:
    """What a child does before it becomes its program: unblock signals, die with `parent`."""
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        if libc is not None:
            # SIGTERM, not SIGKILL: without a supervisor a child still drains.
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    return prepare
