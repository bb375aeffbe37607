"""The socket of the gateway's privileged half: few clients, short lines, one verb at a time.

Whoever may connect is checked by the kernel's word on the peer, every line by `read_verb`; a
peer that sends too much waits, and one that sends nonsense is hung up on.
"""

from __future__ import annotations

import fcntl
import grp
import os
import pwd
import selectors
import signal
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from captive_portal.gateway.admissions import Admissions
from captive_portal.gateway.verbs import Answer, read_verb, write_answer
from common.config_gateway import GatewayKernel
from common.errors import ConfigError, UsageError
from common.logging import get_logger

LONGEST_LINE = 8_192
"""32 addresses of 39 characters are some 1,500; of a longer line nothing is read any more."""
MOST_CLIENTS = 64
"""The gateway has a thread for each browser; whoever comes beyond it waits."""
_IDLE_SECONDS = 30.0
"""Who says nothing for so long makes room when others wait."""
LINES_A_SECOND = 100
_BURST = 100
_NONSENSE = 8
"""So many lines in a row that are no verb, and the peer is no gateway of ours."""
_LINE_SECONDS = 10.0
_WATCH_SECONDS = 3.0
"""So long everybody passes at most after somebody has flushed nftables."""
_MOST_UNREAD = 8 << 20
"""Of an answer that the peer does not take: the octets of twenty thousand devices are less."""


@dataclass(slots=True)
class _Client:
    wire: socket.socket
    received: bytearray = field(default_factory=bytearray)
    unsent: bytearray = field(default_factory=bytearray)
    allowed: float = _BURST
    counted_at: float = 0.0
    since: float = 0.0
    """When the line that is not whole yet began."""
    heard_at: float = 0.0
    nonsense: int = 0
    last: bool = False
    """It is hung up on after what is unsent."""


class VerbServer:
    """Serves `admissions` on the socket of the configuration until `stop`.

    Args:
        now: monotonic seconds.
    """

    def __init__(
        self,
        settings: GatewayKernel,
        admissions: Admissions,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._admissions = admissions
        self._now = now
        self._clients: dict[int, _Client] = {}
        self._selector = selectors.DefaultSelector()
        self._listener: socket.socket | None = None
        self._lock: int | None = None
        self._stopping = False
        self._log = get_logger(__name__)

    def start(self) -> None:
        """Listen, for root and the configured user alone.

        Raises:
            ConfigError: the user or group is unknown, or another helper runs.
        """
        self._user, group = _ids(self._settings)
        self._group = group
        path = self._settings.socket
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True)
            path.parent.chmod(0o755)  # whatever the umask
        self._lock = _only_one(path.with_suffix(".lock"))
        with suppress(FileNotFoundError):
            path.unlink()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o777)
        try:
            self._listener.bind(str(path))
        finally:
            os.umask(before)
        # Nobody but root can open it until it belongs to whom it should; the mode first,
        # because who has CAP_CHOWN alone cannot change that of another's.
        path.chmod(0o660)
        os.chown(path, self._user, group)
        self._listener.listen(MOST_CLIENTS)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._log.info("helper_listening", socket=str(path), user=self._settings.socket_user)

    def stop(self) -> None:
        """Let `run` end after the verb at hand."""
        self._stopping = True

    def run(self, wakes: int | None = None) -> None:
        """Serve until stopped; `wakes` is readable when something wants it to look."""
        if wakes is not None:
            self._selector.register(wakes, selectors.EVENT_READ)
        watch_at = 0.0
        while not self._stopping:
            for key, _ in self._selector.select(self._patience()):
                if key.fileobj is self._listener:
                    self._welcome()
                elif key.fd == wakes:
                    os.read(key.fd, 4096)
                elif key.fd in self._clients:
                    self._hear(self._clients[key.fd])
            for client in list(self._clients.values()):
                self._serve(client)
            self._admit_or_not()
            if self._now() >= watch_at:
                self._admissions.watch()
                watch_at = self._now() + _WATCH_SECONDS

    def close(self) -> None:
        """Hang up on everybody and take the socket away; the kernel's tables stay."""
        for client in list(self._clients.values()):
            self._drop(client)
        if self._listener is not None:
            self._listener.close()
            with suppress(OSError):
                self._settings.socket.unlink()
        if self._lock is not None:
            os.close(self._lock)
        self._selector.close()

    def _patience(self) -> float:
        """Until somebody may say something again, or has taken too long."""
        waiting = any(
            client.unsent or b"\n" in client.received for client in self._clients.values()
        )
        return 1 / LINES_A_SECOND if waiting else 1.0

    def _admit_or_not(self) -> None:
        """Take no more connections while there is no room; the kernel has them wait."""
        assert self._listener is not None, "it was started"
        if len(self._clients) < MOST_CLIENTS:
            with suppress(KeyError):  # it is registered already
                self._selector.register(self._listener, selectors.EVENT_READ)
            return
        with suppress(KeyError):
            self._selector.unregister(self._listener)
        too_long_ago = self._now() - _IDLE_SECONDS
        for client in list(self._clients.values()):
            if client.heard_at < too_long_ago and not client.unsent:
                self._drop(client)

    def _welcome(self) -> None:
        assert self._listener is not None, "it was heard"
        try:
            wire, _ = self._listener.accept()
        except OSError:
            return
        _, user, group = struct.unpack(
            "3i", wire.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        )
        if not (user in (0, self._user) or group == self._group):
            self._log.warning("peer_refused", user=user)
            wire.close()
            return
        wire.setblocking(False)
        now = self._now()
        self._clients[wire.fileno()] = _Client(wire, counted_at=now, heard_at=now)
        self._selector.register(wire, selectors.EVENT_READ)

    def _hear(self, client: _Client) -> None:
        try:
            octets = client.wire.recv(LONGEST_LINE)
        except BlockingIOError:
            return
        except OSError:
            octets = b""
        if not octets:
            self._drop(client)
            return
        if not client.received:
            client.since = self._now()
        client.heard_at = self._now()
        client.received += octets
        if len(client.received) > 2 * LONGEST_LINE:
            # It is read again when it has been answered.
            self._selector.unregister(client.wire)

    def _serve(self, client: _Client) -> None:
        """Answer one line of `client` if it has one, so that everybody has a turn."""
        now = self._now()
        client.allowed = min(_BURST, client.allowed + (now - client.counted_at) * LINES_A_SECOND)
        client.counted_at = now
        if client.allowed >= 1 and not client.unsent and not client.last:
            line, ended, rest = bytes(client.received).partition(b"\n")
            if len(line) > LONGEST_LINE:
                self._refuse(client, "a line of the gateway's socket is too long")
                client.last = True
            elif ended:
                client.allowed -= 1
                client.received[:] = rest
                client.since = now
                self._take(client, line)
            elif line and now - client.since > _LINE_SECONDS:
                self._drop(client)
                return
        self._send(client)
        if client.wire.fileno() in self._clients and len(client.received) <= 2 * LONGEST_LINE:
            with suppress(KeyError):
                self._selector.get_key(client.wire)
                return
            self._selector.register(client.wire, selectors.EVENT_READ)

    def _take(self, client: _Client, line: bytes) -> None:
        try:
            verb = read_verb(line)
        except UsageError as error:
            client.nonsense += 1
            client.last = client.nonsense >= _NONSENSE
            self._refuse(client, str(error))
            return
        client.nonsense = 0
        try:
            client.unsent += write_answer(self._admissions.answer(verb))
        except Exception:
            self._log.exception("verb_failed", verb=type(verb).__name__)
            self._refuse(client, "the gateway's helper failed; its log says why")

    def _refuse(self, client: _Client, why: str) -> None:
        self._log.warning("line_refused", why=why)
        client.unsent += write_answer(Answer(error=why))

    def _send(self, client: _Client) -> None:
        if client.unsent:
            try:
                sent = client.wire.send(client.unsent)
                del client.unsent[:sent]
            except BlockingIOError:
                pass
            except OSError:
                self._drop(client)
                return
        if len(client.unsent) > _MOST_UNREAD or (client.last and not client.unsent):
            self._drop(client)

    def _drop(self, client: _Client) -> None:
        with suppress(KeyError, ValueError):
            self._selector.unregister(client.wire)
        self._clients.pop(client.wire.fileno(), None)
        client.wire.close()


def stop_on_signals(stop: Callable[[], None]) -> int:
    """Have SIGTERM and SIGINT call `stop`; what becomes readable then, to wait for."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop())
    return reading


def _ids(settings: GatewayKernel) -> tuple[int, int]:
    try:
        user = pwd.getpwnam(settings.socket_user)
        if not settings.socket_group:
            return user.pw_uid, user.pw_gid
        return user.pw_uid, grp.getgrnam(settings.socket_group).gr_gid
    except KeyError as error:
        raise ConfigError(
            f"{error.args[0]}: create it, or name another", "gateway.kernel.socket_user"
        ) from error


def _only_one(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise ConfigError(f"another helper serves {path}", "gateway.kernel.socket") from error
    return handle
