"""deploy/opennds/yuenyan-opennds when things go wrong: against a portal of ours on loopback.

test_opennds_agent_ipv6.py has what openNDS itself does not know.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from db.models import CoaRequest, NetworkSession
from identity.office import Office
from identity.services import dynamic
from tests.conftest import wait_until
from tests.integration.opennds_agent import CLOSED, MAC, NOTHING, OPEN, Router, router_of

pytestmark = pytest.mark.real


@pytest.fixture
def router(office: Office, tmp_path: Path) -> Iterator[Router]:
    with router_of(office, tmp_path / "router") as made:
        yield made


def test_the_portal_is_asked_and_its_limits_are_told_to_opennds(router: Router) -> None:
    answer = router.asks(router.token())
    assert (answer.returncode, answer.stdout.strip()) == (0, "28800 0 0 0 0"), answer
    assert router.session().user_name == "ครูสมชาย"
    again = router.run("check")
    assert again.returncode == 0 and "are right" in again.stdout


def test_nobody_is_let_in_while_the_portal_is_away(router: Router) -> None:
    custom = router.token()
    router.portal_goes()
    answer = router.asks(custom)
    assert (answer.returncode, answer.stdout) == (0, "")


@pytest.mark.parametrize("text", [None, "PORTAL='http://…\n"])
def test_nobody_is_let_in_while_the_settings_cannot_be_read(
    router: Router, text: str | None
) -> None:
    custom, conf = router.token(), router.folder / "conf"
    conf.unlink() if text is None else conf.write_text(text)
    answer = router.asks(custom)
    assert (answer.returncode, answer.stdout) == (0, "")
    assert router.run("check").returncode == 1


def test_nobody_is_let_in_while_what_is_known_cannot_be_kept(router: Router) -> None:
    custom = router.token()
    (router.folder / "full").touch()
    router.settings(STATE=str(router.folder / "full" / "state"))
    answer = router.asks(custom)
    assert (answer.returncode, answer.stdout) == (0, "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("how", ["link", "folder"])
def test_the_agent_writes_into_no_folder_that_somebody_else_made(router: Router, how: str) -> None:
    theirs, state = router.folder / "theirs", router.folder / "state"
    (theirs / "clients").mkdir(parents=True)
    if how == "link":
        state.symlink_to(theirs)
    else:
        theirs.rename(state)
        os.chown(state, 65534, 65534)
    answer = router.asks(router.token())
    assert (answer.returncode, answer.stdout) == (0, "")
    assert [path.name for path in state.rglob("*")] == ["clients"]
    state.unlink() if how == "link" else os.chown(state, 0, 0)
    assert router.asks(router.token()).stdout.strip() == "28800 0 0 0 0"


def test_nobody_is_let_in_by_an_answer_that_is_not_signed_with_our_key(router: Router) -> None:
    custom = router.token()
    router.portal_goes()

    def yes(_environ: object, start: Callable[..., object]) -> list[bytes]:
        start("200 OK", [("Content-Type", "text/plain")])
        return [f"time 1795835504\nallow {MAC} 0 0 0 0 0\nsig {'0' * 64}\n".encode()]

    router.answers(yes)
    answer = router.asks(custom)
    assert (answer.returncode, answer.stdout) == (0, "")


def test_a_wrong_key_lets_nobody_in_and_check_says_so(router: Router) -> None:
    router.settings(KEY="another")
    assert router.asks(router.token()).stdout == ""
    assert router.run("check").returncode == 1


def test_who_is_refused_here_is_refused_there(router: Router) -> None:
    custom = router.token()
    answer = router.asks(custom, "3c:22:fb:0a:0b:0c")
    assert (answer.returncode, answer.stdout) == (0, "")


def test_who_came_in_unasked_is_asked_for_at_the_next_look(router: Router) -> None:
    # openNDS 9.10 does so while ndsctl is at work.
    custom = router.token()
    router.lists(custom)
    assert router.run("once").returncode == 0
    row = router.session()
    assert (row.user_name, row.account_id is not None) == ("ครูสมชาย", True)
    assert not (router.folder / "orders").exists()
    assert router.run("once").returncode == 0, "it is asked for once"
    assert not (router.folder / "orders").exists()


def test_who_is_let_in_by_hand_on_the_router_stays(router: Router) -> None:
    assert router.run("ndsctl_auth", MAC, "0", "0", "1", "2", "34e6c5ea", "none").returncode == 0
    router.lists("none")
    router.run("once")
    assert not (router.folder / "orders").exists()
    row = router.session()
    assert (row.user_name, row.account_id, row.stop_seen) == ("", None, 0)


def test_words_that_an_officer_gave_a_client_at_the_router_keep_nobody_from_being_told(
    router: Router,
) -> None:
    assert router.run("ndsctl_auth", MAC, "0", "0", "1", "2", "34e6c5ea", "x").returncode == 0
    router.lists("let in by hand " + "a" * 700)
    assert router.run("once").returncode == 0
    assert (router.session().user_name, router.session().stop_seen) == ("", 0)


_ANOTHER = "3c:22:fb:0a:0b:0c"
_GOES_ON = 'download_rate_limit_threshold":"null'


@pytest.mark.parametrize(
    "carried",
    [
        pytest.param('bmE=",\n      "ip":"10.78.0.1', id="an address of its own choice"),
        pytest.param("bmE=\n", id="a line"),
        pytest.param('bmE="', id="a quotation mark"),
        pytest.param(
            f'bmE=",\n"{_GOES_ON}",\n"upload_session_avg":"0"\n}},\n"{_ANOTHER}":{{\n"mac":"{_ANOTHER}'
            f'",\n"ip":"10.78.0.99",\n"session_start":"1",\n"token":"c0ffee00",\n'
            '"state":"Authenticated",\n"custom":"none',
            id="another client",
        ),
    ],
)
def test_what_a_browser_carries_makes_up_nothing_of_the_list_and_puts_out_who_carries_it(
    router: Router, carried: str
) -> None:
    # openNDS tells it as it came; it gets there when BinAuth was not asked.
    custom = router.token()
    router.lists(carried.replace("bmE=", custom))
    (router.folder / "deauth").write_text("Client is busy\n")
    assert router.run("once").returncode == 1, "nothing of that list is told for the whole"
    with router.office.database.read() as session:
        assert session.scalars(select(NetworkSession)).all() == []
    assert f"deauth {MAC}\n" in (router.folder / "orders").read_text()


@pytest.mark.parametrize("why", ["spent", "away", "nothing", "as if by hand"])
def test_who_came_in_unasked_and_may_not_is_put_out(router: Router, why: str) -> None:
    custom = {"nothing": "bmE=", "as if by hand": "none"}.get(why) or router.token()
    if why == "spent":
        assert router.asks(custom).stdout.strip() == "28800 0 0 0 0"
        next((router.folder / "state" / "clients").glob("*.allowed")).unlink()
    if why == "away":
        router.portal_goes()
    router.lists(custom)
    (router.folder / "deauth").write_text("Client 10.78.0.100 deauthenticated.\n")
    router.run("once")
    assert (router.folder / "orders").read_text() == f"deauth {MAC}\n"


def test_whose_time_is_over_is_put_out_where_opennds_was_not_told(router: Router) -> None:
    router.grant(session_seconds=60)
    custom = router.token()
    router.lists(custom)
    assert router.run("once").returncode == 0
    (allowed,) = (router.folder / "state" / "clients").glob("*.allowed")
    token, since, *rest = allowed.read_text().split()
    allowed.write_text(" ".join((token, str(int(since) - 71), *rest)))
    (router.folder / "deauth").write_text("Client 10.78.0.100 deauthenticated.\n")
    router.run("once")
    assert (router.folder / "orders").read_text() == f"deauth {MAC}\n"


def test_a_router_whose_clock_is_years_off_sets_it_by_the_portal(router: Router) -> None:
    (router.folder / "bin" / "date").write_text("#!/bin/sh\necho 946684800\n")
    (router.folder / "bin" / "date").chmod(0o755)
    assert router.asks(router.token()).returncode == 0


def test_what_happened_while_the_portal_was_away_is_told_when_it_is_back(router: Router) -> None:
    custom = router.token()
    assert router.asks(custom).returncode == 0
    router.lists(custom)
    assert router.run("once").returncode == 0
    row = router.session()
    assert (row.output_octets, row.input_octets) == (2939 * 1024, 12 * 1024)
    router.portal_goes()
    end = int(router.office.clock().timestamp())
    told = router.run("idle_deauth", MAC, "4000000", "0", str(end - 20), str(end), "34e6", custom)
    assert told.stdout.strip() == NOTHING
    router.lists(None)
    assert router.run("once").returncode != 0
    assert router.run("once").returncode != 0
    assert router.session().stop_seen == 0
    router.portal_comes()
    assert router.run("once").returncode == 0
    row = router.session()
    assert (row.stop_seen, row.terminate_cause) == (1, 4)
    assert (row.output_octets, row.input_octets) == (4_000_000, 12 * 1024), "the last it had seen"
    assert list((router.folder / "state").glob("left*")) == []
    assert not (router.folder / "state" / "spool").exists()


def test_who_waits_before_the_login_page_is_no_session(router: Router) -> None:
    router.lists("none", "Preauthenticated")
    assert router.run("once").returncode == 0
    with router.office.database.read() as session:
        assert session.scalars(select(NetworkSession)).all() == []


@pytest.mark.parametrize(
    ("told", "state", "cause"),
    [
        ("Client 10.78.0.100 deauthenticated.", "acked", None),
        ("Client 10.78.0.100 not found.", "nakked", 503),
        ("ndsctl: locked by another process", "queued", None),
    ],
    ids=["done", "unknown", "busy"],
)
def test_an_order_is_carried_out_and_its_outcome_told(
    router: Router, told: str, state: str, cause: int | None
) -> None:
    custom = router.token()
    assert router.asks(custom).returncode == 0
    router.lists(custom)
    (router.folder / "deauth").write_text(told + "\n")
    with router.office.database.write() as session:
        number = dynamic.disconnect_session(
            session, router.office, router.session().session_key, "head"
        )
    assert router.run("once").returncode == 0
    assert (router.folder / "orders").read_text() == f"deauth {MAC}\n"
    with router.office.database.read() as session:
        request = session.get(CoaRequest, number)
    assert request is not None and (request.state, request.error_cause) == (state, cause)


def test_what_a_killed_agent_had_in_its_hands_is_told_by_the_next(router: Router) -> None:
    custom = router.token()
    assert router.asks(custom).returncode == 0
    now = int(router.office.clock().timestamp())
    state = router.folder / "state"
    (state / "lock").mkdir()
    (state / "sending.999").write_text(
        f"out {MAC} timeout_deauth 34e6 {now - 20} {now} 777 0 {custom}\n"
    )
    running = router.start("run")
    try:
        wait_until(lambda: router.session().stop_seen, 20, "nobody told it")
    finally:
        running.kill()
        running.wait(10)
    assert (router.session().terminate_cause, router.session().output_octets) == (5, 777)


def test_while_opennds_is_dead_nobody_passes_and_then_again_who_is_signed_in(
    router: Router,
) -> None:
    running = router.start("run")
    try:
        wait_until(lambda: OPEN in router.guard(), 20, "it is not open while openNDS works")
        (router.folder / "dead").touch()
        (router.folder / "json").rename(router.folder / "json-later")
        wait_until(lambda: CLOSED in router.guard(), 20, "openNDS is dead, and everybody passes")
        (router.folder / "json-later").rename(router.folder / "json")
        (router.folder / "dead").unlink()
        wait_until(lambda: OPEN in router.guard(), 20, "openNDS is back, and nobody passes")
    finally:
        running.kill()
        running.wait(10)


def test_a_restart_that_nobody_saw_leaves_nobody_shut_out(router: Router) -> None:
    assert router.run("close").returncode == 0
    running = router.start("run")
    try:
        wait_until(lambda: OPEN in router.guard(), 20, "it is not open while openNDS works")
        # As systemd does around a restart that is over before the agent looks again.
        assert router.run("close").returncode == 0
        assert CLOSED in router.guard()
        wait_until(lambda: OPEN in router.guard(), 20, "openNDS is back, and nobody passes")
    finally:
        running.kill()
        running.wait(10)


def test_what_a_dead_opennds_left_in_the_firewall_is_taken_away(router: Router) -> None:
    (router.folder / "left-mangle").write_text(
        "-P PREROUTING ACCEPT\n-N ndsOUT\n-N theirs\n-A PREROUTING -i inside -j ndsOUT\n"
        "-A PREROUTING -j theirs\n-A ndsOUT -s 10.78.0.100/32 -j MARK --set-xmark 0x30000/0x30000\n"
    )
    assert router.run("close").returncode == 0
    assert not (router.folder / "changes").exists(), "it is running"
    (router.folder / "dead").touch()
    assert router.run("close").returncode == 0
    assert CLOSED in router.guard()
    assert (router.folder / "changes").read_text().splitlines() == [
        "-t mangle -D PREROUTING -i inside -j ndsOUT", "-t mangle -F ndsOUT",
        "-t mangle -X ndsOUT",
    ]  # fmt: skip
