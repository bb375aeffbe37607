"""A kernel, a RADIUS server and clocks that a test moves by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from captive_portal.gateway.attributes import Device
from captive_portal.gateway.clients import Grant
from captive_portal.gateway.radius import Rejected
from captive_portal.gateway.times import Times
from captive_portal.gateway.verbs import (
    Admit,
    Answer,
    Counters,
    Install,
    Neighbours,
    Remove,
    Usage,
    Verb,
    read_answer,
    read_verb,
    write_answer,
    write_verb,
)
from common.config_gateway import Gateway
from common.errors import BackendUnavailable
from radius_server.packet.codes import Attribute
from radius_server.packet.hiding import Pair

PHONE, TABLET = "3c22fb010203", "3c22fb040506"
V4, V6, V6_MORE = "10.77.0.20", "fd77::20", "fd77::abcd"
KEY = b"a key of thirty-two characters.."
TOKEN = "yt-a-token-of-the-portal"


def settings(**changes: object) -> Gateway:
    """The section of a gateway called `hall`."""
    values = {
        "radius_servers": ["127.0.0.1:1812"],
        "secret_file": "/nowhere/secret",
        "nas_identifier": "hall",
        "portal_url": "https://portal.example/p/hall/",
        "key_file": "/nowhere/key",
        "public_url": "http://10.77.0.1:8090",
        **changes,
    }
    return Gateway.model_validate(values)


def grant(**changes: object) -> Grant:
    """A school day for somchai."""
    values: dict[str, object] = {
        "user_name": "somchai",
        "class_values": (b"\x01class",),
        "session_seconds": 28800,
        "idle_seconds": 1800,
        "interim_seconds": 300,
        **changes,
    }
    return Grant(**values)  # type: ignore[arg-type]


@dataclass
class HandClock(Times):
    """Clocks that stand until a test moves them."""

    seconds: float = 1000.0
    boots: int = 1
    epoch: float = 1_800_000_000.0

    def up(self) -> float:
        return self.seconds

    def calendar(self) -> float:
        return self.epoch + self.seconds

    def boot(self) -> str:
        return f"boot {self.boots}"

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds

    def restart_machine(self, away_seconds: float) -> None:
        """A power cut: the clock since the start begins anew, the calendar goes on."""
        self.epoch += self.seconds + away_seconds - 10.0
        self.seconds = 10.0
        self.boots += 1


@dataclass
class FakeKernel:
    """Keeps what it is told as the helper does; every verb crosses the socket's language."""

    neighbours: list[tuple[str, str]] = field(
        default_factory=lambda: [(V4, PHONE), (V6, PHONE), ("10.77.0.30", TABLET)]
    )
    admitted: dict[str, Admit] = field(default_factory=dict)
    used: dict[str, list[int]] = field(default_factory=dict)
    verbs: list[Verb] = field(default_factory=list)
    is_down: bool = False
    refuses: type[Verb] | None = None

    def ask(self, verb: Verb) -> Answer:
        verb = read_verb(write_verb(verb))
        self.verbs.append(verb)
        if self.is_down or (self.refuses is not None and isinstance(verb, self.refuses)):
            raise BackendUnavailable("the gateway's helper", "nobody is there")
        answer = self._do(verb)
        if answer.error:
            raise BackendUnavailable("the gateway's helper", answer.error)
        return read_answer(write_answer(answer))

    def _do(self, verb: Verb) -> Answer:
        if isinstance(verb, Admit):
            for mac, other in self.admitted.items():
                if mac != verb.mac and set(other.addresses) & set(verb.addresses):
                    return Answer(error=f"{mac} has one of these addresses")
            self.admitted[verb.mac] = verb
            self.used.setdefault(verb.mac, [0, 0, 0, 0])
        elif isinstance(verb, Remove):
            self.admitted.pop(verb.mac, None)
            self.used.pop(verb.mac, None)
        elif isinstance(verb, Neighbours):
            return Answer(neighbours=tuple(self.neighbours))
        elif isinstance(verb, Usage):
            return Answer(
                counters=[
                    Counters(
                        mac=mac,
                        up_octets=used[0],
                        down_octets=used[1],
                        up_packets=used[2],
                        down_packets=used[3],
                    )
                    for mac, used in self.used.items()
                ]
            )
        else:
            assert isinstance(verb, Install)
        return Answer()

    def flush(self) -> None:
        """What a restart of the machine does."""
        self.admitted.clear()
        self.used.clear()

    def pass_octets(self, mac: str, up: int, down: int) -> None:
        """Traffic of an admitted device."""
        for at, more in enumerate((up, down, up // 1000, down // 1000)):
            self.used[mac][at] += more


@dataclass
class FakeRadius:
    """Says what a test wants to be said, and keeps what it was told."""

    answer: Grant | Rejected = field(default_factory=grant)
    is_down: bool = False
    asked: list[tuple[Device, str, str, str]] = field(default_factory=list)
    told: list[dict[int, bytes]] = field(default_factory=list)
    failed: int = 0

    def log_in(
        self, device: Device, username: str, password: str, session_id: str
    ) -> Grant | Rejected:
        if self.is_down:
            raise BackendUnavailable("RADIUS", "nobody answers")
        self.asked.append((device, username, password, session_id))
        return self.answer

    def account(self, pairs: list[Pair]) -> None:
        if self.is_down:
            self.failed += 1
            raise BackendUnavailable("RADIUS", "nobody answers")
        self.told.append(dict(pairs))


def number(pairs: dict[int, bytes], attribute: int) -> int:
    """An integer attribute."""
    return int.from_bytes(pairs[attribute], "big")


def kind(pairs: dict[int, bytes]) -> int:
    """Acct-Status-Type."""
    return number(pairs, Attribute.ACCT_STATUS_TYPE)


def read_back(granted: Grant) -> Grant:
    """`granted`, once the kernel's half has taken an admission with its rates."""
    seconds = min(granted.session_seconds, 12 * 3600)
    verb = Admit(
        mac=PHONE,
        addresses=[V4],
        seconds=seconds,
        down_kbps=granted.down_kbps,
        up_kbps=granted.up_kbps,
    )
    read_verb(write_verb(verb))
    return granted
