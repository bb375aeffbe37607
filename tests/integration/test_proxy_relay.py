"""One relay in this process: names that take long, and federations that starve each other not."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from common.clock import utc_now
from common.config import Config
from common.config_access import HomeServer, Proxy, ProxyRealm
from common.metrics import Counters
from common.net import parse_prefix
from identity.office import Office
from identity.stores.sql import NasFacts
from radius_server.packet.authenticator import SharedSecret
from radius_server.packet.codes import Code
from radius_server.packet.forming import form_request
from radius_server.packet.hiding import Hop
from radius_server.packet.packet import decode
from radius_server.proxy import names
from radius_server.proxy import relay as relaying
from radius_server.proxy.names import Address, LookUp, Names, look_up
from radius_server.proxy.relay import Relay
from radius_server.worker.clients import NasClient
from radius_server.worker.exchange import Exchange
from radius_server.worker.outcome import Outcome
from tests.conftest import wait_until

pytestmark = pytest.mark.timeout(60)

HOME_SECRET = "a secret between institutions"
NAS_SECRET = b"a secret of the NAS"


class HomeServerOnLoopback:
    """Answers every request with `code` at once; silent when that is None."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, code: int | None = 2) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, port))
        self.port: int = self.socket.getsockname()[1]
        self.code = code
        self.received: list[bytes] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        secret = SharedSecret(HOME_SECRET.encode())
        while True:
            try:
                octets, source = self.socket.recvfrom(4096)
            except OSError:
                return
            request = decode(octets)
            if request.code == Code.STATUS_SERVER and self.code is None:
                continue
            self.received.append(octets)
            if self.code is not None:
                with contextlib.suppress(OSError):  # closed meanwhile
                    self.socket.sendto(secret.reply(request, Code(self.code), b""), source)

    def close(self) -> None:
        self.socket.close()


class Bench:
    """A relay and the worker's side of it."""

    def __init__(
        self,
        office: Office,
        servers: dict[str, HomeServer],
        realms: dict[str, tuple[str, ...]],
        look_up: LookUp = look_up,
    ) -> None:
        proxy = Proxy(
            answer_seconds=0.5,
            give_up_seconds=3.0,
            server=servers,
            realm=tuple(ProxyRealm(name=name, servers=asked) for name, asked in realms.items()),
        )
        config = Config().model_copy(update={"proxy": proxy})
        self.counters = Counters()
        self.relay = Relay(config, office, self.counters, look_up)
        self.outcome = Outcome(bytes(32))
        self.forgotten: list[Exchange] = []
        facts = NasFacts(
            nas_client_id=1,
            name="gate",
            network=parse_prefix("127.0.0.1/32"),
            vendor="generic",
            require_message_authenticator=True,
            secret=NAS_SECRET,
        )
        self._nas = NasClient(facts)
        self._number = 0

    def ask(self, name: str) -> Exchange:
        """A login of this name, as the worker hands it over."""
        self._number += 1
        hop = Hop(NAS_SECRET, secrets.token_bytes(16))
        packet = decode(form_request(1, self._number % 256, hop, [(1, name.encode())]))
        key = (self._number,)
        exchange = Exchange(None, ("127.0.0.9", 1), packet, self._nas, utc_now(), key)
        assert self.relay.takes(exchange)
        return exchange

    def conclude(self) -> None:
        self.relay.conclude(self.outcome, lambda _exchange: None, self.forgotten.extend)

    def decided(self) -> dict[int, int]:
        """By the number of the exchange's key: the code of its reply."""
        self.conclude()
        return {item.key[0]: item.reply[0] for item in self.outcome.exchanges}


@contextmanager
def relaying_bench(office: Office, *arguments: Any) -> Iterator[Bench]:
    bench = Bench(office, *arguments)
    bench.relay.start(lambda: None)
    try:
        yield bench
    finally:
        bench.relay.stop()


@pytest.fixture
def home() -> Iterator[Callable[..., HomeServerOnLoopback]]:
    made: list[HomeServerOnLoopback] = []

    def make(*arguments: Any, **more: Any) -> HomeServerOnLoopback:
        made.append(HomeServerOnLoopback(*arguments, **more))
        return made[-1]

    yield make
    for item in made:
        item.close()


def server(host: str, port: int) -> HomeServer:
    return HomeServer(host=host, port=port, secret=HOME_SECRET)


class Resolver:
    """Names as a test says them; a name that is not there blocks until it is."""

    def __init__(self) -> None:
        self.known: dict[str, str | None] = {}
        self.asked = 0
        self._changed = threading.Condition()

    def say(self, name: str, address: str | None) -> None:
        """None: there is no such name any more."""
        with self._changed:
            self.known[name] = address
            self._changed.notify_all()

    def look_up(self, host: str, port: int) -> list[Address]:
        if host.startswith("127."):
            return look_up(host, port)
        self.asked += 1
        with self._changed:
            self._changed.wait_for(lambda: host in self.known, 30)
            address = self.known.get(host)
        if address is None:
            raise OSError("Name or service not known")
        return [(socket.AF_INET, (address, port))]


def test_a_name_that_takes_long_keeps_nobody_else_waiting_and_is_used_once_known(
    office: Office, home: Callable[..., HomeServerOnLoopback]
) -> None:
    quick, slow, resolver = home(), home(), Resolver()
    servers = {"quick": server("127.0.0.1", quick.port), "slow": server("slow.example", slow.port)}
    realms = {"quick.example": ("quick",), "slow.example": ("slow",)}
    with relaying_bench(office, servers, realms, resolver.look_up) as bench:
        waits = bench.ask("a@slow.example")
        began = time.monotonic()
        for _ in range(20):
            done = bench.ask("a@quick.example")
            wait_until(lambda: done.key[0] in bench.decided(), 3, "the quick one waits")  # noqa: B023
        assert time.monotonic() - began < 2
        assert waits.key[0] not in bench.decided()
        resolver.say("slow.example", "127.0.0.1")
        wait_until(lambda: bench.decided().get(waits.key[0]) == 2, 3, "the name is not used")


def test_the_last_good_answer_stays_until_there_is_another(
    office: Office, home: Callable[..., HomeServerOnLoopback], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "REFRESH_SECONDS", 0.1)
    monkeypatch.setattr(names, "RETRY_SECONDS", 0.1)
    first = home("127.0.0.1")
    second = home("127.0.0.2", first.port)
    resolver = Resolver()
    resolver.say("moves.example", "127.0.0.1")
    servers = {"one": server("moves.example", first.port)}
    with relaying_bench(office, servers, {"x.example": ("one",)}, resolver.look_up) as bench:

        def answered() -> bool:
            done = bench.ask("a@x.example")
            wait_until(lambda: bench.decided().get(done.key[0]) == 2, 5, "nobody answers")
            return True

        assert answered() and len(first.received) == 1
        resolver.say("moves.example", None)
        asked = resolver.asked
        wait_until(lambda: resolver.asked > asked + 2, 5, "nobody asks again")
        assert answered() and len(first.received) == 2
        resolver.say("moves.example", "127.0.0.2")
        wait_until(lambda: answered() and bool(second.received), 5, "it has not moved along")
        came = len(first.received)
        assert answered() and len(first.received) == came


def test_a_name_that_nobody_knows_goes_to_the_next_server(
    office: Office, home: Callable[..., HomeServerOnLoopback]
) -> None:
    good, resolver = home(), Resolver()
    servers = {"gone": server("gone.example", 1), "good": server("127.0.0.1", good.port)}
    with relaying_bench(
        office, servers, {"x.example": ("gone", "good")}, resolver.look_up
    ) as bench:
        done = bench.ask("a@x.example")
        wait_until(lambda: bench.decided().get(done.key[0]) == 2, 2, "the next is not asked")


def test_a_federation_that_is_dead_takes_its_own_share_only(
    office: Office, home: Callable[..., HomeServerOnLoopback], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "MAXIMUM_OPEN", 40)
    dead, alive = home(code=None), home()
    servers = {"dead": server("127.0.0.1", dead.port), "alive": server("127.0.0.1", alive.port)}
    realms = {
        "dead.example": ("dead",),
        "also-dead.example": ("dead",),
        "alive.example": ("alive",),
    }
    with relaying_bench(office, servers, realms) as bench:
        for number in range(40):
            bench.ask(f"a@{'also-' if number % 2 else ''}dead.example")
        bench.conclude()
        assert len(bench.forgotten) == 20, "who is over the share is told to ask again"
        assert bench.counters.get("radius_dropped", reason="proxy_full") == 20
        for _ in range(30):
            done = bench.ask("a@alive.example")
            wait_until(lambda: bench.decided().get(done.key[0]) == 2, 3, "it is starved")  # noqa: B023

        def is_empty() -> bool:
            bench.conclude()
            return bench.relay.waiting == 0

        wait_until(is_empty, 10, "places are lost")
        assert bench.ask("a@dead.example") and bench.relay.waiting == 1


def test_every_address_of_a_home_server_is_known_as_one_of_home() -> None:
    resolver = Resolver()
    resolver.say("one.example", "127.0.0.7")
    asked = Names(resolver.look_up)
    asked.add("one.example")
    asked.add("127.0.0.8")
    asked.start(lambda: None)
    wait_until(lambda: asked.hosts() == {"127.0.0.7", "127.0.0.8"}, 3, "an address is missing")
    asked.stop()
    assert asked.addresses("nobody.example", 1) == []
