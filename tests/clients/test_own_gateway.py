"""Our own gateway's privileged half and the real kernel: caught, let through, counted, cut off."""

from __future__ import annotations

import contextlib
import errno
import json
import pwd
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from captive_portal.gateway.verb_server import MOST_CLIENTS
from captive_portal.gateway.verbs import (
    Admit,
    Counters,
    Install,
    Neighbours,
    Remove,
    Usage,
    read_answer,
    write_verb,
)
from tests.clients.namespaces import inside, ip
from tests.clients.own_gateway import (
    BEYOND4,
    CAPTURE_PORT,
    FAR4,
    FAR6,
    ONE,
    ONE4,
    ONE6,
    OTHER,
    OTHER4,
    OUTSIDE4,
    OWN4,
    OWN6,
    Lab,
    connect,
    echoed,
    own_gateway,
    read_line,
    said,
    within,
)
from tests.conftest import wait_until

pytestmark = [pytest.mark.real, pytest.mark.root, pytest.mark.timeout(180)]

PAGES, CLOCK, TLS, ECHO, LINE, SINK = 80, 123, 443, 9000, 9001, 9002
BOTH = (ONE4, ONE6)
LARGEST: list[int] = []
"""Segments that the far side may send, when it is asked."""
PROHIBITED = (errno.EHOSTUNREACH, errno.EACCES)
"""What Linux makes of an ICMP "administratively prohibited", of IPv4 and of IPv6."""


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The gateway with its helper running; servers on the far side and on the capture port."""
    with own_gateway(tmp_path_factory.mktemp("gate")) as lab:
        lab.serve(lab.gate, CAPTURE_PORT, lambda wire: wire.sendall(b"caught"))
        lab.serve(lab.gate, 8081, lambda wire: wire.sendall(b"admin"))
        for port in (PAGES, TLS):
            lab.serve(lab.far, port, lambda wire: wire.sendall(wire.getpeername()[0].encode()))
        lab.serve(lab.far, LINE, _repeat)
        lab.serve(lab.far, SINK, _swallow)
        lab.serve(lab.one, LINE, _repeat)
        for address in (FAR4, FAR6):
            lab.echo(lab.far, address, ECHO)
            lab.echo(lab.far, address, TLS)
            lab.echo(lab.far, address, CLOCK)
        lab.start_helper()
        yield lab


@pytest.fixture
def clean(gate: Lab) -> Iterator[Lab]:
    """The same, with nobody admitted before and after."""
    yield gate
    if gate.helper is None:
        gate.start_helper()
    for mac in (ONE, OTHER):
        gate.do(Remove(mac=mac))


def _repeat(wire: socket.socket) -> None:
    """Send back what comes, or as much as a first line of digits asks for."""
    while octets := wire.recv(65_536):
        if octets == b"largest":
            LARGEST.append(wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))
        if octets.strip().isdigit():
            wire.sendall(bytes(int(octets)))
            return
        wire.sendall(octets)


def _swallow(wire: socket.socket) -> None:
    while wire.recv(65_536):
        pass
    wire.sendall(b"all of it")


def counters(lab: Lab, mac: str) -> Counters:
    return next(one for one in lab.do(Usage()).counters if one.mac == mac)


def is_refused(lab: Lab, namespace: str, address: str = FAR4, port: int = TLS) -> bool:
    """Whether a connection is refused, and at once."""
    began = time.monotonic()
    with pytest.raises(ConnectionRefusedError):
        connect(namespace, address, port).close()
    assert time.monotonic() - began < 1
    return True


def test_whoever_is_not_admitted_is_caught_on_port_80_and_refused_at_once(clean: Lab) -> None:
    for far in (FAR4, FAR6):
        assert said(clean.one, far, PAGES) == b"caught"
        assert is_refused(clean, clean.one, far)
        with pytest.raises(OSError, check=lambda error: error.errno in PROHIBITED):
            echoed(clean.one, far, TLS, b"QUIC")
    for own in (OWN4, OWN6):
        assert said(clean.one, own, PAGES) == b"caught"
        assert is_refused(clean, clean.one, own, 8081)


def test_the_portal_and_the_garden_are_reached_by_everybody(clean: Lab) -> None:
    for address in (BEYOND4, "203.0.113.99"):
        assert said(clean.one, address, TLS) == f"::ffff:{OUTSIDE4}".encode()
        assert said(clean.one, address, PAGES) == f"::ffff:{OUTSIDE4}".encode()


def test_clocks_may_be_set_before_a_login_and_nothing_else_goes_by_their_port(clean: Lab) -> None:
    for far in (FAR4, FAR6):
        assert echoed(clean.one, far, CLOCK, bytes(48), times=3) == 3
        with pytest.raises(OSError, check=lambda error: error.errno in PROHIBITED):
            echoed(clean.one, far, CLOCK, bytes(200))


def test_who_is_admitted_passes_by_both_families_and_is_counted_to_the_octet(clean: Lab) -> None:
    clean.do(Admit(mac=ONE, addresses=BOTH, seconds=60))
    assert said(clean.one, FAR4, PAGES) == f"::ffff:{OUTSIDE4}".encode()
    assert said(clean.one, FAR6, TLS) == ONE6.encode()
    assert said(clean.one, OWN4, PAGES) == b"caught"
    before = counters(clean, ONE)
    echoed(clean.one, FAR4, ECHO, bytes(500), times=20)
    echoed(clean.one, FAR6, ECHO, bytes(300), times=10)
    after = counters(clean, ONE)
    expected = 20 * (20 + 8 + 500) + 10 * (40 + 8 + 300)
    assert after.up_octets - before.up_octets == expected
    assert after.down_octets - before.down_octets == expected
    assert after.up_packets - before.up_packets == after.down_packets - before.down_packets == 30
    assert is_refused(clean, clean.other)


def test_a_removal_is_felt_by_an_open_connection_and_tells_the_last_octets(clean: Lab) -> None:
    clean.do(Admit(mac=ONE, addresses=BOTH, seconds=60))
    with connect(clean.one, FAR4, LINE) as old, connect(clean.one, FAR6, LINE) as new:
        for wire in (old, new):
            wire.sendall(b"hello")
            assert wire.recv(100) == b"hello"
        before = counters(clean, ONE)
        told = clean.do(Remove(mac=ONE)).counters
        assert [one.mac for one in told] == [ONE]
        assert told[0].up_octets >= before.up_octets > 100
        for wire in (old, new):
            with pytest.raises(ConnectionResetError):
                wire.sendall(b"still there?")
                wire.recv(100)
    assert is_refused(clean, clean.one)
    assert clean.do(Usage()).counters == ()
    assert clean.do(Remove(mac=ONE)).counters == ()


def test_an_address_is_worth_nothing_without_its_device(clean: Lab) -> None:
    clean.do(Admit(mac=ONE, addresses=BOTH, seconds=60))
    refusal = clean.ask(Admit(mac=OTHER, addresses=(OTHER4, ONE4), seconds=60))
    assert "remove that device first" in refusal.error
    ip("-n", clean.one, "link", "set", "wlan", "down")
    ip("-n", clean.other, "addr", "add", f"{ONE4}/24", "dev", "wlan")
    try:
        with pytest.raises(ConnectionRefusedError):
            _connect_as(clean.other, ONE4)
        assert is_refused(clean, clean.other)
    finally:
        ip("-n", clean.other, "addr", "del", f"{ONE4}/24", "dev", "wlan")
        _up_again(clean)


def _connect_as(namespace: str, source: str) -> None:
    with within(namespace):
        wire = socket.socket()
    with wire:
        wire.settimeout(5)
        wire.bind((source, 0))
        wire.connect((FAR4, TLS))


def _up_again(lab: Lab) -> None:
    """The device's interface as it was: its IPv6 address and routes went with it."""
    ip("-n", lab.one, "link", "set", "wlan", "up")
    with contextlib.suppress(subprocess.CalledProcessError):
        ip("-n", lab.one, "addr", "add", f"{ONE6}/64", "dev", "wlan", "nodad")
    ip("-n", lab.one, "route", "replace", "default", "via", OWN4)
    ip("-n", lab.one, "-6", "route", "replace", "default", "via", OWN6)


def test_a_longer_time_begins_without_a_hole_and_counters_go_on(clean: Lab) -> None:
    clean.do(Admit(mac=ONE, addresses=(ONE4,), seconds=2))
    echoed(clean.one, FAR4, ECHO, bytes(72), times=3)
    clean.do(Admit(mac=ONE, addresses=(ONE6,), seconds=60))
    assert is_refused(clean, clean.one)
    assert counters(clean, ONE).up_octets == 300
    clean.do(Admit(mac=ONE, addresses=BOTH, seconds=60))
    time.sleep(2.2)
    echoed(clean.one, FAR4, ECHO, bytes(72))
    assert counters(clean, ONE).up_octets == counters(clean, ONE).down_octets == 400


def test_time_runs_out_and_what_was_used_is_still_told(clean: Lab) -> None:
    clean.do(Admit(mac=ONE, addresses=BOTH, seconds=1))
    echoed(clean.one, FAR4, ECHO, bytes(72))
    time.sleep(1.3)
    assert is_refused(clean, clean.one) and is_refused(clean, clean.one, FAR6)
    assert counters(clean, ONE).up_octets == 100
    # Its address may be somebody else's now, and takes nothing of the count along.
    clean.do(Admit(mac=OTHER, addresses=(OTHER4, ONE4), seconds=60))
    assert counters(clean, ONE).up_octets == 100
    assert counters(clean, OTHER).up_octets == 0


def test_a_helper_that_is_killed_cuts_nobody_off(clean: Lab) -> None:
    clean.do(Admit(mac=ONE, addresses=BOTH, seconds=60, down_kbps=50_000))
    with connect(clean.one, FAR4, LINE) as wire:
        echoed(clean.one, FAR4, ECHO, bytes(72))
        clean.kill_helper()
        echoed(clean.one, FAR4, ECHO, bytes(72))
        clean.start_helper()
        echoed(clean.one, FAR4, ECHO, bytes(72))
        wire.sendall(b"hello")
        assert wire.recv(100) == b"hello"
        assert counters(clean, ONE).up_octets >= 300
    assert classes(clean) == 1
    clean.do(Remove(mac=ONE))
    assert is_refused(clean, clean.one)
    assert classes(clean) == 0


def classes(lab: Lab) -> int:
    """How many devices have rates in the kernel."""
    shown = subprocess.run(
        ["ip", "netns", "exec", lab.gate, "tc", "class", "show", "dev", "inside"],
        check=True, capture_output=True, text=True, timeout=20,
    ).stdout  # fmt: skip
    return shown.count("class htb")


@pytest.mark.sampled
@pytest.mark.parametrize("far", [FAR4, FAR6], ids=["IPv4", "IPv6"])
def test_a_rate_is_kept_in_both_directions(clean: Lab, far: str) -> None:
    down, up = 4_000, 2_000
    clean.do(Admit(mac=ONE, addresses=BOTH, seconds=60, down_kbps=down, up_kbps=up))
    assert measured_down(clean, far, down) == pytest.approx(down, rel=0.15)
    assert measured_up(clean, far, up) == pytest.approx(up, rel=0.15)
    clean.do(Admit(mac=ONE, addresses=BOTH, seconds=60))
    assert measured_down(clean, far, down) > 4 * down
    assert classes(clean) == 0


def measured_down(lab: Lab, far: str, kbps: int) -> float:
    """kbit/s of a download of about two seconds, as the interface counts."""
    octets = kbps * 1000 // 8 * 2
    before, began = counters(lab, ONE).down_octets, time.monotonic()
    with connect(lab.one, far, LINE, 30) as wire:
        wire.sendall(str(octets).encode())
        left = octets
        while left:
            left -= len(wire.recv(min(left, 65_536)))
    seconds = time.monotonic() - began
    return (counters(lab, ONE).down_octets - before) * 8 / 1000 / seconds


def measured_up(lab: Lab, far: str, kbps: int) -> float:
    octets = kbps * 1000 // 8 * 2
    before, began = counters(lab, ONE).up_octets, time.monotonic()
    with connect(lab.one, far, SINK, 30) as wire:
        wire.sendall(b"x" * octets)
        wire.shutdown(socket.SHUT_WR)
        assert wire.recv(10) == b"all of it"
    seconds = time.monotonic() - began
    return (counters(lab, ONE).up_octets - before) * 8 / 1000 / seconds


def test_nobody_outside_begins_a_connection(clean: Lab) -> None:
    clean.do(Admit(mac=ONE, addresses=BOTH, seconds=60))
    with pytest.raises(OSError, check=lambda error: error.errno in PROHIBITED):
        connect(clean.far, ONE6, LINE).close()


@pytest.mark.parametrize(("far", "headers"), [(FAR4, 40), (FAR6, 60)], ids=["IPv4", "IPv6"])
def test_segments_are_made_to_fit_a_narrow_line(clean: Lab, far: str, headers: int) -> None:
    clean.do(Admit(mac=ONE, addresses=BOTH, seconds=60))
    ip("-n", clean.gate, "link", "set", "outside", "mtu", "1400")
    try:
        with connect(clean.one, far, LINE) as wire:
            wire.sendall(b"largest")
            assert wire.recv(100) == b"largest"
            assert LARGEST.pop() <= 1400 - headers
    finally:
        ip("-n", clean.gate, "link", "set", "outside", "mtu", "1500")


def test_neighbours_are_devices_of_the_inside(clean: Lab) -> None:
    said(clean.one, FAR4, PAGES)
    said(clean.one, FAR6, PAGES)
    ip("-n", clean.gate, "neigh", "replace", "10.77.0.99", "dev", "inside", "nud", "failed")
    ip("-n", clean.gate, "neigh", "replace", "10.77.0.98", "lladdr", "01:00:5e:00:00:01",
       "dev", "inside")  # fmt: skip
    found = clean.do(Neighbours()).neighbours
    assert (ONE4, ONE) in found and (ONE6, ONE) in found
    assert not [one for one in found if one[0] in ("10.77.0.99", "10.77.0.98", BEYOND4)]
    assert not [one for one in found if one[0].startswith("fe80")]


def test_tables_that_somebody_flushed_or_changed_are_made_again(clean: Lab) -> None:
    clean.do(Admit(mac=ONE, addresses=BOTH, seconds=60))
    echoed(clean.one, FAR4, ECHO, bytes(72))
    assert counters(clean, ONE).up_octets == 100
    inside(clean.gate, "nft", "flush ruleset")
    assert not _is_closed(clean)
    wait_until(lambda: _is_closed(clean), 10, "it stays open")
    before = counters(clean, ONE).up_octets
    echoed(clean.one, FAR4, ECHO, bytes(72))
    assert counters(clean, ONE).up_octets == before + 100
    inside(clean.gate, "nft", "flush chain inet yuenyan_gateway forward")
    assert not _is_closed(clean)
    clean.do(Install())
    assert _is_closed(clean)
    assert said(clean.one, FAR6, PAGES) == ONE6.encode()


def _is_closed(lab: Lab) -> bool:
    try:
        connect(lab.other, FAR6, TLS).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_device_asks_our_resolver_only_so_often(clean: Lab) -> None:
    with within(clean.gate):
        resolver = socket.socket(type=socket.SOCK_DGRAM)
    with within(clean.one):
        wire = socket.socket(type=socket.SOCK_DGRAM)
    with resolver, wire:
        resolver.bind((OWN4, 53))
        resolver.settimeout(1)
        wire.connect((FAR4, 53))
        for _ in range(200):
            wire.send(b"a tunnel")
        heard = 0
        with contextlib.suppress(TimeoutError):
            while resolver.recv(100):
                heard += 1
    assert 30 <= heard <= 120


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        pytest.param(b"flush ruleset", "no JSON", id="nft"),
        pytest.param(b'{"verb":"exec"}', "no such verb", id="verb"),
        pytest.param(
            b'{"verb":"admit","mac":"02aa00000005","addresses":["10.77.0.5 }; flush ruleset"],'
            b'"seconds":9}',
            "not an IP address",
            id="in an address",
        ),
        pytest.param(
            b'{"verb":"admit","mac":"02aa00000005","addresses":["fe80::1%inside"],"seconds":9}',
            "inside's addresses",
            id="scope",
        ),
        pytest.param(
            b'{"verb":"admit","mac":"02aa00000005","addresses":["203.0.113.10"],"seconds":9}',
            "inside's addresses",
            id="outside",
        ),
        pytest.param(
            b'{"verb":"admit","mac":"02aa00000005","addresses":["10.77.0.1"],"seconds":9}',
            "inside's addresses",
            id="ours",
        ),
        pytest.param(
            b'{"verb":"admit","mac":"ffffffffffff","addresses":["10.77.0.5"],"seconds":9}',
            "no device's address",
            id="broadcast",
        ),
        pytest.param(
            b'{"verb":"admit","mac":"02aa00000005","addresses":["10.77.0.5"],"seconds":1e9}',
            "must be",
            id="time",
        ),
        pytest.param(b"\xff\xfe", "no JSON", id="octets"),
        pytest.param(b"[" * 4000, "no JSON", id="nested"),
    ],
)
def test_hostile_lines_are_refused_and_change_nothing(clean: Lab, line: bytes, answer: str) -> None:
    with clean.connect() as wire:
        wire.sendall(line + b"\n")
        assert answer in json.loads(read_line(wire))["error"]
    assert clean.do(Usage()).counters == ()


def test_a_line_without_end_is_hung_up_on(clean: Lab) -> None:
    with clean.connect() as wire:
        with contextlib.suppress(OSError):
            wire.sendall(b"x" * 100_000)
        with contextlib.suppress(ConnectionResetError):
            assert "too long" in read_line(wire).decode()
            assert wire.recv(10) == b""
    clean.do(Usage())


def test_a_peer_of_another_user_is_hung_up_on(clean: Lab) -> None:
    nobody = pwd.getpwnam("nobody")
    clean.socket_path.chmod(0o666)
    script = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        's.sendall(b\'{"verb":"usage"}\\n\'); print(s.recv(10))'
    )
    try:
        ended = subprocess.run(
            [sys.executable, "-c", script, str(clean.socket_path)],
            capture_output=True, text=True, timeout=20, cwd="/", check=False,
            user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=(),
        )  # fmt: skip
    finally:
        clean.socket_path.chmod(0o660)
    assert "b''" in ended.stdout or "Reset" in ended.stderr or "Broken" in ended.stderr, ended


def test_a_flood_of_lines_keeps_nobody_else_from_asking(clean: Lab) -> None:
    with clean.connect() as flood:
        flood.sendall(b'{"verb":"usage"}\n' * 400)
        began = time.monotonic()
        clean.do(Usage())
        assert time.monotonic() - began < 3
    wait_until(lambda: clean.helper is not None and clean.helper.poll() is None, 1, "it died")


def test_more_peers_than_there_is_room_for_wait_their_turn(clean: Lab) -> None:
    with contextlib.ExitStack() as opened:
        early = [opened.enter_context(clean.connect()) for _ in range(MOST_CLIENTS)]
        early[-1].sendall(write_verb(Usage()))
        assert read_line(early[-1])
        late = opened.enter_context(clean.connect())
        late.sendall(write_verb(Usage()))
        late.settimeout(0.5)
        with pytest.raises(TimeoutError):
            late.recv(1)
        early[0].close()
        late.settimeout(5)
        assert read_answer(read_line(late)).error == ""


def test_the_helper_has_given_up_what_root_may(gate: Lab) -> None:
    assert gate.helper is not None
    shown = Path(f"/proc/{gate.helper.pid}/status").read_text(encoding="ascii").splitlines()
    fields = dict(line.split(":\t", 1) for line in shown if ":\t" in line)
    assert {fields[name] for name in ("CapPrm", "CapEff", "CapBnd")} == {"0000000000003000"}
    assert fields["NoNewPrivs"] == "1"
