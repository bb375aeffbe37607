"""What an openNDS router tells the portal about its clients, and what it is told back.

deploy/opennds/yuenyan-opennds writes these texts and reads the answers. Both are signed with
the faskey of the router: HMAC-SHA256 over kind, nonce and text. Nothing here does I/O.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Network

from captive_portal.vendors.profile import Forged
from common.errors import UsageError
from common.net import IpAddress, find_mac, parse_address

FRESH = timedelta(minutes=5)
"""How far the router's clock may be from ours: it asks for our time when it is farther."""

MAXIMUM_OCTETS = 1 << 20
"""A thousand clients take some 200 kB."""

_NONCE = re.compile(r"[0-9a-f]{16,64}")
_WORD = re.compile(r"[\x21-\x7e]{1,600}")
_REQUEST, _ANSWER = "yuenyan-opennds request", "yuenyan-opennds answer"
_LARGEST = 2**62
_LOW = IPv6Network("::/16")

USER_REQUEST, IDLE_TIMEOUT, SESSION_TIMEOUT, ADMIN_RESET, ADMIN_REBOOT, NAS_REQUEST = (
    *(1, 4, 5, 6, 7, 10),
)
"""Acct-Terminate-Cause, RFC 2866 section 5.10."""

CAUSES = {
    "client_deauth": USER_REQUEST,
    "idle_deauth": IDLE_TIMEOUT,
    "timeout_deauth": SESSION_TIMEOUT,
    "downquota_deauth": NAS_REQUEST,
    "upquota_deauth": NAS_REQUEST,
    "download_quota_deauth": NAS_REQUEST,
    "upload_quota_deauth": NAS_REQUEST,
    "ndsctl_deauth": ADMIN_RESET,
    "shutdown_deauth": ADMIN_REBOOT,
}
"""By the name of openNDS for why a client was put out; version 10 writes those of quotas out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """BinAuth: may this client in, who presents `custom`?"""

    mac: str
    ip: str
    custom: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client that is in, or was: `ended` and `cause` say that it was. Seconds are the router's
    own clock, octets as seen by the client."""

    mac: str
    ip: str = ""
    more_addresses: tuple[str, ...] = ()
    """IPv6, of which openNDS itself knows nothing: as the router's neighbours show it."""
    left_out: int = 0
    """Addresses that were told as well and that no device can send from through a router. The
    agent lets none of them pass."""
    token: str
    """openNDS's name for this login of the client."""
    started: int
    ended: int | None = None
    cause: int | None = None
    down_octets: int
    up_octets: int
    custom: str
    line: bytes = field(repr=False)
    """As it came: the evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of an order: `done`, or `unknown` where there was no such client."""

    order: int
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One request of a router, whose signature was right."""

    nonce: str
    at: datetime
    """Of its clock, set right by ours."""
    router_seconds: int
    """Of its own clock, by which everything in the report is counted."""
    asks: Sequence[Ask] = ()
    clients: Sequence[Client] = ()
    results: Sequence[Done] = ()
    is_whole: bool = False
    """`clients` names everybody who is in."""

    def is_fresh(self, now: datetime) -> bool:
        """Whether it may have been written now."""
        return abs(self.at - now) <= FRESH


def sign(key: str, nonce: str, text: str, kind: str = _REQUEST) -> str:
    """The signature of a request, 64 hex digits."""
    message = f"{kind}\n{nonce}\n{text}".encode()
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


def answer(key: str, nonce: str, now: datetime, lines: Iterable[str] = ()) -> str:
    """The text of an answer: our time, what there is to do, and a signature over both."""
    text = "".join(f"{line}\n" for line in (f"time {int(now.timestamp())}", *lines))
    return f"{text}sig {sign(key, nonce, text, _ANSWER)}\n"


def read_report(key: str, nonce: str, signature: str, body: bytes) -> Report:
    """Read a request. Nothing of it is looked at before its signature is found right.

    Raises:
        Forged: the signature is wrong, or a line cannot be.
    """
    text = body.decode("utf-8", "replace")
    good = key and _NONCE.fullmatch(nonce) and signature.isascii()
    if not good or not hmac.compare_digest(sign(key, nonce, text), signature):
        raise Forged("wrong signature")
    head, *lines = text.splitlines() or [""]
    version, at, seconds = _words(head, 3)
    if version != "v1":
        raise Forged("not version 1 of this language")
    asks: list[Ask] = []
    clients: list[Client] = []
    results: list[Done] = []
    is_whole = False
    for line in lines:
        verb = line.partition(" ")[0]
        if verb == "ask":
            _, mac, ip, custom = _words(line, 4)
            asks.append(Ask(mac=_mac(mac), ip=ip, custom=custom))
        elif verb == "in":
            _, mac, ip, token, started, down, up, *more, custom = _words(line, 8, 9)
            client = _client(line, mac, token, started, down, up, custom, ip=ip)
            # Agents of before tell of IPv4 alone.
            if more:
                addresses, left_out = _addresses(more[0])
                client = replace(client, more_addresses=addresses, left_out=left_out)
            clients.append(client)
        elif verb == "out":
            _, mac, why, token, started, ended, down, up, custom = _words(line, 9)
            clients.append(_client(line, mac, token, started, down, up, custom, ended, why))
        elif verb == "did":
            _, number, outcome = _words(line, 3)
            results.append(Done(order=_number(number), outcome=outcome))
        elif verb == "whole":
            is_whole = True
        else:
            raise Forged(f"no verb {verb!r}")
    return Report(
        nonce=nonce,
        at=datetime.fromtimestamp(min(_number(at), 2**33), UTC),
        router_seconds=_number(seconds),
        asks=asks,
        clients=clients,
        results=results,
        is_whole=is_whole,
    )


def _client(
    line: str,
    mac: str,
    token: str,
    started: str,
    down: str,
    up: str,
    custom: str,
    ended: str | None = None,
    why: str = "",
    ip: str = "",
) -> Client:
    return Client(
        mac=_mac(mac),
        ip=ip,
        token=token,
        started=_number(started),
        ended=None if ended is None else _number(ended),
        cause=CAUSES.get(why),
        down_octets=_number(down),
        up_octets=_number(up),
        custom=custom,
        line=line.encode(),
    )


def _words(line: str, *counts: int) -> list[str]:
    words = line.split(" ")
    if len(words) not in counts or not all(_WORD.fullmatch(word) for word in words):
        raise Forged(f"not {' or '.join(map(str, counts))} words: {line[:40]!r}")
    return words


def _addresses(text: str) -> tuple[tuple[str, ...], int]:
    """Each once, in the order told, and how many are none of a device.

    One such address of one device must not keep a router from telling of all others.
    """
    if text == "none":
        return (), 0
    try:
        found = [parse_address(one) for one in text.split(",")]
    except UsageError as error:
        raise Forged(f"not IPv6 addresses: {text[:40]!r}") from error
    good = [str(one) for one in found if _is_a_device_s(one)]
    return tuple(dict.fromkeys(good)), len(found) - len(good)


def _is_a_device_s(address: IpAddress) -> bool:
    """Whether packets that are routed can have it; the agent asks the same by its text."""
    # In ::/16 are the unspecified one, loopback and those that stand for IPv4.
    is_low = address.version == 4 or address in _LOW
    return not (is_low or address.is_link_local or address.is_multicast)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) > _LARGEST:
        raise Forged(f"not a number: {text[:20]!r}")
    return int(text)


def _mac(text: str) -> str:
    mac = find_mac(text)
    if mac is None:
        raise Forged(f"not a MAC address: {text[:20]!r}")
    return mac
