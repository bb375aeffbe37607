"""Letting devices in and out, with the state on a real disk: restarts, outages, the last octet."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from captive_portal.gateway.clients import Cause, Client
from captive_portal.gateway.doorkeeper import SAVE_SECONDS, Doorkeeper, Entered, Failed
from captive_portal.gateway.radius import Rejected
from captive_portal.gateway.refusals import (
    MOST_DEVICES,
    MOST_REFUSALS,
    WITHIN_SECONDS,
    Refusals,
)
from captive_portal.gateway.reporting import Reporter
from captive_portal.gateway.store import Store
from captive_portal.gateway.verbs import Admit, Remove
from common.errors import BackendUnavailable, MalformedPacket
from common.metrics import Counters
from identity.domain.sessions import StatusType
from radius_server.packet.codes import Attribute
from tests.conftest import wait_until
from tests.unit.captive_portal.gateway.lab import (
    PHONE,
    TABLET,
    TOKEN,
    V4,
    V6,
    V6_MORE,
    FakeKernel,
    FakeRadius,
    HandClock,
    grant,
    kind,
    number,
    settings,
)

START, STOP, INTERIM, ON = StatusType.START, StatusType.STOP, StatusType.INTERIM, StatusType.ON


@dataclass
class Box:
    """A gateway whose process can be ended and started again."""

    folder: Path
    kernel: FakeKernel = field(default_factory=FakeKernel)
    radius: FakeRadius = field(default_factory=FakeRadius)
    clock: HandClock = field(default_factory=HandClock)
    store: Store = field(init=False)
    keeper: Doorkeeper = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.store = Store(self.folder / "gateway.db")
        self.store.open()
        self.keeper = Doorkeeper(
            settings(), self.kernel, self.radius, self.store, self.clock, Counters()
        )

    def restart(self) -> None:
        """The process ends at once, as a crash does, and begins anew."""
        self.store.close()
        self.start()
        self.keeper.tick()

    def log_in(self, address: str = V4, token: str = TOKEN) -> Client:
        entered = self.keeper.log_in(address, "somchai", token)
        assert isinstance(entered, Entered), entered
        return entered.client

    def later(self, seconds: float) -> None:
        self.clock.pass_by(seconds)
        self.keeper.tick()

    def told(self) -> list[dict[int, bytes]]:
        """Every record of the file, oldest first, taken out."""
        found = []
        while (record := self.store.oldest()) is not None:
            found.append(dict(record.pairs))
            self.store.sent(record.id)
        return found


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    made = Box(tmp_path)
    made.keeper.tick()
    made.clock.pass_by(1)
    yield made
    made.store.close()


def kinds(box: Box) -> list[int]:
    return [kind(pairs) for pairs in box.told()]


def test_a_good_token_admits_the_device_and_begins_its_accounting(box: Box) -> None:
    client = box.log_in()
    assert box.kernel.admitted[PHONE] == Admit(mac=PHONE, addresses=(V4, V6), seconds=28800)
    device, username, token, session_id = box.radius.asked[0]
    assert (device.mac, username, token) == (PHONE, "somchai", TOKEN)
    assert device.addresses == (V4, V6)
    on, start = box.told()
    assert (kind(on), kind(start)) == (ON, START)
    assert start[Attribute.ACCT_SESSION_ID].decode() == session_id == client.session_id


def test_what_radius_refuses_stays_outside(box: Box) -> None:
    box.radius.answer = Rejected("no")
    assert box.keeper.log_in(V4, "somchai", TOKEN) == Failed("reject", "no")
    assert box.kernel.admitted == {}
    assert kinds(box) == [ON]


def test_a_password_is_never_tried_and_a_stranger_neither(box: Box) -> None:
    assert box.keeper.log_in(V4, "somchai", "password of theirs") == Failed("token")
    assert box.keeper.log_in("192.0.2.9", "somchai", TOKEN) == Failed("gateway")
    assert box.radius.asked == []


def test_nobody_gets_in_while_radius_the_helper_or_the_disk_is_away(box: Box) -> None:
    box.radius.is_down = True
    assert box.keeper.log_in(V4, "somchai", TOKEN) == Failed("timeout")
    box.radius.is_down, box.kernel.refuses = False, Admit
    assert box.keeper.log_in(V4, "somchai", TOKEN) == Failed("gateway")
    box.kernel.refuses = None
    box.store.close()
    assert box.keeper.log_in(V4, "somchai", TOKEN) == Failed("gateway")
    assert box.kernel.admitted == {}
    assert box.keeper.clients() == []


def test_a_form_that_is_sent_again_spends_no_second_token(box: Box) -> None:
    first = box.log_in()
    assert box.log_in() is first
    box.restart()
    assert box.log_in().session_id == first.session_id
    assert len(box.radius.asked) == 1


def test_a_device_that_is_refused_again_and_again_is_not_asked_about_for_a_minute(
    box: Box,
) -> None:
    box.radius.answer = Rejected("no")
    for at in range(MOST_REFUSALS):
        assert box.keeper.log_in(V4, "somchai", f"{TOKEN}{at}") == Failed("reject", "no")
    assert box.keeper.log_in(V4, "somchai", TOKEN) == Failed("busy")
    assert len(box.radius.asked) == MOST_REFUSALS
    box.radius.answer = grant()
    box.log_in("10.77.0.30")
    box.clock.pass_by(WITHIN_SECONDS)
    box.log_in()


def test_refusals_of_many_made_up_devices_take_no_room() -> None:
    refusals = Refusals()
    for at in range(3 * MOST_DEVICES):
        refusals.add(f"{at:012x}", 1.0)
    assert len(refusals) == MOST_DEVICES


def test_a_new_token_begins_a_new_session_with_its_own_counters(box: Box) -> None:
    first = box.log_in()
    box.kernel.pass_octets(PHONE, 5000, 7000)
    box.clock.pass_by(10)
    second = box.log_in(token=TOKEN + "2")
    on, start, stop, again = box.told()
    assert [kind(one) for one in (on, start, stop, again)] == [ON, START, STOP, START]
    assert number(stop, Attribute.ACCT_INPUT_OCTETS) == 5000
    assert number(stop, Attribute.ACCT_TERMINATE_CAUSE) == Cause.USER_REQUEST
    assert first.session_id != second.session_id
    assert (second.up_octets, box.kernel.used[PHONE]) == (0, [0, 0, 0, 0])


def test_signing_out_counts_the_last_octets_and_closes_the_door(box: Box) -> None:
    box.log_in()
    box.clock.pass_by(60)
    box.kernel.pass_octets(PHONE, 1234, 2**33 + 5)
    assert box.keeper.log_out(V6) is not None
    assert box.keeper.log_out(V6) is None
    assert box.kernel.admitted == {}
    stop = box.told()[-1]
    assert number(stop, Attribute.ACCT_INPUT_OCTETS) == 1234
    assert number(stop, Attribute.ACCT_OUTPUT_OCTETS) == 5
    assert number(stop, Attribute.ACCT_OUTPUT_GIGAWORDS) == 2
    assert number(stop, Attribute.ACCT_SESSION_TIME) == 60


def test_who_cannot_be_removed_is_not_told_to_be_signed_out(box: Box) -> None:
    box.log_in()
    box.kernel.refuses = Remove
    with pytest.raises(BackendUnavailable):
        box.keeper.log_out(V4)
    assert len(box.keeper.clients()) == 1
    assert kinds(box) == [ON, START]


def test_a_quota_or_time_out_removes_the_device_at_the_next_look(box: Box) -> None:
    box.radius.answer = grant(total_octets=10_000)
    box.log_in()
    box.kernel.pass_octets(PHONE, 5000, 5000)
    box.later(5)
    assert box.kernel.admitted == {}
    stop = box.told()[-1]
    assert (kind(stop), number(stop, Attribute.ACCT_TERMINATE_CAUSE)) == (STOP, Cause.NAS_REQUEST)


def test_another_ipv6_address_is_let_through_and_accounted_at_once(box: Box) -> None:
    box.log_in()
    box.kernel.neighbours.append((V6_MORE, PHONE))
    box.later(5)
    assert box.kernel.admitted[PHONE].addresses == (V4, V6, V6_MORE)
    assert kinds(box) == [ON, START, INTERIM]


def test_a_browser_that_is_caught_at_a_new_address_is_let_through_at_once(box: Box) -> None:
    client = box.log_in()
    box.kernel.neighbours.append((V6_MORE, PHONE))
    assert box.keeper.notice(V6_MORE, PHONE) == (client, True)
    assert V6_MORE in box.kernel.admitted[PHONE].addresses
    assert box.keeper.notice(V6_MORE, PHONE) == (client, False)
    assert box.keeper.notice("10.77.0.30", TABLET) == (None, False)


def test_two_devices_that_change_addresses_both_get_through(box: Box) -> None:
    box.log_in()
    box.log_in("10.77.0.30", TOKEN + "2")
    box.kernel.neighbours = [(V4, TABLET), (V6, PHONE), ("10.77.0.30", PHONE)]
    box.later(5)
    box.later(5)
    assert box.kernel.admitted[PHONE].addresses == ("10.77.0.30", V6)
    assert box.kernel.admitted[TABLET].addresses == (V4,)


def test_interim_updates_that_were_not_sent_make_room_for_later_ones_but_not_moves(
    box: Box,
) -> None:
    box.log_in()
    for more in range(4):
        box.kernel.pass_octets(PHONE, 1000, 0)
        box.later(300)
        if more == 1:
            box.kernel.neighbours.append((V6_MORE, PHONE))
            box.later(1)
    records = box.told()
    assert [kind(one) for one in records] == [ON, START, INTERIM, INTERIM]
    assert number(records[2], Attribute.ACCT_SESSION_TIME) == 601
    assert number(records[3], Attribute.ACCT_INPUT_OCTETS) == 4000


def test_a_restart_of_the_process_keeps_the_session_and_its_number(box: Box) -> None:
    before = box.log_in()
    box.kernel.pass_octets(PHONE, 100, 0)
    box.later(5)
    box.kernel.pass_octets(PHONE, 900, 0)
    box.clock.pass_by(120)
    box.restart()
    (after,) = box.keeper.clients()
    assert after.session_id == before.session_id
    assert after.up_octets == 1000
    assert after.seconds(box.clock.up()) == 125
    assert Remove(mac=PHONE) not in box.kernel.verbs
    assert kinds(box) == [ON, START]


@pytest.mark.parametrize("step", [7200.0, -7200.0], ids=["ahead", "back"])
def test_a_clock_that_is_set_ends_no_session_and_lengthens_none(box: Box, step: float) -> None:
    box.radius.answer = grant(session_seconds=600)
    box.log_in()
    box.later(60)
    box.clock.epoch += step
    box.restart()
    box.later(60)
    (client,) = box.keeper.clients()
    assert client.seconds(box.clock.up()) == 120
    box.later(480)
    stop = box.told()[-1]
    assert number(stop, Attribute.ACCT_TERMINATE_CAUSE) == Cause.SESSION_TIMEOUT
    assert number(stop, Attribute.ACCT_SESSION_TIME) == 600


def test_a_session_that_ran_out_while_nobody_looked_is_over(box: Box) -> None:
    box.radius.answer = grant(session_seconds=600)
    box.log_in()
    box.clock.pass_by(4000)
    box.restart()
    stop = box.told()[-1]
    assert number(stop, Attribute.ACCT_TERMINATE_CAUSE) == Cause.SESSION_TIMEOUT
    assert box.kernel.admitted == {}


def test_after_a_power_cut_sessions_end_when_they_were_last_seen(box: Box) -> None:
    box.log_in()
    box.kernel.pass_octets(PHONE, 7000, 0)
    box.later(SAVE_SECONDS)
    seen_at = int(box.clock.calendar())
    box.kernel.flush()
    box.clock.restart_machine(3600)
    box.restart()
    assert box.keeper.clients() == []
    records = box.told()
    assert [kind(one) for one in records] == [ON, START, STOP, ON]
    stop = records[2]
    assert number(stop, Attribute.ACCT_TERMINATE_CAUSE) == Cause.NAS_REBOOT
    assert number(stop, Attribute.ACCT_INPUT_OCTETS) == 7000
    assert number(stop, Attribute.ACCT_SESSION_TIME) == SAVE_SECONDS
    assert number(stop, Attribute.EVENT_TIMESTAMP) == seen_at


def test_tables_that_were_flushed_end_sessions_with_an_error_and_the_rest_goes_on(
    box: Box,
) -> None:
    box.log_in()
    box.log_in("10.77.0.30", TOKEN + "2")
    box.clock.pass_by(1)
    del box.kernel.admitted[PHONE], box.kernel.used[PHONE]
    box.restart()
    assert [client.mac for client in box.keeper.clients()] == [TABLET]
    records = box.told()
    assert [kind(one) for one in records] == [ON, START, START, STOP]
    assert number(records[3], Attribute.ACCT_TERMINATE_CAUSE) == Cause.NAS_ERROR


def test_a_device_that_nobody_here_knows_is_removed(box: Box) -> None:
    box.kernel.ask(Admit(mac=TABLET, addresses=("10.77.0.30",), seconds=60))
    box.keeper.tick()
    assert box.kernel.admitted == {}


def test_a_helper_that_was_away_at_the_start_costs_nothing(box: Box) -> None:
    before = box.log_in()
    box.store.close()
    box.start()
    box.kernel.is_down = True
    with pytest.raises(BackendUnavailable):
        box.keeper.tick()
    assert box.keeper.log_in(V4, "somchai", TOKEN) == Failed("gateway")
    box.kernel.is_down = False
    box.keeper.tick()
    assert [one.session_id for one in box.keeper.clients()] == [before.session_id]


def test_a_change_is_told_to_the_kernel_or_not_made(box: Box) -> None:
    client = box.log_in()
    slow = grant(down_kbps=500, session_seconds=120)
    box.kernel.refuses = Admit
    with pytest.raises(BackendUnavailable):
        box.keeper.change(PHONE, client.session_id, slow)
    assert client.grant.down_kbps is None
    box.kernel.refuses = None
    box.clock.pass_by(20)
    assert box.keeper.change(PHONE, client.session_id, slow)
    told = box.kernel.admitted[PHONE]
    assert (told.down_kbps, told.seconds) == (500, 100)
    assert not box.keeper.change(PHONE, "another session", slow)
    box.restart()
    assert box.keeper.clients()[0].grant == slow


def test_what_the_disk_did_not_take_is_written_at_the_next_look(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.radius.answer = grant(session_seconds=60)
    box.log_in()
    box.clock.pass_by(60)

    def full(**_values: object) -> int:
        raise BackendUnavailable("the gateway's state", "the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(box.store, "write", full)
        with pytest.raises(BackendUnavailable):
            box.keeper.tick()
    assert box.kernel.admitted == {}
    box.later(SAVE_SECONDS)
    assert kinds(box) == [ON, START, STOP]


def test_two_clicks_are_one_login(box: Box) -> None:
    asked, go_on = threading.Event(), threading.Event()
    inner = box.radius.log_in

    def slowly(*values: object) -> object:
        asked.set()
        assert go_on.wait(10)
        return inner(*values)  # type: ignore[arg-type]

    box.radius.log_in = slowly  # type: ignore[method-assign, assignment]
    found: list[Client] = []
    clicks = [threading.Thread(target=lambda: found.append(box.log_in())) for _ in range(2)]
    clicks[0].start()
    assert asked.wait(10)
    clicks[1].start()
    go_on.set()
    for click in clicks:
        click.join(10)
    assert len(found) == 2 and found[0] is found[1]
    assert len(box.radius.asked) == 1


def test_a_class_that_signs_in_at_once_waits_for_its_turn(box: Box) -> None:
    asking, at_most = 0, settings().threads // 2
    lock, inner, is_crowded = threading.Lock(), box.radius.log_in, threading.Event()

    def slowly(*values: object) -> object:
        nonlocal asking
        with lock:
            asking += 1
            assert asking <= at_most
            if asking == at_most:
                is_crowded.set()
        assert is_crowded.wait(10)
        with lock:
            asking -= 1
        return inner(*values)  # type: ignore[arg-type]

    box.radius.log_in = slowly  # type: ignore[method-assign, assignment]
    pupils = [(f"10.77.1.{n}", f"3c22fb1000{n:02x}") for n in range(40)]
    box.kernel.neighbours = pupils
    box.clock.pass_by(2)
    found: list[Entered | Failed] = []
    clicks = [
        threading.Thread(
            target=lambda one=address: found.append(box.keeper.log_in(one, "x", TOKEN + one))
        )
        for address, _ in pupils
    ]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join(20)
    assert [one for one in found if isinstance(one, Failed)] == []
    assert len(box.kernel.admitted) == len(found) == 40


def test_records_outlive_an_outage_and_say_how_long_they_waited(box: Box) -> None:
    reporter = Reporter(box.store, box.radius, box.clock)
    box.log_in()
    box.radius.is_down = True
    reporter.start()
    try:
        wait_until(lambda: box.radius.failed, 10, "nothing is tried")
        box.clock.pass_by(100)
        box.radius.is_down = False
        reporter.wake()
        wait_until(lambda: box.store.count_waiting() == 0, 10, "the records are not sent")
        on, start = box.radius.told
        assert number(on, Attribute.ACCT_DELAY_TIME) == 102 - 1
        assert number(start, Attribute.ACCT_DELAY_TIME) == 100
        number_of_record = box.store.write(records=[])
        assert reporter.wait_for(number_of_record, 5)
    finally:
        reporter.stop()


def test_a_record_that_fits_into_no_packet_does_not_keep_the_others_back(box: Box) -> None:
    box.log_in()
    inner = box.radius.account

    def strict(pairs: list[tuple[int, bytes]]) -> None:
        if kind(dict(pairs)) == ON:
            raise MalformedPacket("it does not fit")
        inner(pairs)

    box.radius.account = strict  # type: ignore[method-assign]
    reporter = Reporter(box.store, box.radius, box.clock)
    reporter.start()
    try:
        wait_until(lambda: box.store.count_waiting() == 0, 10, "the records are not sent")
    finally:
        reporter.stop()
    assert [kind(pairs) for pairs in box.radius.told] == [START]


def test_a_record_of_before_a_power_cut_waited_by_the_calendar(box: Box) -> None:
    box.log_in()
    box.clock.restart_machine(3600)
    reporter = Reporter(box.store, box.radius, box.clock)
    reporter.start()
    try:
        wait_until(lambda: len(box.radius.told) == 2, 10, "the records are not sent")
    finally:
        reporter.stop()
    assert number(box.radius.told[1], Attribute.ACCT_DELAY_TIME) == 3600
