"""What an openNDS router asks and tells the portal, signed with its key."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import quote

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from captive_portal.public.opennds import session_id
from captive_portal.vendors.opennds import Custom
from captive_portal.vendors.opennds_report import sign
from db.models import (
    Account,
    AccountingEvent,
    AddressInterval,
    AuthEvent,
    CoaRequest,
    NasClient,
    NetworkSession,
)
from identity.office import Office
from identity.services import dynamic, outbox, tokens
from identity.services.nas import add_nas
from identity.services.nas_portal import seal_portal_settings
from identity.services.presence import session_of
from identity.services.sessions import list_sessions
from tests.conftest import add_person
from tests.unit.captive_portal.public.conftest import Visitor, make_app
from traffic.lookup.attribution import Window
from traffic.lookup.holders import find_holders

KEY = "c775e7b757ede630cd0aa1113bd102661ab38829ca52a6422ab782862f268646"
MAC, OTHER_MAC = "3c:22:fb:01:02:03", "3c:22:fb:0a:0b:0c"
ADDRESS = "10.78.0.100"
ROUTER = 1_000_000
"""The router's own clock, which is wrong."""


@dataclass(slots=True)
class Router:
    """A router that signs as deploy/opennds/yuenyan-opennds does."""

    visitor: Visitor
    office: Office
    nas: NasClient
    name: str = "hall"
    key: str = KEY

    def tell(self, *lines: str, seconds: int = ROUTER) -> Sequence[str]:
        """The lines of the answer, whose signature is right."""
        nonce = secrets.token_hex(16)
        response = self.send(self.body(*lines, seconds=seconds), nonce)
        assert response.status_code == 200, response.text
        *told, signature = response.text.splitlines()
        text = "".join(f"{line}\n" for line in told)
        assert signature == f"sig {sign(self.key, nonce, text, 'yuenyan-opennds answer')}"
        assert told[0].startswith("time ")
        return told[1:]

    def body(self, *lines: str, seconds: int = ROUTER, at: datetime | None = None) -> str:
        moment = at or self.office.clock()
        head = f"v1 {int(moment.timestamp())} {seconds}"
        return "".join(f"{line}\n" for line in (head, *lines))

    def send(self, body: str, nonce: str, signature: str = "") -> TestResponse:
        made = signature or sign(self.key, nonce, body)
        client = self.visitor.app.test_client(use_cookies=False)
        return client.post(
            f"/opennds/{quote(self.name)}/report?n={nonce}&s={made}",
            data=body,
            content_type="application/x-www-form-urlencoded",
            environ_base={"REMOTE_ADDR": "10.78.0.1"},
        )

    def token(self, account_id: int, mac: str = MAC) -> Custom:
        """What the portal has given the browser to bring."""
        with self.office.database.write() as session:
            account = session.get(Account, account_id)
            assert account is not None
            made = tokens.mint(session, self.office, account, mac.replace(":", ""), self.nas.id)
            return Custom(made.token, made.username)

    def enter(self, account_id: int, mac: str = MAC) -> Custom:
        custom = self.token(account_id, mac)
        (line,) = self.tell(f"ask {mac} {ADDRESS} {custom.encode()}")
        assert line.startswith(f"allow {mac} "), line
        return custom


def online(
    custom: Custom | None, down: int, up: int, mac: str = MAC, lasted: int = 30, more: str = ""
) -> str:
    carried = " ".join(filter(None, (more, custom.encode() if custom else "none")))
    return f"in {mac} {ADDRESS} 34e6c5ea {ROUTER - lasted} {down} {up} {carried}"


def gone(custom: Custom, down: int, up: int, why: str = "client_deauth", ago: int = 0) -> str:
    began, ended = ROUTER - 100, ROUTER - ago
    return f"out {MAC} {why} 34e6c5ea {began} {ended} {down} {up} {custom.encode()}"


@pytest.fixture
def somchai(office: Office) -> int:
    return add_person(office, "somchai")


@pytest.fixture
def router(visitor: Visitor, office: Office) -> Router:
    with office.database.write() as session:
        nas = add_nas(
            session, office, "hall", "10.78.0.1/32", "secret of hall", "test",
            vendor="opennds", login_url="http://10.78.0.1:2050/opennds_auth/",
        )  # fmt: skip
        nas.portal_settings_encrypted = seal_portal_settings(office, {"faskey": KEY})
    return Router(visitor, office, nas)


def the_session(office: Office) -> NetworkSession:
    with office.database.read() as session:
        return session.scalars(select(NetworkSession)).one()


def test_who_presents_a_token_is_let_in_and_written_down_before_the_router_opens(
    router: Router, office: Office, somchai: int
) -> None:
    router.enter(somchai)
    row = the_session(office)
    with office.database.read() as session:
        event = session.scalars(select(AuthEvent)).one()
        address = session.scalars(select(AddressInterval)).one()
        (view,) = list_sessions(session, active=True)
    assert (row.account_id, row.user_name, row.stop_seen) == (somchai, "somchai", 0)
    assert (event.outcome, event.method, event.account_id) == ("accept", "token", somchai)
    assert event.session_ref == row.session_ref is not None
    assert (address.session_key, address.address) == (row.session_key, ADDRESS)
    assert (view.account, view.nas, view.mac) == ("somchai", "hall", MAC)


def test_a_token_lets_in_once_and_only_the_device_it_was_made_for(
    router: Router, office: Office, somchai: int
) -> None:
    custom = router.token(somchai)
    assert router.tell(f"ask {OTHER_MAC} {ADDRESS} {custom.encode()}") == [
        f"refuse {OTHER_MAC} token_for_another_device_or_nas"
    ]
    assert router.tell(f"ask {MAC} {ADDRESS} {custom.encode()}")[0].startswith("allow ")
    assert router.tell(f"ask {MAC} {ADDRESS} {custom.encode()}") == [f"refuse {MAC} token_spent"]
    with office.database.read() as session:
        reasons = session.scalars(select(AuthEvent.reason).order_by(AuthEvent.id)).all()
    assert list(reasons) == ["token_for_another_device_or_nas", "ok", "token_spent"]


@pytest.mark.parametrize("is_in", [True, False], ids=["while in", "when put out"])
def test_a_name_that_a_browser_brought_past_unasked_is_on_record_as_nobody_s(
    router: Router, office: Office, somchai: int, is_in: bool
) -> None:
    forged = Custom("yt-made-up", "somchai")
    router.tell(online(forged, 10, 10) if is_in else gone(forged, 10, 10, "ndsctl_deauth"))
    row = the_session(office)
    assert (row.user_name, row.account_id, row.calling_station_id) == (
        "",
        None,
        MAC.replace(":", ""),
    )
    with office.database.read() as session:
        kept = session.scalars(select(AccountingEvent.user_name)).all()
    assert kept == [""]


@pytest.mark.parametrize(
    "custom",
    [
        pytest.param("none", id="nothing"),
        pytest.param(Custom("yt-guessed", "somchai").encode(), id="a guess"),
        pytest.param(Custom("yt-guessed", "nobody").encode(), id="nobody"),
    ],
)
def test_without_a_token_of_ours_nobody_comes_in(
    router: Router, office: Office, somchai: int, custom: str
) -> None:
    router.token(somchai)
    assert router.tell(f"ask {MAC} {ADDRESS} {custom}")[0].startswith(f"refuse {MAC} ")
    with office.database.read() as session:
        assert session.scalars(select(NetworkSession)).all() == []


def test_a_token_of_another_router_is_refused(router: Router, office: Office, somchai: int) -> None:
    custom = router.token(somchai)
    with office.database.write() as session:
        other = add_nas(
            session, office, "library", "10.79.0.1/32", "secret of library", "test",
            vendor="opennds", login_url="http://10.79.0.1:2050/opennds_auth/",
        )  # fmt: skip
        other.portal_settings_encrypted = seal_portal_settings(office, {"faskey": KEY})
    library = replace(router, nas=other, name="library")
    assert library.tell(f"ask {MAC} {ADDRESS} {custom.encode()}") == [
        f"refuse {MAC} token_for_another_device_or_nas"
    ]


def test_the_limits_of_the_role_go_to_the_router(
    router: Router, office: Office, somchai: int
) -> None:
    with office.database.write() as session:
        account = session.get(Account, somchai)
        assert account is not None
        role = account.role
        role.session_seconds, role.up_kbps, role.down_kbps = 3600, 512, 2048
        role.quota_mb_day, role.simultaneous = 100, 1
    (line,) = router.tell(f"ask {MAC} {ADDRESS} {router.token(somchai).encode()}")
    assert line == f"allow {MAC} 3600 512 2048 97656 97656"
    other = router.token(somchai, OTHER_MAC)
    assert router.tell(f"ask {OTHER_MAC} {ADDRESS} {other.encode()}") == [
        f"refuse {OTHER_MAC} simultaneous_limit"
    ]


def test_a_suspended_account_is_refused_with_its_token(
    router: Router, office: Office, somchai: int
) -> None:
    custom = router.token(somchai)
    with office.database.write() as session:
        account = session.get(Account, somchai)
        assert account is not None
        account.state = "suspended"
    assert router.tell(f"ask {MAC} {ADDRESS} {custom.encode()}") == [f"refuse {MAC} suspended"]


def test_reports_become_octets_and_a_stop(router: Router, office: Office, somchai: int) -> None:
    custom = router.enter(somchai)
    assert router.tell(online(custom, 3_000_000, 40_000), "whole") == []
    row = the_session(office)
    assert (row.output_octets, row.input_octets, row.session_seconds) == (3_000_000, 40_000, 30)
    router.tell(gone(custom, 5_000_000, 60_000), "whole")
    row = the_session(office)
    assert (row.output_octets, row.input_octets, row.session_seconds) == (5_000_000, 60_000, 100)
    assert (row.stop_seen, row.terminate_cause) == (1, 1)
    with office.database.read() as session:
        events = session.scalars(select(AccountingEvent).order_by(AccountingEvent.id)).all()
    assert [event.status_type for event in events] == [1, 3, 2]
    assert all(custom.token.encode() not in event.octets for event in events)
    assert all(custom.encode().encode() not in event.octets for event in events)
    assert events[2].octets.startswith(f"out {MAC} client_deauth ".encode())


def test_a_stop_told_late_is_dated_by_the_routers_own_clock(
    router: Router, office: Office, somchai: int
) -> None:
    custom = router.enter(somchai)
    before = office.clock()
    router.tell(gone(custom, 5_000_000, 60_000, "timeout_deauth", ago=40))
    row = the_session(office)
    assert row.stop_at is not None
    assert abs(row.stop_at - (before - timedelta(seconds=40))) < timedelta(seconds=5)
    assert row.terminate_cause == 5


def test_the_last_octets_count_when_the_list_and_the_end_come_together(
    router: Router, office: Office, somchai: int
) -> None:
    custom = router.enter(somchai)
    router.tell(gone(custom, 5_000_000, 60_000), online(custom, 3_000_000, 40_000), "whole")
    row = the_session(office)
    assert (row.output_octets, row.stop_seen) == (5_000_000, 1)


def test_what_is_told_every_few_seconds_is_kept_once_a_minute(
    router: Router, office: Office, somchai: int
) -> None:
    custom = router.enter(somchai)
    for octets in (1000, 2000, 3000):
        router.tell(online(custom, octets, octets), "whole")
    with office.database.read() as session:
        kept = session.scalars(select(AccountingEvent)).all()
    assert len(kept) == 2  # the start, and the first octets


def test_an_ipv6_address_is_on_record_with_the_answer_and_names_its_person(
    router: Router, office: Office, somchai: int
) -> None:
    custom = router.enter(somchai)
    router.tell(online(custom, 10, 10, more="fd77::5"), "whole")
    # Within the minute, in which octets are not written anew: the router lets it through now.
    router.tell(online(custom, 11, 11, more="fd77::5,fd77::abcd"), "whole")
    router.tell(online(custom, 12, 12, more="fd77::5,fd77::abcd"), "whole")
    asked = Window(office.clock(), office.clock())
    with office.database.read() as session:
        events = session.scalars(select(AccountingEvent).order_by(AccountingEvent.id)).all()
        presence = session_of(session, "fd77::abcd")
        found = {
            address: find_holders(session, office.config, [address], asked)
            for address in ("fd77::5", "fd77::abcd", "fd77::bad")
        }
    assert [event.status_type for event in events] == [1, 3, 3], "what is not news is not kept"
    assert events[2].octets.endswith(f"fd77::5,fd77::abcd {session_id(custom)}/somchai".encode())
    assert presence is not None
    assert presence.addresses == (ADDRESS, "fd77::5", "fd77::abcd")
    assert {address: [one.account for one in held] for address, held in found.items()} == {
        "fd77::5": ["somchai"], "fd77::abcd": ["somchai"], "fd77::bad": [],
    }  # fmt: skip


def test_addresses_told_with_the_end_are_on_record_too(
    router: Router, office: Office, somchai: int
) -> None:
    custom = router.enter(somchai)
    router.tell(gone(custom, 9, 9), online(custom, 8, 8, more="fd77::5"), "whole")
    with office.database.read() as session:
        held = session.scalars(select(AddressInterval.address)).all()
    assert sorted(held) == [ADDRESS, "fd77::5"]
    assert the_session(office).stop_seen == 1


def test_a_client_let_in_by_hand_is_a_session_of_nobody(router: Router, office: Office) -> None:
    router.tell(online(None, 10, 10), "whole")
    row = the_session(office)
    assert (row.account_id, row.user_name, row.calling_station_id) == (None, "", "3c22fb010203")


def test_a_session_that_is_on_no_list_any_more_is_closed(
    router: Router, office: Office, somchai: int
) -> None:
    router.enter(somchai)
    router.tell("whole")
    assert the_session(office).closed_at is None, "the router may not list it yet"
    with office.database.write() as session:
        row = session.scalars(select(NetworkSession)).one()
        row.last_heard_at = office.clock() - timedelta(minutes=2)
    router.tell()
    assert the_session(office).closed_at is None, "a list that is not whole closes nothing"
    router.tell("whole")
    row = the_session(office)
    assert (row.close_cause, row.closed_at is not None) == ("not_on_nas", True)


def test_an_officers_disconnect_reaches_the_router_and_its_outcome_is_shown(
    router: Router, office: Office, somchai: int
) -> None:
    custom = router.enter(somchai)
    key = the_session(office).session_key
    with office.database.write() as session:
        number = dynamic.disconnect_session(session, office, key, "head")
    assert router.tell(online(custom, 5, 5), "whole") == [f"put-out {number} {MAC}"]
    assert router.tell(online(custom, 5, 5), "whole") == [], "asked once while it works on it"
    router.tell(gone(custom, 6, 6, "ndsctl_deauth"), f"did {number} done")
    with office.database.read() as session:
        request = session.get(CoaRequest, number)
    assert request is not None and (request.state, request.error_cause) == ("acked", None)
    assert the_session(office).stop_seen == 1


def test_the_radius_process_leaves_a_polling_router_alone_until_it_is_silent(
    router: Router, office: Office, somchai: int
) -> None:
    router.enter(somchai)
    with office.database.write() as session:
        number = dynamic.disconnect_session(
            session, office, the_session(office).session_key, "head"
        )
        assert not outbox.is_due(session, office.clock())
        assert outbox.claim(session, office, "radius", 10) == []
        request = session.get(CoaRequest, number)
        assert request is not None and request.state == "queued"
        request.next_try_at -= outbox.ABSENT
    with office.database.write() as session:
        assert outbox.claim(session, office, "radius", 10) == []
        request = session.get(CoaRequest, number)
        assert request is not None and request.state == "timed_out"


def test_a_thousand_clients_fit_into_one_report(router: Router, office: Office) -> None:
    macs = [f"3c:22:fb:00:{number >> 8:02x}:{number & 255:02x}" for number in range(1000)]
    customs = [Custom(f"yt-{number:024}", f"pupil-{number}") for number in range(1000)]
    lines = [online(custom, 1000, 1000, mac) for custom, mac in zip(customs, macs, strict=True)]
    assert len("\n".join(lines)) > 100_000
    assert router.tell(*lines, "whole") == []
    with office.database.read() as session:
        assert len(session.scalars(select(NetworkSession)).all()) == 1000
    assert router.send("x" * (1 << 21), secrets.token_hex(16)).status_code == 413


def test_a_client_the_router_does_not_know_is_noted_so_and_its_session_closed(
    router: Router, office: Office, somchai: int
) -> None:
    router.enter(somchai)
    with office.database.write() as session:
        number = dynamic.disconnect_session(
            session, office, the_session(office).session_key, "head"
        )
    router.tell()
    router.tell(f"did {number} unknown")
    with office.database.read() as session:
        request = session.get(CoaRequest, number)
    assert request is not None and (request.state, request.error_cause) == ("nakked", 503)
    assert the_session(office).close_cause == "not_on_nas"


def test_a_report_again_is_not_taken_and_takes_no_order_away(
    router: Router, office: Office, somchai: int
) -> None:
    custom = router.enter(somchai)
    nonce, body = secrets.token_hex(16), router.body(online(custom, 9, 9))
    assert router.send(body, nonce).status_code == 200
    with office.database.write() as session:
        number = dynamic.disconnect_session(
            session, office, the_session(office).session_key, "head"
        )
    assert "\nagain\n" in router.send(body, nonce).text
    assert router.tell() == [f"put-out {number} {MAC}"]


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_report_from_another_time_is_told_so_and_not_taken(
    router: Router, office: Office, somchai: int, minutes: int
) -> None:
    custom = router.token(somchai)
    at = office.clock() + timedelta(minutes=minutes)
    body = router.body(f"ask {MAC} {ADDRESS} {custom.encode()}", at=at)
    assert "\nstale\n" in router.send(body, secrets.token_hex(16)).text
    assert router.tell(f"ask {MAC} {ADDRESS} {custom.encode()}")[0].startswith("allow ")


@pytest.mark.parametrize("wrong", ["signature", "key", "body", "name", "nonce", "no key"])
def test_an_unsigned_report_changes_nothing_and_learns_nothing(
    router: Router, office: Office, somchai: int, wrong: str
) -> None:
    custom = router.token(somchai)
    nonce, body = secrets.token_hex(16), router.body(f"ask {MAC} {ADDRESS} {custom.encode()}")
    signature = sign(KEY, nonce, body)
    if wrong == "signature":
        signature = "0" * 64
    elif wrong == "key":
        signature = sign(KEY[:-1] + "0", nonce, body)
    elif wrong == "body":
        body += "whole\n"
    elif wrong == "name":
        router.name = "cellar"
    elif wrong == "nonce":
        nonce, signature = "", sign(KEY, "", body)
    else:
        with office.database.write() as session:
            nas = session.get(NasClient, router.nas.id)
            assert nas is not None
            nas.portal_settings_encrypted = None
        signature = sign("", nonce, body)
    answer = router.send(body, nonce, signature)
    assert answer.status_code == 403
    with office.database.read() as session:
        assert session.scalars(select(AuthEvent)).all() == []
    assert "allow" not in answer.text


def test_guessing_a_key_is_slowed_down_and_locks_the_router_out_never(
    router: Router, somchai: int
) -> None:
    body = router.body("whole")
    codes = [router.send(body, secrets.token_hex(16), "0" * 64).status_code for _ in range(61)]
    assert codes == [403] * 60 + [429]
    router.enter(somchai)  # from the same address: phones behind a router may have its own


def test_a_report_of_another_make_or_a_disabled_device_is_refused(
    router: Router, office: Office
) -> None:
    with office.database.write() as session:
        nas = session.get(NasClient, router.nas.id)
        assert nas is not None
        nas.enabled = False
    body = router.body("whole")
    assert router.send(body, secrets.token_hex(16)).status_code == 403


def test_a_full_disk_lets_nobody_new_in(
    router: Router, office: Office, somchai: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.disk.Gate.is_closed", lambda _self: True)
    custom = router.token(somchai)
    assert router.tell(f"ask {MAC} {ADDRESS} {custom.encode()}") == [f"refuse {MAC} disk_full"]


def test_reports_work_on_both_kinds_of_database(office_on: Office) -> None:
    account_id = add_person(office_on, "somchai")
    with office_on.database.write() as session:
        nas = add_nas(
            session, office_on, "hall", "10.78.0.1/32", "secret of hall", "test",
            vendor="opennds", login_url="http://10.78.0.1:2050/opennds_auth/",
        )  # fmt: skip
        nas.portal_settings_encrypted = seal_portal_settings(office_on, {"faskey": KEY})
    router = Router(Visitor(make_app(office_on)), office_on, nas)
    custom = router.enter(account_id)
    router.tell(online(custom, 7, 8), gone(custom, 9, 10), "whole")
    row = the_session(office_on)
    assert (row.output_octets, row.stop_seen, row.account_id) == (9, 1, account_id)
