"""Asks NTP servers the time, all at once, each with its own limit of patience.

A server that says go away (kiss-of-death), knows no time or does not answer is told with its
reason. Nothing is decided here about whom to believe.
"""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from common import clock
from common.errors import MalformedPacket, NotAuthentic
from traffic.clock.ntp import PORT, Measurement, decode_answer, encode_question, measure
from traffic.clock.ntp import find_refusal as why_useless

_NAME_SECONDS = 5.0
"""Beyond the answer's own time: what looking a name up may take. The thread is left then."""
_OCTETS = 1024


def ask_servers(
    servers: Sequence[str], answer_seconds: float
) -> tuple[dict[str, Measurement], dict[str, str]]:
    """({server: measurement}, {server: why it was of no use}), of each server once."""
    measured: dict[str, Measurement] = {}
    others: dict[str, str] = {}
    told = threading.Lock()

    def ask(server: str) -> None:
        found = ask_server(server, answer_seconds)
        with told:
            if isinstance(found, Measurement):
                measured[server] = found
            else:
                others[server] = found

    # Daemons: looking up a name has no time limit of its own, and must not delay an exit.
    threads = [threading.Thread(target=ask, args=(one,), daemon=True) for one in set(servers)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + answer_seconds + _NAME_SECONDS
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    with told:
        for server in servers:
            if server not in measured:
                others.setdefault(server, "no_answer")
        return dict(measured), dict(others)


def ask_server(server: str, answer_seconds: float) -> Measurement | str:
    """Our clock against one server's, or a short code why it was of no use."""
    host, port = split_server(server)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except OSError:
        return "name_not_found"
    why = "no_answer"
    for family, kind, protocol, _, address in found:
        nonce = secrets.token_bytes(8)
        try:
            with socket.socket(family, kind, protocol) as asking:
                # Connected: the kernel drops what comes from anybody else.
                asking.connect(address)
                asked_ns = clock.unix_nanoseconds()
                asking.send(encode_question(nonce))
                return _receive(asking, nonce, asked_ns, time.monotonic() + answer_seconds)
        except ConnectionRefusedError:
            why = "refused"
        except OSError:
            continue  # an address family without a way out; the next may have one
    return why


def split_server(server: str) -> tuple[str, int]:
    """(host, port) of `name`, `name:port`, `v6` or `[v6]:port`."""
    host, colon, port = server.rpartition(":")
    if colon and port.isdigit() and (":" not in host or host.startswith("[")):
        return host.strip("[]"), int(port)
    return server.strip("[]"), PORT


def _receive(asking: socket.socket, nonce: bytes, asked_ns: int, until: float) -> Measurement | str:
    """The first answer to our own question; a forged one does not end the waiting."""
    why = "no_answer"
    while (left := until - time.monotonic()) > 0:
        asking.settimeout(left)
        with suppress(TimeoutError):
            datagram = asking.recv(_OCTETS)
            told_ns = clock.unix_nanoseconds()
            try:
                answer = decode_answer(datagram, nonce)
            except (MalformedPacket, NotAuthentic):
                why = "not_an_answer"
                continue
            return why_useless(answer) or measure(answer, asked_ns, told_ns)
    return why
