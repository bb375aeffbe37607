"""The decoding process: spool files in, archive segments out, beside the receive loop.

A child of the collector. Its standard input carries the configuration, later the word
`stop`; when that pipe ends without it, the collector has died and the next one goes on.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from common import clock, logging
from common.config import Config
from common.errors import ArchiveError, BackendUnavailable, ConfigError, Refused
from common.memory import memory_octets
from common.metrics import Counters
from traffic.archive.index import ManifestIndex
from traffic.archive.seals import make_seal
from traffic.collectors.archivist import Archivist
from traffic.collectors.paths import CollectorPaths, collector_paths
from traffic.collectors.senders import Senders
from traffic.collectors.spool import SPOOL_OCTETS, closed_files

LEAST_FILES, MOST_FILES = 2, 16
"""Full spool files that become one segment when there is much to do: 1.4 to 11 million flows. Who
looks for one client's flows opens each segment once, so the fewer the better."""

FILE_MEMORY = 150 << 20
"""Memory that each of them takes until its segment is written."""

_MEMORY_SHARE = 8
"""One of so many parts of the memory is enough for that."""

_FULL_OCTETS = SPOOL_OCTETS + (1 << 20)
"""A full file is a little longer than it may be."""

SEAL_SECONDS = 3600.0

_LOOK_SECONDS = 0.25
_RETRY_SECONDS = 5.0
_NICENESS = 5
"""Receiving comes first when there are not enough processors for both."""

_OBJECTS = 200_000
"""A file's datagrams are as many objects, and none is garbage before its end: looking for some
among them takes a seventh of decoding."""

_STOP = b"stop\n"

_NOT_THE_FILE = (OSError, ArchiveError, BackendUnavailable)
"""The disk or the archive is at fault: a spool file is tried again, never refused."""

log = logging.get_logger(__name__)


def start_decoder(config: Config, lock: int) -> subprocess.Popen[bytes]:
    """Start the decoding process; it keeps the descriptor `lock` open as long as it lives."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "traffic.collectors.decoding"],
        stdin=subprocess.PIPE,
        pass_fds=(lock,),
        bufsize=0,
    )
    tree = json.dumps({"cwd": str(Path.cwd()), "config": config.model_dump(mode="json")})
    assert child.stdin is not None
    child.stdin.write(tree.encode() + b"\n")
    return child


def stop_decoder(child: subprocess.Popen[bytes]) -> int:
    """Let the decoder finish what is spooled; its exit code."""
    assert child.stdin is not None
    try:
        child.stdin.write(_STOP)
        child.stdin.close()
    except BrokenPipeError:
        pass
    return child.wait()


class DecodingLoop:
    """Chooses what to decode when; `turn` does one piece of work."""

    def __init__(self, archivist: Archivist, spool: Path, segment_seconds: int) -> None:
        self._archivist = archivist
        self._spool = spool
        self._segment_seconds = segment_seconds
        self._most = batch_octets(memory_octets())
        self._failed: Path | None = None

    def turn(self, *, hurry: bool, now: float) -> bool:
        """Decode the next files if they are due; True if there was something to do.

        Without `hurry`, small files wait for more, so that segments do not get small, but
        never longer than a segment's time.
        """
        files = choose_files(closed_files(self._spool), self._most)
        if not files:
            return False
        if not hurry and not self._is_due(files, now):
            return False
        self._decode(files)
        return True

    def _is_due(self, files: Sequence[Path], now: float) -> bool:
        sizes = [path.stat().st_size for path in files]
        if min(sizes) < SPOOL_OCTETS or sum(sizes) > self._most - _FULL_OCTETS:
            return True  # one was closed because of its age, or no more go together
        waited = now - min(path.stat().st_mtime for path in files)
        return not 0 <= waited < self._segment_seconds / 4

    def _decode(self, files: Sequence[Path]) -> None:
        started = time.monotonic()
        try:
            flows = self._archivist.consume(files)
        except _NOT_THE_FILE as error:
            log.error("archiving_failed", error=str(error), retry_seconds=_RETRY_SECONDS)
            self._archivist.recover()
            time.sleep(_RETRY_SECONDS)
            return
        except Exception:
            # One spool file that no test foresaw must not stop all that come after it.
            log.exception("decoding_failed", spools=[path.name for path in files])
            self._archivist.recover()
            self._narrow(files)
            return
        seconds = round(time.monotonic() - started, 3)
        log.info("spool_archived", flows=flows, spools=len(files), seconds=seconds)

    def _narrow(self, files: Sequence[Path]) -> None:
        """Decode `files` one by one and refuse the one that fails."""
        for path in files:
            try:
                self._archivist.consume([path])
            except _NOT_THE_FILE:
                self._archivist.recover()
                return
            except Exception:
                log.exception("spool_refused", spool=path.name)
                self._archivist.recover()
                self._archivist.refuse(path)


class Sealer:
    """Signs the end of the manifest at the first segment and then every hour."""

    def __init__(self, config: Config, paths: CollectorPaths) -> None:
        self._archive = paths.archive
        self._keys = config.keys_dir
        self._next = 0.0

    def turn(self, now: float) -> None:
        """Seal when it is time; a site without a key is told, and collects all the same."""
        if now < self._next:
            return
        try:
            make_seal(self._archive, self._keys, clock.unix_milliseconds)
        except Refused:
            return  # nothing to seal yet
        except (ConfigError, ArchiveError, BackendUnavailable, OSError) as error:
            log.warning("archive_not_sealed", error=str(error))
        # Not left to the first look-up after months, which would wait for it.
        with contextlib.suppress(ArchiveError, BackendUnavailable):
            ManifestIndex(self._archive)
        self._next = now + SEAL_SECONDS


def batch_octets(memory: int) -> int:
    """Spool octets to decode at once on a machine with so many octets of memory."""
    files = memory // _MEMORY_SHARE // FILE_MEMORY
    return min(max(files, LEAST_FILES), MOST_FILES) * _FULL_OCTETS


def choose_files(files: Sequence[Path], most: int) -> list[Path]:
    """The oldest of `files` that together stay within `most` octets, at least one."""
    chosen: list[Path] = []
    octets = 0
    for path in files:
        octets += path.stat().st_size
        if chosen and octets > most:
            break
        chosen.append(path)
    return chosen


def main() -> int:
    """Run until told to stop, then finish what is spooled."""
    logging.configure("decoder")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICENESS)
    gc.set_threshold(_OBJECTS, *gc.get_threshold()[1:])
    stream = sys.stdin.buffer.raw  # type: ignore[union-attr]
    tree = json.loads(_read_line(stream.fileno()))
    os.chdir(tree["cwd"])
    config = Config.model_validate(tree["config"])
    paths = collector_paths(config)
    counters = Counters()
    archivist = Archivist(config, paths, counters, Senders(config, paths.state))
    archivist.recover()
    loop = DecodingLoop(archivist, paths.spool, config.archive.segment_seconds)
    sealer = Sealer(config, paths)
    metrics = config.data_dir / "metrics" / "decoder.prom"
    stopping = False
    while True:
        worked = loop.turn(hurry=stopping, now=_wall_seconds())
        sealer.turn(_wall_seconds())
        if worked:
            with contextlib.suppress(OSError):
                counters.write(metrics)
        elif stopping:
            return 0
        wait = 0.0 if worked or stopping else _LOOK_SECONDS
        if not stopping and select.select([stream], [], [], wait)[0]:
            if os.read(stream.fileno(), len(_STOP)) != _STOP:
                log.warning("collector_gone", detail="what is spooled waits for the next start")
                return 1
            stopping = True


def _wall_seconds() -> float:
    return clock.unix_nanoseconds() / 1e9


def _read_line(handle: int) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(handle, 1)
        if not piece:
            raise SystemExit(1)
        line += piece
    return bytes(line)


if __name__ == "__main__":
    sys.exit(main())
