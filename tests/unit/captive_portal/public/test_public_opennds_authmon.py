"""openNDS at levels 3 and 4: the page waits until the router has fetched whom to let in."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlencode

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from captive_portal.public import opennds_authmon
from captive_portal.public.opennds import decide
from captive_portal.vendors.opennds import Custom, return_hash
from db.models import Account, AuthEvent, GatewayGrant, NasClient, NetworkSession
from identity.domain.access import Denied, Granted
from identity.office import Office
from identity.services.housekeeping import run_once
from identity.services.nas import add_nas
from identity.services.nas_portal import seal_portal_settings
from tests.conftest import add_person
from tests.unit.captive_portal.public.conftest import Visitor

KEY = "c775e7b757ede630cd0aa1113bd102661ab38829ca52a6422ab782862f268646"
HASH = hashlib.sha256(b"Lab%20School%20Node%3a8a3cac54ced0%20").hexdigest()
ROUTER, LOGIN = "10.78.0.1", "http://10.78.0.1:2050/opennds_auth/"
PASSWORD = "password of theirs"
HIDS = ["a0216d440975cd905e186379c414850af0eee157100af6f560276bf0e6e37577", *"bcdef"]


def fas(number: int = 0) -> str:
    """Where openNDS sends phone `number` at level 4."""
    hid = HIDS[number] if number == 0 else HIDS[number] * 64
    text = (
        f"hid={hid}, clientip=10.78.0.{100 + number}, clientmac=3c:22:fb:01:02:0{number}, "
        "gatewayname=Lab%20School%20Node%3a8a3cac54ced0%20, gatewayaddress=10.78.0.1:2050, "
        "originurl=http%3a%2f%2fexample.com%2f, themespec=(null)"
    )
    return f"/p/lab/?lang=en&fas={base64.b64encode(text.encode()).decode()}"


def rhid(number: int = 0) -> str:
    return return_hash(HIDS[number] if number == 0 else HIDS[number] * 64, KEY)


@pytest.fixture
def lab(office: Office) -> NasClient:
    add_person(office, "somchai", PASSWORD)
    with office.database.write() as session:
        nas = add_nas(
            session, office, "lab", f"{ROUTER}/32", "secret of lab", "test",
            vendor="opennds", login_url=LOGIN,
        )  # fmt: skip
        nas.portal_settings_encrypted = seal_portal_settings(
            office, {"faskey": KEY, "level": "4", "gatewayhash": HASH}
        )
    return nas


def authmon(
    visitor: Visitor, action: str, payload: str = "none", *, address: str = ROUTER,
    told: str = HASH, post: bool = False, name: str = "lab",
) -> TestResponse:  # fmt: skip
    """As authmon.sh asks: level 4 by GET, level 3 by POST."""
    fields: Mapping[str, str] = {
        "auth_get": action, "gatewayhash": told,
        "payload": base64.b64encode(payload.encode()).decode(),
    }  # fmt: skip
    router = Visitor(visitor.app, address)
    if post:
        return router.post(f"/p/{name}/", **fields)
    return router.get(f"/p/{name}/?{urlencode(fields)}")


def sign_in(visitor: Visitor, number: int = 0) -> str:
    """The waiting page's own address, after the visitor has signed in."""
    form = visitor.get(fas(number)).location
    waits = visitor.fill(form, username="somchai", password=PASSWORD).location
    assert waits.startswith("/connect?")
    page = visitor.get(waits)
    assert page.status_code == 200 and 'http-equiv="refresh"' in page.text
    return waits


def lines(answer: TestResponse) -> list[str]:
    assert answer.status_code == 200
    star, *rest = answer.text.split(" ")
    assert star == "*"
    return [unquote(line) for line in rest if line]


@pytest.mark.parametrize("post", [False, True], ids=["level 4", "level 3"])
def test_the_router_fetches_the_visitor_and_the_page_goes_on(
    visitor: Visitor, office: Office, lab: NasClient, post: bool
) -> None:
    waits = sign_in(visitor)
    (line,) = lines(authmon(visitor, "view", post=post))
    key, *limits, custom = line.split(" ")
    assert (key, limits) == (rhid(), ["480", "0", "0", "0", "0"])
    decoded = Custom.decode(custom)
    assert decoded is not None and decoded.username == "somchai"
    with office.database.read() as session:
        row = session.scalars(select(NetworkSession)).one()
    assert (row.user_name, row.stop_seen) == ("somchai", 0), "written down before it is told"
    assert lines(authmon(visitor, "view", post=post)) == [line], "until it is acknowledged"
    assert 'http-equiv="refresh"' in visitor.get(waits).text
    assert authmon(visitor, "view", f"* {key}", post=post).text == "ack"
    assert lines(authmon(visitor, "view", post=post)) == []
    assert visitor.get(waits).location.startswith("/status?")


def test_a_router_that_asks_again_while_it_is_decided_shuts_nobody_out(
    visitor: Visitor, lab: NasClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = sign_in(visitor)
    told: list[list[str]] = []

    def slowly(*asked: Any) -> Granted | Denied:
        if not told:
            told.append([])
            told.append(lines(authmon(visitor, "view")))
        return decide(*asked)

    monkeypatch.setattr(opennds_authmon, "decide", slowly)
    assert lines(authmon(visitor, "view")) == told[1] != []
    assert authmon(visitor, "view", f"* {rhid()}").text == "ack"
    assert visitor.get(waits).location.startswith("/status?")


def test_limits_are_told_in_whole_minutes_and_never_as_none(
    visitor: Visitor, office: Office, lab: NasClient
) -> None:
    sign_in(visitor)
    with office.database.write() as session:
        account = session.scalars(select(Account).where(Account.username == "somchai")).one()
        account.role.session_seconds, account.role.down_kbps = 61, 2048
        account.role.up_kbps = 512
    (line,) = lines(authmon(visitor, "view"))
    assert line.split(" ")[1:6] == ["2", "512", "2048", "0", "0"]


def test_four_at_most_are_told_at_once(visitor: Visitor, office: Office, lab: NasClient) -> None:
    with office.database.write() as session:
        account = session.scalars(select(Account).where(Account.username == "somchai")).one()
        account.role.simultaneous = None
    for number in range(5):
        sign_in(visitor, number)
    answer = authmon(visitor, "view")
    first = [line.split(" ")[0] for line in lines(answer)]
    assert first == [rhid(number) for number in range(4)]
    assert len(answer.text) <= 1024
    authmon(visitor, "view", f"* {' '.join(first)}")
    assert [line.split(" ")[0] for line in lines(authmon(visitor, "view"))] == [rhid(4)]


def test_who_may_not_come_in_any_more_is_not_told_and_reads_so(
    visitor: Visitor, office: Office, lab: NasClient
) -> None:
    waits = sign_in(visitor)
    with office.database.write() as session:
        account = session.scalars(select(Account).where(Account.username == "somchai")).one()
        account.role.simultaneous = 0
    assert lines(authmon(visitor, "view")) == []
    assert visitor.get(waits).status_code == 403
    with office.database.read() as session:
        reasons = session.scalars(select(AuthEvent.reason)).all()
    assert "simultaneous_limit" in reasons


def test_list_tells_and_acknowledges_in_one(visitor: Visitor, lab: NasClient) -> None:
    waits = sign_in(visitor)
    assert len(lines(authmon(visitor, "list"))) == 1
    assert lines(authmon(visitor, "list")) == []
    assert visitor.get(waits).location.startswith("/status?")


def test_a_router_that_starts_anew_finds_nothing_old(visitor: Visitor, lab: NasClient) -> None:
    waits = sign_in(visitor)
    assert authmon(visitor, "clear").text == "ack"
    assert lines(authmon(visitor, "view")) == []
    visitor.get(waits)
    assert len(lines(authmon(visitor, "view"))) == 1, "who still waits is offered again"


def test_a_grant_that_nobody_fetched_is_not_told_late(
    visitor: Visitor, office: Office, lab: NasClient
) -> None:
    sign_in(visitor)
    with office.database.write() as session:
        session.scalars(select(GatewayGrant)).one().created_at -= timedelta(minutes=3)
    assert lines(authmon(visitor, "view")) == []


def test_an_acknowledgement_of_what_was_never_told_lets_nobody_on(
    visitor: Visitor, lab: NasClient
) -> None:
    waits = sign_in(visitor)
    authmon(visitor, "view", f"* {rhid()}")
    assert 'http-equiv="refresh"' in visitor.get(waits).text


@pytest.mark.parametrize("notice", ["deauthed", "custom"])
def test_notices_are_acknowledged(visitor: Visitor, lab: NasClient, notice: str) -> None:
    assert authmon(visitor, notice, "method=client_deauth, clientmac=x").text == "ack"


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"address": "10.78.0.100"}, id="a visitor"),
        pytest.param({"told": "0" * 64}, id="another gateway's name"),
        pytest.param({"told": "guess"}, id="no hash"),
        pytest.param({"name": "cellar"}, id="no such router"),
    ],
)
@pytest.mark.parametrize("post", [False, True])
def test_nobody_else_is_told_who_comes_in(
    visitor: Visitor, lab: NasClient, wrong: dict[str, str], post: bool
) -> None:
    sign_in(visitor)
    answer = authmon(visitor, "view", post=post, **wrong)
    assert answer.status_code == 403 and rhid() not in answer.text
    assert len(lines(authmon(visitor, "view"))) == 1


def test_asking_without_end_is_slowed_down(visitor: Visitor, lab: NasClient) -> None:
    codes = {authmon(visitor, "view", address="192.0.2.99").status_code for _ in range(31)}
    assert codes == {403, 429}


def test_whoever_shares_its_address_does_not_lock_the_router_out(
    visitor: Visitor, lab: NasClient
) -> None:
    sign_in(visitor)
    codes = [authmon(visitor, "view", told="0" * 64).status_code for _ in range(31)]
    assert codes == [403] * 30 + [429]
    assert len(lines(authmon(visitor, "view"))) == 1


@pytest.mark.parametrize("network", [f"{ROUTER}/32", "10.78.0.0/24"])
def test_where_phones_have_an_address_of_the_router_nobody_is_signed_in(
    app: Flask, office: Office, lab: NasClient, network: str
) -> None:
    phone = Visitor(app, ROUTER if network.endswith("32") else "10.78.0.100")
    with office.database.write() as session:
        nas = session.get(NasClient, lab.id)
        assert nas is not None
        nas.prefix = network
    answer = phone.get(fas())
    assert answer.status_code == 503 and "level must be 1" in answer.text
    with office.database.write() as session:
        nas = session.get(NasClient, lab.id)
        assert nas is not None
        nas.portal_settings_encrypted = seal_portal_settings(office, {"faskey": KEY, "level": "1"})
    assert phone.get(fas()).status_code == 302, "at level 1 what the router tells is signed"


def test_the_housekeeper_drops_what_was_never_fetched(
    visitor: Visitor, office: Office, lab: NasClient
) -> None:
    sign_in(visitor)
    run_once(office)
    with office.database.write() as session:
        session.scalars(select(GatewayGrant)).one().created_at -= timedelta(minutes=3)
    run_once(office)
    with office.database.read() as session:
        assert session.scalars(select(GatewayGrant)).all() == []
