"""Asks OCSP responders over HTTP, in threads of its own, and keeps what they proved.

A responder that hangs must hold up no password, so the pool of argon2 is not used. There is one
question about a certificate at a time, however many logins wait for it, and one that met no
answer is not asked again for some seconds. RFC 6960 appendix A.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from common.logging import get_logger
from common.metrics import Counters
from identity.domain.access import Unavailable
from radius_server.process.standing import Inquiry, NoProof, Standing

MAXIMUM_OCTETS = 1 << 16
"""Of an answer; one with a chain of certificates has 5 kB."""

MAXIMUM_KEPT = 20_000
REST_SECONDS = 5.0
"""For which a responder that gave no answer is left alone: a NAS asks again after as long."""

_THREADS = 4
_NONCE_OCTETS = 16
_NO_ANSWER = Unavailable("ocsp")

Told = Callable[[Standing | Unavailable], None]


class Responders:
    """The standing of certificates, as far as their issuers tell.

    `ask` and `known` belong to one thread; whoever waits is told from another.
    """

    def __init__(self, seconds: float, counters: Counters, clock: Callable[[], datetime]) -> None:
        """`seconds` is how long one answer may take."""
        self._seconds = seconds
        self._counters = counters
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, Standing] = OrderedDict()
        self._resting: dict[str, float] = {}
        self._asking: dict[bytes, list[Told]] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._log = get_logger("radius.ocsp")

    def known(self, inquiry: Inquiry) -> Standing | Unavailable | None:
        """The answer that is to be had at once; None: ask."""
        with self._lock:
            standing = self._kept.get(inquiry.key)
            if standing is not None and standing.until > self._clock():
                return standing
            if self._resting.get(inquiry.url, 0.0) > time.monotonic():
                return _NO_ANSWER
        return None

    def ask(self, inquiry: Inquiry, told: Told) -> None:
        """Have `told` called with what the responder proves."""
        with self._lock:
            waiting = self._asking.get(inquiry.key)
            if waiting is not None:
                waiting.append(told)
                return
            self._asking[inquiry.key] = [told]
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="ocsp")
        self._pool.submit(self._work, inquiry)

    def close(self) -> None:
        """Let the threads end after what they are doing."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _work(self, inquiry: Inquiry) -> None:
        answer: Standing | Unavailable = _NO_ANSWER
        try:
            nonce = secrets.token_bytes(_NONCE_OCTETS)
            octets = post(inquiry.url, inquiry.request(nonce), self._seconds)
            answer = inquiry.judge(octets, nonce, self._clock())
            self._counters.add("radius_ocsp", outcome=answer.word.value)
        except (OSError, HTTPException, NoProof) as error:
            outcome = "not_proven" if isinstance(error, NoProof) else "no_answer"
            self._counters.add("radius_ocsp", outcome=outcome)
            self._log.warning(f"ocsp_{outcome}", url=inquiry.url, error=str(error))
        except Exception:
            self._counters.add("radius_internal_errors")
            self._log.exception("ocsp_failed", url=inquiry.url)
        with self._lock:
            if isinstance(answer, Standing):
                self._kept[inquiry.key] = answer
                self._kept.move_to_end(inquiry.key)
                if len(self._kept) > MAXIMUM_KEPT:
                    self._kept.popitem(last=False)
                self._resting.pop(inquiry.url, None)
            else:
                self._rest(inquiry.url)
            waiting = self._asking.pop(inquiry.key)
        for told in waiting:
            told(answer)

    def _rest(self, url: str) -> None:
        now = time.monotonic()
        self._resting = {other: until for other, until in self._resting.items() if until > now}
        self._resting[url] = now + REST_SECONDS


def post(url: str, body: bytes, seconds: float) -> bytes:
    """What the responder at `url` answers; no redirect is followed and no proxy asked.

    Raises:
        OSError: there is no answer, or not within `seconds`.
        HTTPException: it is no answer of OCSP, or longer than any.
    """
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = (
        HTTPSConnection(
            parts.hostname, parts.port, timeout=seconds, context=ssl.create_default_context()
        )
        if parts.scheme == "https"
        else HTTPConnection(parts.hostname, parts.port, timeout=seconds)
    )
    began = time.monotonic()
    cut: threading.Timer | None = None
    late = threading.Event()
    try:
        connection.connect()
        # A responder that sends an octet now and then would outlive every time-out of one read.
        left = max(0.0, began + seconds - time.monotonic())
        cut = threading.Timer(left, _cut, [connection.sock, late])
        cut.daemon = True
        cut.start()
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Content-Type": "application/ocsp-request", "Connection": "close"}
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise HTTPException(f"HTTP status {answer.status}")
        octets = answer.read(MAXIMUM_OCTETS + 1)
        if late.is_set():
            raise TimeoutError(f"no whole answer within {seconds:g} s")
        if len(octets) > MAXIMUM_OCTETS:
            raise HTTPException(f"more than {MAXIMUM_OCTETS} octets")
        return octets
    finally:
        if cut is not None:
            cut.cancel()
        connection.close()


def _cut(sock: socket.socket, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
