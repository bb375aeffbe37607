"""Processes of `yuenyan` that begin with everything imported.

Importing what `yuenyan radius` consists of takes a second of processor time, and a run of the tests
starts some 150 of it and its like. So one process for each kind loads what that kind needs, once in
a test process, and each server is a fork of it: the same script with the same words, in a process
group of its own, a child of the test. What it starts itself, a worker or a decoder, is begun as
ever; so is everything that `yuenyan serve` runs.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import cache
from typing import IO

KINDS = ("radius", "collector", "portal", "admin")
"""What begins so."""

_PR_SET_CHILD_SUBREAPER = 36
_LIMIT_SECONDS = 60.0

_PREPARED = """
import gc, importlib, json, os, runpy, socket, sys, time

def next_words(wire):
    while True:
        asked, files, _, _ = socket.recv_fds(wire, 1 << 20, 1)
        if not asked:
            os._exit(0)
        order = json.loads(asked)
        between = os.fork()
        if between:
            os.waitpid(between, 0)
            os.close(files[0])
            continue
        if os.fork():
            os._exit(0)
        latest = time.monotonic() + 30
        while os.getppid() != order["parent"]:
            if time.monotonic() > latest:
                os._exit(1)  # whoever asked is gone
            time.sleep(0.001)
        os.setpgid(0, 0)
        os.chdir("/")
        os.dup2(files[0], 1)
        os.dup2(files[0], 2)
        os.close(files[0])
        os.environ.clear()
        os.environ.update(order["environment"])
        wire.send(str(os.getpid()).encode())
        wire.close()
        return order["words"]

wire = socket.socket(fileno=int(sys.argv[1]))
for name in sys.argv[2:]:
    importlib.import_module(name)
assert len(os.listdir("/proc/self/task")) == 1, "this has threads"
gc.collect()
gc.freeze()
sys.argv = next_words(wire)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def start(kind: str, words: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    """`yuenyan KIND`, as `Popen(words, stdout=log, stderr=log, process_group=0, cwd="/")`.

    Args:
        words: the interpreter with its options, the script, and the script's own words.
    """
    script = next(number for number, word in enumerate(words[1:], 1) if not word.startswith("-"))
    return _of_kind(kind, tuple(words[1:script])).fork(words[script:], log)


class _Prepared:
    """One process that waits to be told what to become."""

    def __init__(self, kind: str, options: Sequence[str]) -> None:
        self._wire, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._wire.settimeout(_LIMIT_SECONDS)
        modules = ("yuenyan.cli", f"yuenyan.processes.{kind}", "sqlalchemy.dialects.sqlite")
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, *options, "-c", _PREPARED, str(theirs.fileno()), *modules],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                process_group=0,
                # Of numpy; what has threads cannot be forked.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )

    def fork(self, words: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        order = {"words": words, "environment": dict(os.environ), "parent": os.getpid()}
        _adopt(True)  # whatever loses its parent now becomes a child of this process
        try:
            socket.send_fds(self._wire, [json.dumps(order).encode()], [log.fileno()])
            number = int(self._wire.recv(100))
        finally:
            _adopt(False)
        return _Adopted(number, words)

    def end(self) -> None:
        self._wire.close()
        self._process.wait(_LIMIT_SECONDS)


class _Adopted(subprocess.Popen[bytes]):
    """A child of this process that something else has started."""

    def __init__(self, number: int, words: Sequence[str]) -> None:
        self.args, self.pid = words, number
        self.returncode = None
        self.stdin = self.stdout = self.stderr = None
        self._waitpid_lock = threading.Lock()
        self._child_created = True


@cache
def _of_kind(kind: str, options: tuple[str, ...]) -> _Prepared:
    made = _Prepared(kind, options)
    atexit.register(made.end)
    return made


def _adopt(adopt: bool) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0)
