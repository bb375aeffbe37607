"""Sessions of the gateway: how long, how much, from which addresses. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from captive_portal.gateway.clients import (
    FORGET_ADDRESS_SECONDS,
    LEASE_SECONDS,
    Cause,
    Client,
    Clients,
    Due,
    Ended,
    Event,
    Lapsing,
    Moved,
)
from captive_portal.gateway.verbs import MAXIMUM_ADDRESSES, Counters
from tests.unit.captive_portal.gateway.lab import PHONE, TABLET, V4, V6, V6_MORE, grant


def counters(up: int = 0, down: int = 0, mac: str = PHONE) -> dict[str, Counters]:
    one = Counters(mac=mac, up_octets=up, down_octets=down, up_packets=up, down_packets=down)
    return {mac: one}


def began(**changes: object) -> tuple[Clients, Client]:
    clients = Clients()
    client, events = clients.begin(PHONE, "s1", grant(**changes), [V4, V6], 100.0)
    assert events == []
    return clients, client


def look(clients: Clients, now: float, up: int = 0, down: int = 0) -> list[Event]:
    return clients.look(counters(up, down), now, now, Cause.NAS_ERROR)


def test_a_session_ends_with_its_time() -> None:
    clients, client = began(session_seconds=600)
    assert look(clients, 699.0, up=1) == [Due(client)]
    assert look(clients, 700.0, up=2) == [Ended(client, Cause.SESSION_TIMEOUT)]
    assert len(clients) == 0


def test_who_sends_nothing_is_idle_whatever_is_sent_to_it() -> None:
    clients, client = began(idle_seconds=60)
    assert look(clients, 150.0, up=10, down=10) == []
    assert look(clients, 209.0, up=10, down=5000) == []
    assert look(clients, 210.0, up=10, down=9000) == [Ended(client, Cause.IDLE_TIMEOUT)]


def test_no_idle_time_out_is_none() -> None:
    clients, client = began(idle_seconds=0)
    assert look(clients, 20000.0) == [Due(client)]


@pytest.mark.parametrize(
    ("quota", "up", "down"),
    [("up_octets", 1000, 0), ("down_octets", 0, 1000), ("total_octets", 500, 500)],
)
def test_a_used_quota_ends_the_session(quota: str, up: int, down: int) -> None:
    clients, client = began(**{quota: 1000})
    assert look(clients, 110.0, up=max(0, up - 1), down=max(0, down - 1)) == []
    assert look(clients, 120.0, up=up, down=down) == [Ended(client, Cause.NAS_REQUEST)]


def test_interim_updates_come_each_interval() -> None:
    clients, client = began(interim_seconds=300)
    found = [look(clients, 100.0 + at, up=at) for at in range(5, 1000, 5)]
    assert [event for events in found for event in events] == [Due(client)] * 3


def test_a_device_the_kernel_does_not_know_is_gone() -> None:
    clients, client = began()
    assert clients.look({}, 200.0, 200.0, Cause.NAS_ERROR) == [Ended(client, Cause.NAS_ERROR)]


def test_counters_that_were_read_before_a_session_say_nothing_of_it() -> None:
    clients, client = began()
    assert clients.look({}, 99.0, 101.0, Cause.NAS_ERROR) == []
    assert clients.look(counters(up=77), 99.0, 101.0, Cause.NAS_ERROR) == []
    assert client.up_octets == 0


def test_a_new_ipv6_address_is_news_and_a_known_one_is_not() -> None:
    clients, client = began()
    assert clients.see([(V4, PHONE), (V6, PHONE)], 110.0) == []
    assert clients.see([(V6_MORE, PHONE), ("fe80::1", PHONE)], 120.0) == [Moved(client)]
    assert client.current() == (V4, V6, V6_MORE)


def test_the_newest_of_two_ipv4_addresses_is_the_one_that_counts() -> None:
    clients, client = began()
    assert clients.see([("10.77.0.99", PHONE), (V4, PHONE)], 110.0) == [Moved(client)]
    assert client.current() == ("10.77.0.99", V6)
    assert clients.use(V4, PHONE, 120.0) == [Moved(client)]
    assert client.current() == (V4, V6)
    assert clients.use(V4, PHONE, 130.0) == []


def test_an_address_from_before_the_session_does_not_take_the_place_of_its_own() -> None:
    clients = Clients()
    client, events = clients.begin(PHONE, "s1", grant(), [V4], 100.0, earlier=["10.77.0.99", V4])
    assert events == [] and client.current() == (V4,)
    assert clients.see([("10.77.0.99", PHONE), (V4, PHONE)], 110.0) == []
    assert clients.use("10.77.0.99", PHONE, 120.0) == [Moved(client)]
    assert client.current() == ("10.77.0.99",)


def test_an_address_that_is_not_seen_any_more_is_forgotten_but_not_the_last() -> None:
    clients, client = began()
    later = 100.0 + FORGET_ADDRESS_SECONDS
    assert clients.see([(V4, PHONE)], later - 1) == []
    assert clients.see([(V4, PHONE)], later) == [Moved(client)]
    assert client.current() == (V4,)
    assert clients.see([], later * 9) == []
    assert client.current() == (V4,)


def test_an_address_that_another_device_takes_leaves_the_first() -> None:
    clients, phone = began()
    tablet, _ = clients.begin(TABLET, "s2", grant(), ["10.77.0.30"], 100.0)
    assert clients.see([(V4, TABLET)], 110.0) == [Moved(phone), Moved(tablet)]
    assert clients.see([(V6, TABLET)], 120.0)[0] == Ended(phone, Cause.LOST_CARRIER)
    assert clients.find(PHONE) is None


def test_the_kernel_is_told_of_no_more_addresses_than_it_takes() -> None:
    clients, client = began()
    clients.see([(f"fd77::{n:x}", PHONE) for n in range(1, 100)], 110.0)
    assert len(client.current()) == MAXIMUM_ADDRESSES
    assert client.current()[0] == V4


def test_a_session_longer_than_a_lease_is_renewed_in_time() -> None:
    clients, client = began(
        session_seconds=LEASE_SECONDS * 3, idle_seconds=0, interim_seconds=10**6
    )
    ends = client.lease_ends_at
    assert look(clients, 200.0) == []
    assert look(clients, ends - LEASE_SECONDS / 2) == [Lapsing(client)]
    assert client.lease_ends_at > ends


def test_a_session_shorter_than_a_lease_is_admitted_once() -> None:
    clients, client = began(session_seconds=600, idle_seconds=0, interim_seconds=10**6)
    assert client.lease_ends_at == 700.0
    assert look(clients, 699.0) == []


def test_a_counter_that_began_anew_is_added() -> None:
    _, client = began()
    client.count(counters(100, 50)[PHONE], 110.0)
    client.count(counters(30, 60)[PHONE], 120.0)
    assert (client.up_octets, client.down_octets) == (130, 60)


@given(st.lists(st.tuples(st.integers(0, 2**33), st.integers(0, 2**33)), max_size=20))
def test_totals_are_the_sum_of_what_passed(steps: list[tuple[int, int]]) -> None:
    _, client = began()
    up = down = 0
    for more_up, more_down in steps:
        up, down = up + more_up, down + more_down
        client.count(counters(up, down)[PHONE], 110.0)
    assert (client.up_octets, client.down_octets) == (up, down)


MACS = (PHONE, TABLET, "3c22fb070809")
ADDRESSES = (V4, "10.77.0.30", "10.77.0.31", V6, V6_MORE, "fe80::5")


class Sessions(RuleBasedStateMachine):
    """Any order of logins, moves and looks: each session begins and ends once."""

    def __init__(self) -> None:
        super().__init__()
        self.clients = Clients()
        self.now = 100.0
        self.open: dict[str, Client] = {}
        self.used: dict[str, int] = {}
        self.serial = 0

    def take(self, events: Iterable[Event]) -> None:
        for event in events:
            assert self.open.get(event.client.mac) is event.client, "an event of no session"
            if isinstance(event, Ended):
                del self.open[event.client.mac]

    @rule(mac=st.sampled_from(MACS), address=st.sampled_from(ADDRESSES[:5]))
    def log_in(self, mac: str, address: str) -> None:
        old = self.clients.end(mac, Cause.USER_REQUEST)
        self.take([old] if old else [])
        self.serial += 1
        granted = grant(session_seconds=900, idle_seconds=300, total_octets=5000)
        client, events = self.clients.begin(mac, str(self.serial), granted, [address], self.now)
        self.used[mac] = 0
        self.open[mac] = client
        self.take(events)

    @rule(mac=st.sampled_from(MACS), address=st.sampled_from(ADDRESSES))
    def see(self, mac: str, address: str) -> None:
        self.take(self.clients.see([(address, mac)], self.now))

    @rule(seconds=st.integers(1, 200), octets=st.integers(0, 2000))
    def look(self, seconds: int, octets: int) -> None:
        self.now += seconds
        for mac in self.used:
            self.used[mac] += octets
        usage = {mac: counters(used, 0, mac)[mac] for mac, used in self.used.items()}
        self.take(self.clients.look(usage, self.now, self.now, Cause.NAS_ERROR))
        for client in self.clients:
            assert self.now - client.started_at < 900
            assert client.up_octets < 5000

    @invariant()
    def what_is_open_is_known(self) -> None:
        assert {client.mac: client for client in self.clients} == self.open

    @invariant()
    def no_address_has_two_devices(self) -> None:
        held = [address for client in self.clients for address in client.addresses]
        assert len(held) == len(set(held))
        assert all(client.current() for client in self.clients)


TestSessions = Sessions.TestCase
TestSessions.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
