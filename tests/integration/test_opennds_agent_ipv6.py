"""The IPv6 of clients of openNDS, which knows none: what its agent has the firewall do.

docs/decisions has why; tests/clients has the real openNDS, nft and a phone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from db.models import AddressInterval
from identity.office import Office
from tests.integration.opennds_agent import ADDRESS, CLOSED, MAC, NOTHING, OPEN, Router, router_of

pytestmark = pytest.mark.real

_T = "inet yuenyan_opennds"
SIX = f"fd77::5 dev inside lladdr {MAC} STALE"


def admitted(address: str, mac: str = MAC) -> str:
    """The line that lets this address of this device through."""
    return f"add element {_T} admitted {{ {mac} . {address} timeout 33s }}\n"


@pytest.fixture
def router(office: Office, tmp_path: Path) -> Iterator[Router]:
    with router_of(office, tmp_path / "router") as made:
        yield made


def test_ipv6_which_opennds_does_not_know_is_held_back(router: Router) -> None:
    router.neighbours(SIX)
    router.once()
    assert OPEN in router.guard() and CLOSED not in router.guard()
    assert "add element" not in router.let_in()


def test_an_ipv6_address_passes_once_the_portal_has_it_on_record(router: Router) -> None:
    custom = router.token()
    assert router.asks(custom).returncode == 0
    router.lists(custom)
    router.neighbours(
        f"fd77::5 lladdr {MAC} ref 1 used 0/0/0 probes 4 REACHABLE",  # as busybox writes it
        f"fd77::6 dev inside lladdr {MAC} STALE",
        "fd77::7 dev inside lladdr 3c:22:fb:0a:0b:0c REACHABLE",
        "fd77::8 dev inside FAILED",
    )
    port, router.port = router.port, 1
    router.settings()
    assert router.run("once").returncode == 1
    assert "flush set" in router.let_in() and "admitted {" not in router.let_in()
    router.port = port
    router.settings()
    router.once()
    rules = router.let_in()
    assert admitted("fd77::5") in rules and admitted("fd77::6") in rules
    assert rules.count(" admitted {") == 2 == rules.count(" reached {"), rules
    with router.office.database.read() as session:
        held = session.scalars(select(AddressInterval.address)).all()
    assert sorted(held) == [ADDRESS, "fd77::5", "fd77::6"]
    # The kernel forgets who is silent, and a portal that is away cuts nobody off.
    router.neighbours(SIX)
    router.portal_goes()
    assert router.run("once").returncode == 1
    assert admitted("fd77::6") in router.let_in()
    # Another device that answers for an address has it.
    router.neighbours(SIX, "fd77::6 dev inside lladdr 3c:22:fb:0a:0b:0c REACHABLE")
    assert router.run("once").returncode == 1
    assert admitted("fd77::5") in router.let_in()
    assert "fd77::6" not in router.let_in()


def test_of_many_addresses_those_in_use_pass(router: Router) -> None:
    custom = router.token()
    assert router.asks(custom).returncode == 0
    router.lists(custom)
    router.neighbours(
        *(f"fd77::{number:x} dev inside lladdr {MAC} STALE" for number in range(16, 56)),
        f"fd77::5 dev inside lladdr {MAC} DELAY",
    )
    router.once()
    assert admitted("fd77::5") in router.let_in()
    assert router.let_in().count(" admitted {") == 12


def test_ipv6_is_counted_into_the_session_and_held_to_its_rate(router: Router) -> None:
    router.grant(down_kbps=1000)
    custom = router.token()
    assert router.asks(custom).returncode == 0
    router.lists(custom)
    router.neighbours(SIX)
    router.once()
    rules = router.let_in()
    assert f'add element {_T} down_rate4 {{ {ADDRESS} : "down_3c22fb010203_1000" }}\n' in rules
    assert f'add element {_T} down_rate6 {{ fd77::5 : "down_3c22fb010203_1000" }}\n' in rules
    assert "rate over 125000 bytes/second" in rules
    assert f"add element {_T} up_rate" not in rules, "it has no rate in this direction"
    router.counts(down=50_000_000, up=500_000)
    router.once()
    row = router.session()
    assert (row.output_octets, row.input_octets) == (2939 * 1024 + 50_000_000, 12 * 1024 + 500_000)
    rules = router.let_in()
    assert "add limit" not in rules and "add counter" not in rules, "what is there goes on"
    assert f"delete counter {_T} up_3c22fb0a0b0c_00c0ffee\n" in rules, "who has gone is forgotten"
    # Somebody flushes the firewall: it goes on from what was seen.
    (router.folder / "table").unlink()
    router.once()
    assert "down_3c22fb010203_34e6c5ea { packets 0 bytes 50000000 }" in router.let_in()
    # openNDS tells of IPv4 alone when the client has gone.
    router.counts(down=51_000_000, up=600_000)
    now = str(int(router.office.clock().timestamp()))
    told = router.run("client_deauth", MAC, "4000000", "70000", now, now, "34e6c5ea", custom)
    assert told.stdout.strip() == NOTHING
    assert (router.folder / "shut").read_text().splitlines() == [
        f"delete element {_T} admitted {{ {MAC} . fd77::5 }}",
        f"delete element {_T} reached {{ fd77::5 }}",
    ], "it is shut out before anybody is told"
    router.lists(None)
    router.once()
    row = router.session()
    assert (row.stop_seen, row.output_octets, row.input_octets) == (1, 55_000_000, 670_000)
    assert "add element" not in router.let_in()


def test_a_dead_opennds_lets_nobody_through_by_ipv6_from_the_first_look_on(router: Router) -> None:
    custom = router.token()
    assert router.asks(custom).returncode == 0
    router.lists(custom)
    router.neighbours(SIX)
    router.once()
    assert admitted("fd77::5") in router.let_in()
    (router.folder / "json").unlink()
    assert router.run("once").returncode == 1
    assert admitted("fd77::5") in router.let_in(), "it runs, and is only busy"
    (router.folder / "dead").touch()
    assert router.run("once").returncode == 1
    assert "flush set" in router.let_in() and "add element" not in router.let_in()
