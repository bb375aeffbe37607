"""Asks OCSP responders over HTTP, in threads of its own, and keeps what they proved.

A responder that hangs must hold up no password, so the pool of argon2 is not used. There is one
question about a certificate at a time, however many logins wait for it, and a responder that gave
no answer is not asked again for some seconds, whoever waits for it. RFC 6960 appendix A.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from common.logging import get_logger
from common.metrics import Counters
from identity.domain.access import Unavailable
from radius_server.process.standing import Inquiry, NoProof, Standing
from radius_server.worker.look_ups import Address, LookUps

MAXIMUM_OCTETS = 1 << 16
"""Of an answer; one with a chain of certificates has 5 kB."""

MAXIMUM_KEPT = 20_000
REST_SECONDS = 5.0
"""For which a responder that gave no answer is left alone: a NAS asks again after as long."""

_THREADS = 4
_NONCE_OCTETS = 16
_NO_ANSWER = Unavailable("ocsp")

Told = Callable[[Standing | Unavailable], None]

_look_ups = LookUps()
"""One for the process: a name that is being looked up is not looked up twice."""


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
        if self._is_resting(inquiry.url):
            # It has kept somebody waiting since this was asked: those in the line have waited too.
            self._tell(inquiry, _NO_ANSWER)
            return
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
        self._tell(inquiry, answer)

    def _tell(self, inquiry: Inquiry, answer: Standing | Unavailable) -> None:
        with self._lock:
            waiting = self._asking.pop(inquiry.key)
        for told in waiting:
            told(answer)

    def _is_resting(self, url: str) -> bool:
        with self._lock:
            return self._resting.get(url, 0.0) > time.monotonic()

    def _rest(self, url: str) -> None:
        now = time.monotonic()
        self._resting = {other: until for other, until in self._resting.items() if until > now}
        self._resting[url] = now + REST_SECONDS


def post(url: str, body: bytes, seconds: float) -> bytes:
    """What the responder at `url` answers; no redirect is followed and no proxy asked.

    Args:
        seconds: for all of it, the look-up of the name included.

    Raises:
        OSError: there is no answer, or not within `seconds`.
        HTTPException: it is no answer of OCSP, or longer than any.
    """
    deadline = time.monotonic() + seconds
    parts = urlsplit(url)
    assert parts.hostname is not None
    is_tls = parts.scheme == "https"
    usual = 443 if is_tls else 80
    port = parts.port or usual
    addresses = _look_ups.find(parts.hostname, port, seconds)
    connection = HTTPConnection(parts.hostname, port)
    connection.default_port = usual  # which Host does not name
    late = threading.Event()
    cut: threading.Timer | None = None
    try:
        connection.sock = connected = _connect(addresses, deadline)
        if is_tls:
            connection.sock = connected = ssl.create_default_context().wrap_socket(
                connected, server_hostname=parts.hostname, do_handshake_on_connect=False
            )
        # A responder that sends an octet now and then would outlive every time-out of one read.
        cut = threading.Timer(max(0.0, deadline - time.monotonic()), _cut, [connected, late])
        cut.daemon = True
        cut.start()
        if isinstance(connected, ssl.SSLSocket):
            connected.do_handshake()
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


def _connect(addresses: Sequence[Address], deadline: float) -> socket.socket:
    """A connection to the first of `addresses` that takes one before `deadline`."""
    refusal: OSError = TimeoutError("no time was left to connect")
    for family, address in addresses:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        made = socket.socket(family, socket.SOCK_STREAM)
        made.settimeout(left)
        try:
            made.connect(address)
        except OSError as error:
            made.close()
            refusal = error
        else:
            # The head and the body go off in two: the second must not wait for an ACK.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return made
    raise refusal


def _cut(sock: socket.socket, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(OSError):
        # Below TLS: an SSLSocket's own would take TLS off it while another thread is in there.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
