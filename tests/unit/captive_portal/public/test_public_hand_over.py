# long file: one subject, the hand-over, whose cases share a console that answers as documented
"""Handing a visitor over: by a link or by a call, with what is left to the account."""

from __future__ import annotations

import html
import json
import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from sqlalchemy import delete, select

from captive_portal.vendors import controller
from captive_portal.web.tokens import Signer, SignIn
from db.models import (
    Account,
    AuthEvent,
    NasClient,
    NetworkSession,
    PortalToken,
    Role,
    VoucherDevice,
)
from identity.domain.sessions import CloseCause
from identity.office import Office
from identity.services import tokens, vouchers
from identity.services.nas import add_nas
from identity.services.nas_portal import seal_portal_settings
from tests.conftest import ADMIN, add_person
from tests.unit.captive_portal.public.conftest import HERE, MAC, Visitor, open_session
from tests.vectors.portal_fixtures import FOLDER, Told, load

UNIFI = "ap=aa%3Abb%3Acc%3Add%3Aee%3A01&id=3c%3A22%3Afb%3A01%3A02%3A03&t=1764300000&ssid=School"
ELSEWHERE = "192.0.2.99"


@pytest.fixture
def somchai(office: Office) -> int:
    return add_person(office, "somchai")


@pytest.fixture
def signed_in(office: Office, somchai: int) -> str:
    """The text of a sign-in, as a login gives it."""
    return signed(office, somchai)


def signed(office: Office, account_id: int, mac: str = MAC) -> str:
    """A sign-in that was proven on a visit to `hall`; no visit without a device."""
    signer = Signer.open(office.config.keys_dir / "portal-session.key")
    here = SignIn(
        key="k", account_id=account_id, since=office.clock(), method="portal",
        nas="hall" if mac else "", mac=mac,
    )  # fmt: skip
    return signer.sign_in(here)


def add_gateway(
    office: Office, make: str, name: str = "hall", login_url: str = "", **settings: str
) -> None:
    """A registered network device of a make with its settings."""
    with office.database.write() as session:
        number = len(session.scalars(select(NasClient)).all()) + 1
        row = add_nas(
            session, office, name, f"10.5.50.{number}/32", "secret of it", "test",
            vendor=make, login_url=login_url or None,
        )  # fmt: skip
        row.portal_settings_encrypted = seal_portal_settings(office, settings)


@pytest.fixture
def console(office: Office, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Told]:
    """Registers a UniFi console called `hall` that answers as one of the fixtures says."""

    def make(fixture: str) -> Told:
        written = load(FOLDER / "unifi" / f"{fixture}.json")
        add_gateway(office, "unifi", **written["gateway"]["settings"])
        told = Told([call["answer"] for call in written["calls"]] * 9)
        monkeypatch.setattr(controller, "exchange", told.exchange)
        return told

    return make


def connect(visitor: Visitor, path: str, signed_in: str, address: str = HERE) -> str:
    """The address of /connect for somebody who came by `path` and has signed in."""
    came = Visitor(visitor.app, address).get(path)
    assert came.status_code == 302, came.text
    return came.location.replace("/?", "/connect?") + f"&s={signed_in}&lang=en"


def order_of(told: Told) -> dict[str, object]:
    found: dict[str, object] = json.loads(told.asked[-1][1].body)
    return found


def test_a_controller_is_told_and_the_browser_goes_to_the_status_page(
    visitor: Visitor,
    office: Office,
    console: Callable[[str], Told],
    signed_in: str,
    somchai: int,
) -> None:
    told = console("api")
    answer = visitor.get(connect(visitor, f"/guest/s/default/?{UNIFI}", signed_in))
    assert answer.status_code == 303 and answer.location.startswith("/status?")
    assert [call.method for _, call in told.asked] == ["GET", "POST"]
    assert {where.url for where, _ in told.asked} == {"https://10.0.0.2"}
    with office.database.read() as session:
        noted = session.scalars(select(AuthEvent)).one()
    assert (noted.user_name, noted.outcome) == ("somchai", "accept")
    assert (noted.account_id, noted.calling_station_id, noted.nas_client_id) == (somchai, MAC, 1)


def test_a_controller_is_told_what_is_left_and_not_what_the_role_promises(
    visitor: Visitor,
    office: Office,
    console: Callable[[str], Told],
    signed_in: str,
    somchai: int,
) -> None:
    told = console("api")
    with office.database.write() as session:
        account = session.get_one(Account, somchai)
        account.expires_at = office.clock() + timedelta(minutes=30, seconds=5)
        role = session.scalars(select(Role).where(Role.id == account.role_id)).one()
        role.session_seconds, role.down_kbps = 7200, 4000
        role.quota_mb_day = 500
    visitor.get(connect(visitor, f"/guest/s/default/?{UNIFI}", signed_in))
    order = order_of(told)
    assert order["timeLimitMinutes"] in (30, 31)
    assert (order["rxRateLimitKbps"], order["dataUsageLimitMBytes"]) == (4000, 500)
    assert "txRateLimitKbps" not in order


@pytest.mark.parametrize(
    ("hours", "quota", "simultaneous", "sentence"),
    [
        pytest.param("another day", None, None, "closed for this account", id="hours"),
        pytest.param("nonsense", None, None, "closed for this account", id="unreadable-hours"),
        pytest.param(None, 0, None, "is used up", id="quota"),
        pytest.param(None, None, 1, "on as many devices", id="simultaneous"),
    ],
)
def test_who_may_not_come_in_is_told_why_and_no_controller_is_asked(
    visitor: Visitor,
    office: Office,
    console: Callable[[str], Told],
    signed_in: str,
    somchai: int,
    hours: str | None,
    quota: int | None,
    simultaneous: int | None,
    sentence: str,
) -> None:
    told = console("api")
    with office.database.write() as session:
        role = session.get_one(Account, somchai).role
        role.hours, role.quota_mb_day, role.simultaneous = hours, quota, simultaneous
        if hours == "another day":
            role.hours = f"{office.clock() + timedelta(days=3):%a} 08:00-09:00".lower()
    row = open_session(office, somchai, address="192.0.2.50")
    with office.database.write() as session:
        session.merge(row).calling_station_id = "3c22fb0a0b0c"
    answer = visitor.get(connect(visitor, f"/guest/s/default/?{UNIFI}", signed_in))
    assert answer.status_code == 403
    assert sentence in answer.text
    assert not told.asked
    with office.database.read() as session:
        assert not session.scalars(select(PortalToken)).all()


def test_a_device_that_is_in_may_come_again(
    visitor: Visitor,
    office: Office,
    console: Callable[[str], Told],
    signed_in: str,
    somchai: int,
) -> None:
    console("api")
    with office.database.write() as session:
        session.get_one(Account, somchai).role.simultaneous = 1
    open_session(office, somchai)
    answer = visitor.get(connect(visitor, f"/guest/s/default/?{UNIFI}", signed_in))
    assert answer.status_code == 303


def test_a_device_that_is_not_seen_yet_is_looked_for_some_times_only(
    visitor: Visitor, console: Callable[[str], Told], signed_in: str
) -> None:
    told = console("api-not-seen-yet")
    path, pages = connect(visitor, f"/guest/s/default/?{UNIFI}", signed_in), []
    for _ in range(6):
        page = visitor.get(path)
        assert page.status_code == 200
        pages.append('http-equiv="refresh"' in page.text)
        again = re.search(r'<a href="(/connect[^"]+)"', page.text)
        assert again is not None
        path = html.unescape(again[1])
    assert pages == [True] * 4 + [False] * 2
    assert len(told.asked) == 6


@pytest.mark.parametrize(
    ("fixture", "status", "sentence"),
    [("api-wrong-key", 503, "did not accept"), ("legacy-unifi-os", 503, "did not accept")],
)
def test_a_controller_that_refuses_is_told_of(
    visitor: Visitor,
    console: Callable[[str], Told],
    signed_in: str,
    fixture: str,
    status: int,
    sentence: str,
) -> None:
    console(fixture)
    path = "/p/hall/" if fixture == "legacy-unifi-os" else "/guest/s/default/"
    answer = visitor.get(connect(visitor, f"{path}?{UNIFI}", signed_in))
    assert answer.status_code == status
    assert sentence in answer.text


def test_a_visit_of_another_device_lets_that_device_in_for_nobody(
    visitor: Visitor, console: Callable[[str], Told], signed_in: str
) -> None:
    """Somebody sends the address of his own sign-in page to somebody who then signs in."""
    told = console("api")
    sent = connect(visitor, f"/guest/s/default/?{UNIFI}", signed_in, address=ELSEWHERE)
    for claimed in ({}, {"X-Forwarded-For": ELSEWHERE}, {"Forwarded": f"for={ELSEWHERE}"}):
        answer = visitor.get(sent, headers=claimed)
        assert answer.status_code == 403 and "from another device" in answer.text
    assert not told.asked


def test_a_gateway_that_sees_the_device_itself_takes_a_browser_that_has_moved(
    visitor: Visitor, office: Office, signed_in: str
) -> None:
    add_gateway(office, "mikrotik", login_url="http://10.5.50.1/login")
    moved = connect(visitor, f"/p/hall/?mac={MAC}", signed_in, address=ELSEWHERE)
    assert 'action="http://10.5.50.1/login"' in visitor.get(moved).text


def test_a_signed_link_that_names_the_device_is_not_given_to_another_browser(
    visitor: Visitor, office: Office, signed_in: str
) -> None:
    add_gateway(office, "mist", wlan_id="w", secret="s")
    path = f"/p/hall/?client_mac={MAC}&ap_mac=aabbccddee01"
    own = visitor.get(connect(visitor, path, signed_in))
    assert "https://portal.mist.com/authorize?signature=" in own.text
    sent = visitor.get(connect(visitor, path, signed_in, address=ELSEWHERE))
    assert sent.status_code == 403 and "mist.com" not in sent.text


def test_a_link_is_followed_without_a_script_and_without_a_redirect(
    visitor: Visitor, office: Office, signed_in: str
) -> None:
    """Chromium holds the policy of the login form for where its redirects lead, too."""
    add_gateway(office, "coova", login_url="http://10.1.0.1:3990")
    path = f"/p/hall/?res=notyet&challenge={'0' * 32}&mac=3C-22-FB-01-02-03&ip=10.1.0.20"
    page = visitor.get(connect(visitor, path, signed_in))
    assert page.status_code == 200
    link = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', page.text)
    assert link is not None and link[1].startswith("http://10.1.0.1:3990/logon?username=somchai&")
    assert f'<a class="button" href="{link[1]}">' in page.text
    assert "form-action 'self';" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize("address", [HERE, ELSEWHERE])
def test_an_address_in_an_unsigned_redirect_must_be_the_browsers_own(
    visitor: Visitor, office: Office, address: str
) -> None:
    settings = {"controller": "https://192.168.1.1", "api_key": "k", "api_secret": "s"}
    add_gateway(office, "opnsense", **settings)
    answer = visitor.get(f"/p/hall/?zone=0&ip={address}")
    assert answer.status_code == (302 if address == HERE else 400)


def test_the_console_is_found_by_its_access_point_else_by_its_site(
    visitor: Visitor, office: Office
) -> None:
    for name, site, macs in (
        ("a", "default", "aabbccddee01"),
        ("b", "default", ""),
        ("c", "x", ""),
    ):
        add_gateway(office, "unifi", name=name, site=site, ap_macs=macs)

    def nas_of(path: str) -> str | int:
        answer = visitor.get(path)
        if answer.status_code != 302:
            return answer.status_code
        signer = Signer.open(office.config.keys_dir / "portal-session.key")
        visit = signer.read_visit(answer.location.partition("visit=")[2])
        assert visit is not None
        return visit.nas

    assert nas_of(f"/guest/s/default/?{UNIFI}") == "a"
    assert nas_of("/guest/s/x/?ap=aa:bb:cc:dd:ee:77") == "c"
    assert nas_of("/guest/s/default/?ap=aa:bb:cc:dd:ee:77") == 404
    assert nas_of("/guest/s/unknown/") == 404


def test_a_forged_signature_is_refused_with_advice(visitor: Visitor, office: Office) -> None:
    add_gateway(office, "coova", login_url="http://10.1.0.1:3990", uamsecret="secret")
    answer = visitor.get(f"/p/hall/?res=notyet&mac={MAC}&md={'0' * 32}&lang=en")
    assert answer.status_code == 400
    assert "Switch Wi-Fi off and on again" in answer.text


def test_the_policy_lets_the_gateway_send_the_browser_on_to_our_public_address(
    make_visitor: Callable[..., Visitor], office: Office, signed_in: str
) -> None:
    add_gateway(office, "mikrotik", login_url="http://10.5.50.1/login")
    visitor = make_visitor(public_url="https://login.school.example/")
    page = visitor.get(connect(visitor, f"/p/hall/?mac={MAC}", signed_in))
    wanted = "form-action 'self' http://10.5.50.1 https://login.school.example;"
    assert wanted in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ("res=failed&reason=reject", "did not accept the sign-in"),
        ("res=failed&reason=timeout", "does not answer"),
        ("res=logoff", "You are signed out"),
    ],
)
def test_what_the_gateway_tells_of_the_last_try_is_said(
    visitor: Visitor, office: Office, told: str, sentence: str
) -> None:
    add_gateway(office, "coova", login_url="http://10.1.0.1:3990")
    page = visitor.follow(visitor.get(f"/p/hall/?{told}&mac={MAC}&lang=en"))
    assert sentence in page.text


@pytest.mark.parametrize("make", ["fortinet", "cambium", "meraki"])
def test_a_device_that_became_another_make_meanwhile_starts_again(
    visitor: Visitor, office: Office, signed_in: str, make: str
) -> None:
    add_gateway(office, "generic", login_url="http://10.1.0.1:3990")
    path = connect(visitor, f"/p/hall/?mac={MAC}", signed_in)
    with office.database.write() as session:
        session.scalars(select(NasClient)).one().vendor = make
    answer = visitor.get(path)
    assert (answer.status_code, "Switch Wi-Fi off and on" in answer.text) == (400, True)


def test_a_page_to_go_back_to_that_is_too_long_to_carry_is_left_out(
    visitor: Visitor, office: Office, signed_in: str
) -> None:
    add_gateway(office, "meraki")
    noise = secrets.token_urlsafe(3000)
    login = f"https://n143.network-auth.com/splash/login?mauth={noise[:600]}"
    query = urlencode({"login_url": login, "continue_url": f"http://a.test/{noise[600:2500]}"})
    page = visitor.get(connect(visitor, f"/p/hall/?{query}", signed_in))
    assert f'action="{login}"' in page.text


@pytest.fixture
def voucher(office: Office) -> str:
    """A code for one device."""
    with office.database.write() as session:
        _, codes = vouchers.create_batch(
            session, office, count=1, role="guest", minutes=60, devices=1, issuer=ADMIN
        )
    return codes[0]


def sign_in_with(visitor: Visitor, code: str, path: str = "/voucher") -> str:
    """The address that a good code sends the browser on to."""
    answer = visitor.fill(path, code=code)
    assert answer.status_code == 303
    return answer.location


def test_a_hand_over_that_is_refused_takes_no_place_of_a_voucher(
    visitor: Visitor, office: Office, console: Callable[[str], Told], voucher: str
) -> None:
    console("api")
    sign_in = sign_in_with(visitor, voucher).partition("s=")[2].partition("&")[0]
    sent = connect(visitor, f"/guest/s/default/?{UNIFI}", sign_in, address=ELSEWHERE)
    assert visitor.get(sent).status_code == 403
    with office.database.read() as session:
        assert not session.scalars(select(VoucherDevice)).all()
        assert not session.scalars(select(PortalToken)).all()


MERAKI = urlencode({"base_grant_url": "https://n143.network-auth.com/splash/grant"})


def arriving(make: str, device: str) -> str:
    """What each make's redirect says of a device; for OPNsense that is its address."""
    return {
        "unifi": f"/p/hall/?id={device}&ap=aabbccddee01",
        "mist": f"/p/hall/?client_mac={device}&ap_mac=aabbccddee01",
        "meraki": f"/p/hall/?{MERAKI}&client_mac={device}",
        "opnsense": f"/p/hall/?zone=0&mac={MAC}",
    }[make]


def add_make_without_radius(office: Office, make: str) -> None:
    settings = {
        "unifi": load(FOLDER / "unifi" / "api.json")["gateway"]["settings"],
        "mist": {"wlan_id": "w", "secret": "s"},
        "meraki": {"mode": "click-through"},
        "opnsense": {"controller": "https://10.0.0.2", "api_key": "k", "api_secret": "s"},
    }[make]
    add_gateway(office, make, **settings)


@pytest.fixture
def obedient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Controllers that do what they are told."""
    of_unifi = [call["answer"] for call in load(FOLDER / "unifi" / "api.json")["calls"]]
    unifi = Told(of_unifi * 9)
    opnsense = Told([{"status": 200, "json": {"clientState": "AUTHORIZED"}}] * 9)

    def exchange(where: controller.Controller, call: controller.Call) -> controller.Answer:
        told = opnsense if "/captiveportal/" in call.path else unifi
        return told.exchange(where, call)

    monkeypatch.setattr(controller, "exchange", exchange)


@pytest.mark.usefixtures("obedient")
@pytest.mark.parametrize("make", ["unifi", "mist", "meraki", "opnsense"])
def test_a_make_that_asks_no_radius_is_held_to_the_number_of_devices_and_written_down(
    visitor: Visitor, office: Office, signed_in: str, somchai: int, make: str
) -> None:
    add_make_without_radius(office, make)
    with office.database.write() as session:
        session.get_one(Account, somchai).role.simultaneous = 1
    answers = []
    for number, device in enumerate((MAC, "3c22fb010204", MAC)):
        address = HERE if device == MAC else ELSEWHERE
        visitor.address = address
        s = signed_in if make == "opnsense" else signed(office, somchai, device)
        path = connect(visitor, arriving(make, device), s, address)
        answers.append(visitor.get(path).status_code)
        with office.database.write() as session:
            if number == 0:  # the two minutes of the first hand-over are over
                session.execute(delete(PortalToken))
    went = 200 if make in ("mist", "meraki") else 303
    assert answers == [went, 403, went]
    with office.database.read() as session:
        events = session.scalars(select(AuthEvent)).all()
    device = HERE if make == "opnsense" else MAC
    assert {(one.calling_station_id, one.trace, one.outcome) for one in events} == {
        (device, f"portal:granted={device}", "accept")
    }
    assert len(events) == 2


def test_two_devices_that_are_let_in_at_one_moment_are_two(
    visitor: Visitor, office: Office, signed_in: str, somchai: int
) -> None:
    """The first is still on its way: nothing but its token tells."""
    add_gateway(office, "mist", wlan_id="w", secret="s")
    with office.database.write() as session:
        account = session.get_one(Account, somchai)
        account.role.simultaneous = 1
        session.add(tokens.prepare(office, account, "3c22fb010204", 1))
    answer = visitor.get(connect(visitor, arriving("mist", MAC), signed_in))
    assert answer.status_code == 403 and "on as many devices" in answer.text


def test_a_hand_over_that_came_to_nothing_counts_no_device(
    visitor: Visitor, office: Office, console: Callable[[str], Told], signed_in: str
) -> None:
    console("api-wrong-key")
    path = connect(visitor, f"/guest/s/default/?{UNIFI}", signed_in)
    assert visitor.get(path).status_code == 503
    with office.database.read() as session:
        assert not session.scalars(select(PortalToken)).all()
        assert session.scalars(select(NetworkSession)).one().close_cause == CloseCause.NOT_LET_IN


def test_a_voucher_lets_in_as_many_addresses_as_devices_where_the_redirect_names_no_device(
    visitor: Visitor, office: Office, obedient: None, voucher: str
) -> None:
    add_make_without_radius(office, "opnsense")
    answers = []
    for address in (HERE, ELSEWHERE):
        visitor.address = address
        form = visitor.get("/p/hall/?zone=0").location.replace("/?", "/voucher?")
        sign_in = sign_in_with(visitor, voucher, form).partition("s=")[2].partition("&")[0]
        answers.append(visitor.get(connect(visitor, "/p/hall/?zone=0", sign_in, address)))
    assert [answer.status_code for answer in answers] == [303, 403]


def test_a_grant_by_the_browser_needs_the_device_in_the_redirect(
    visitor: Visitor, office: Office, signed_in: str
) -> None:
    add_gateway(office, "meraki", mode="click-through")
    answer = visitor.get(connect(visitor, f"/p/hall/?{MERAKI}", signed_in))
    assert answer.status_code == 403 and "which device this is" in answer.text


def test_a_form_carries_only_the_address_of_the_browser_that_sends_it(
    visitor: Visitor, office: Office, signed_in: str
) -> None:
    add_gateway(office, "ruckus", login_url="http://10.0.0.9:9997")
    own = connect(visitor, f"/p/hall/?client_mac={MAC}&uip={HERE}", signed_in)
    assert f'name="ip" value="{HERE}"' in visitor.get(own).text
    assert Visitor(visitor.app, ELSEWHERE).get(own).status_code == 403
    another = connect(visitor, f"/p/hall/?client_mac={MAC}&uip={ELSEWHERE}", signed_in)
    page = visitor.get(another).text
    assert 'name="password"' in page and 'name="ip"' not in page


def test_a_sign_in_lets_in_no_other_device_than_the_one_it_was_proven_on(
    visitor: Visitor, console: Callable[[str], Told], office: Office, somchai: int
) -> None:
    """Behind a router that translates, the visit of another comes from the same address."""
    told = console("api")
    for elsewhere in (signed(office, somchai, "3c22fb010204"), signed(office, somchai, "")):
        answer = visitor.get(connect(visitor, f"/guest/s/default/?{UNIFI}", elsewhere))
        assert answer.status_code == 302 and answer.location.startswith("/?")
        assert "s=" not in answer.location.split("visit=")[0]
        assert "sign in once more for this device" in visitor.follow(answer).text
    assert not told.asked


def test_who_signs_in_on_a_visit_is_handed_over(
    visitor: Visitor, office: Office, console: Callable[[str], Told], voucher: str
) -> None:
    told = console("api")
    form = visitor.get(f"/guest/s/default/?{UNIFI}").location.replace("/?", "/voucher?")
    handed = visitor.get(sign_in_with(visitor, voucher, form))
    assert handed.status_code == 303 and len(told.asked) == 2


@pytest.mark.parametrize("sent", ["by cookie alone", "from another site"])
def test_a_link_hands_nobody_over(
    visitor: Visitor, office: Office, signed_in: str, sent: str
) -> None:
    add_gateway(office, "mikrotik", login_url="http://10.5.50.1/login")
    path, headers = connect(visitor, f"/p/hall/?mac={MAC}", signed_in), {}
    if sent == "by cookie alone":
        path = path.replace(f"&s={signed_in}", "")
        headers = {"Cookie": f"yuenyan_portal={signed_in}"}
    else:
        headers = {"Sec-Fetch-Site": "cross-site"}
    answer = visitor.get(path, headers=headers)
    assert answer.status_code == 302 and answer.location.startswith("/?")


def test_a_scanned_slip_takes_no_visit_that_lets_in_the_device_it_names(
    visitor: Visitor, console: Callable[[str], Told], voucher: str
) -> None:
    """It may be of a stranger behind the same router, who waits for this."""
    console("api")
    visitor.get(f"/guest/s/default/?{UNIFI}")
    scanned = visitor.get(f"/v?c={voucher}&lang=en")
    assert "visit=" not in scanned.location and "scanned=1" in scanned.location


def test_a_device_that_was_taken_off_a_voucher_leaves_its_place_where_no_radius_is_asked(
    visitor: Visitor, office: Office, voucher: str
) -> None:
    add_make_without_radius(office, "mist")

    def come(mac: str) -> int:
        form = visitor.get(arriving("mist", mac)).location.replace("/?", "/voucher?")
        answer = visitor.fill(form, code=voucher)
        return visitor.get(answer.location).status_code if answer.status_code == 303 else 422

    assert (come(MAC), come("3c22fb010204")) == (200, 422)
    with office.database.write() as session:
        session.scalars(select(VoucherDevice)).one().released_at = office.clock()
    assert come("3c22fb010204") == 200


def test_a_class_that_shares_an_account_looks_as_often_as_each_device_may(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    add_gateway(office, "mist", wlan_id="w", secret="s")
    with office.database.write() as session:
        session.get_one(Account, somchai).role.simultaneous = None
    for number in range(21):
        mac = f"3c22fb0101{number:02x}"
        path = connect(visitor, arriving("mist", mac), signed(office, somchai, mac))
        assert visitor.get(path).status_code == 200, number
    statuses = [visitor.get(path).status_code for _ in range(20)]
    assert statuses == [200] * 19 + [429]
