"""The IPv6 of clients of openNDS, which knows none: what its agent has the firewall do.

docs/decisions has why; tests/clients has the real openNDS, nft and a phone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from db.models import AddressInterval
from identity.domain.sessions import NEIGHBOUR_SECONDS
from identity.office import Office
from identity.services import gateway_requests
from identity.services.reported_sessions import KEPT_EVERY
from tests.integration.opennds_agent import (
    ADDRESS,
    AGENT,
    CLOSED,
    MAC,
    NOTHING,
    OPEN,
    Router,
    router_of,
)
from tests.programs import require_root

pytestmark = pytest.mark.real

_T = "inet yuenyan_opennds"
OTHER = "3c:22:fb:0a:0b:0c"
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


@pytest.mark.parametrize("interval", ["10", "60", "soon", ""])
def test_an_address_passes_no_longer_than_it_is_on_record_however_seldom_the_agent_reports(
    router: Router, interval: str
) -> None:
    custom = router.token()
    assert router.asks(custom).returncode == 0
    router.settings(INTERVAL=interval)
    router.lists(custom)
    router.neighbours(SIX)
    router.once()
    (lasts,) = re.findall(r"admitted {.* timeout (\d+)s }", router.let_in())
    assert KEPT_EVERY.total_seconds() + int(lasts) <= NEIGHBOUR_SECONDS


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


def test_an_address_is_a_devices_only_where_its_frames_came_from_it(router: Router) -> None:
    # A forged Neighbor Solicitation makes anybody the neighbour at any address.
    custom = router.token()
    assert router.asks(custom).returncode == 0
    router.lists(custom)
    forged = [f"fd77::bad{number:x} dev inside lladdr {MAC} REACHABLE" for number in range(14)]
    sent = [f"{MAC} . fd77::5", f"{OTHER} . fd77::bad0"]
    router.neighbours(*forged, SIX, sent=sent)
    router.once()
    assert admitted("fd77::5") in router.let_in() and router.let_in().count(" admitted {") == 1
    with router.office.database.read() as session:
        held = session.scalars(select(AddressInterval.address)).all()
    assert sorted(held) == [ADDRESS, "fd77::5"]
    # Nor does a forged answer take from somebody what is on record.
    router.neighbours(f"fd77::5 dev inside lladdr {OTHER} REACHABLE", sent=sent)
    router.once()
    assert admitted("fd77::5") in router.let_in()


def test_what_is_on_record_and_in_use_keeps_its_place(router: Router) -> None:
    custom = router.token()
    assert router.asks(custom).returncode == 0
    router.lists(custom)
    router.neighbours(SIX, f"fd77::6 dev inside lladdr {MAC} STALE")
    router.once()
    news = [f"fd77::{number:x} dev inside lladdr {MAC} REACHABLE" for number in range(16, 56)]
    router.neighbours(*news, SIX)
    router.once()
    assert admitted("fd77::5") in router.let_in() and router.let_in().count(" admitted {") == 12
    assert "fd77::6" not in router.let_in(), "what is silent makes room"


def test_addresses_that_no_device_can_have_outside_are_left_out(router: Router) -> None:
    custom = router.token()
    assert router.asks(custom).returncode == 0
    router.lists(custom)
    odd = ("::ffff:10.78.0.9", "fe80::5", "::5")
    router.neighbours(SIX, *(f"{one} dev inside lladdr {MAC} REACHABLE" for one in odd))
    router.once()
    assert router.let_in().count(" admitted {") == 1


@pytest.mark.parametrize("mac", [MAC, OTHER], ids=["one device", "one address"])
def test_of_two_clients_with_one_address_the_newer_has_it_and_nobody_else_is_hindered(
    router: Router, mac: str
) -> None:
    router.grant(down_kbps=1000)
    custom = router.token()
    assert router.asks(custom).returncode == 0
    newer = "00c0ffee"
    for who, token in ((MAC, "34e6c5ea"), (mac, newer)):
        allowed = router.folder / "state" / "clients" / f"{who}.allowed"
        allowed.write_text(f"{token} 1 9999999 500 1000 0 0\n")
    router.lists(custom, "Authenticated", router.client("none", mac=mac, token=newer, ago=5))
    (router.folder / "deauth").write_text("busy\n")
    router.portal_goes()
    assert router.run("once").returncode == 1
    added = [line.split() for line in router.let_in().splitlines() if " element " in line]
    keys = [(where, key) for _, _, _, _, where, _, key, *_ in added]
    assert len(keys) == len(set(keys)), added
    short = mac.replace(":", "")
    assert f'up_octets {{ {mac} : "up_{short}_{newer}" }}' in router.let_in()
    assert f'down_rate4 {{ {ADDRESS} : "down_{short}_1000" }}' in router.let_in()


def test_who_signs_out_during_a_round_stays_out(router: Router) -> None:
    custom = router.token()
    assert router.asks(custom).returncode == 0
    router.lists(custom)
    router.neighbours(SIX)
    now = str(int(router.office.clock().timestamp()))
    during = router.folder / "during"
    during.write_text(
        '#!/bin/sh\ngrep -q "admitted {" rules || exit 0\nrm during\n'
        f"{AGENT} client_deauth {MAC} 1 1 {now} {now} 34e6c5ea none >/dev/null\n"
    )
    during.chmod(0o755)
    router.once()
    assert not during.exists(), "nobody signed out"
    assert "flush set" in router.let_in() and "admitted {" not in router.let_in()
    router.lists(None)
    router.once()
    assert not (router.folder / "state" / "gone").exists()


def test_an_answer_that_says_nothing_of_this_report_lets_no_address_through(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    custom = router.token()
    assert router.asks(custom).returncode == 0
    router.lists(custom)
    router.neighbours(SIX)
    with monkeypatch.context() as patched:
        patched.setattr(gateway_requests, "take", lambda *_: False)
        assert router.run("once").returncode == 1
    assert "admitted {" not in router.let_in()
    router.once()
    assert admitted("fd77::5") in router.let_in()


def test_the_firewall_takes_the_rules_and_signing_out_closes_whatever_is_missing(
    router: Router,
) -> None:
    require_root()
    (router.folder / "bin" / "nft").unlink()
    state = router.folder / "state"
    (state / "clients").mkdir(parents=True)
    (state / "clients" / f"{MAC}.allowed").write_text("34e6c5ea 1 9999999 500 1000\n")
    router.lists("none")
    (state / "told").write_text(
        "".join(
            f"told {MAC} {token} {address}\n"
            for token, address in (("34e6c5ea", "fd77::5"), ("34e6c5ea", "fd77::9"),
                                   ("00c0ffee", "fd77::5"), ("00c0ffee", "fd77::aaaa"))
        )
    )  # fmt: skip
    router.portal_goes()
    (router.folder / "bin" / "iptables").write_text("#!/bin/sh\nexit 0\n")
    told = router.run_apart(
        f"{AGENT} once; nft list table {_T}; echo ======;"
        f" nft delete element {_T} admitted '{{ {MAC} . fd77::9 }}';"
        f" {AGENT} client_deauth {MAC} 1 1 1 1 34e6c5ea none; nft list table {_T}"
    )
    before, after = (
        re.findall(r"set (?:admitted|reached) \{[^{}]*(?:elements = \{[^}]*\})?[^}]*\}", text)
        for text in told.stdout.split("======")
    )
    assert (len(before), len(after)) == (2, 2), told
    assert all("fd77::5 timeout" in one and "fd77::9 timeout" in one for one in before), before
    assert "elements" not in "".join(after), after
    assert f"{MAC} : " in told.stdout and "update @seen" in told.stdout, "all rules stand"


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
        f"add element {_T} admitted {{ {MAC} . fd77::5 }}",
        f"delete element {_T} admitted {{ {MAC} . fd77::5 }}",
        f"add element {_T} reached {{ fd77::5 }}",
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
