"""Rules of use and notices by version: read, accepted once a version, before the hand-off (R12)."""

from __future__ import annotations

import hashlib
import html
import re

import pytest
from sqlalchemy import select

from captive_portal.web import plain_text
from common.errors import Refused, UsageError
from db.models import Account, AuditEvent, NasClient, PortalToken, TextAccepted
from identity.office import Office
from identity.services import notices, published, vouchers
from identity.services.published import Kind, Written
from tests.conftest import ADMIN, add_person
from tests.unit.captive_portal.public.conftest import HERE, MAC, Visitor
from tests.unit.captive_portal.public.own import PASSWORD, my, sign_in, sign_in_of

ARRIVAL = "/p/hall/?mac=3C:22:FB:01:02:03&ip=10.5.50.20&lang=en"
ENGLISH = "# In short\n\nUse it for school.\n- no attacks\n- no <b>resale</b>\n"


@pytest.fixture
def somchai(office: Office, nas: NasClient) -> int:
    assert nas.id == 1
    return add_person(office, "somchai", PASSWORD)


def publish(
    office: Office, version: str, kind: Kind = Kind.ACCEPTABLE_USE, summary: str = ""
) -> None:
    written = {
        "th": Written(text="# โดยย่อ\n\nใช้เพื่อการเรียน", summary=summary),
        "en": Written(text=f"{ENGLISH}Version {version}", summary=summary),
    }
    with office.database.write() as session:
        published.publish(session, office, kind, version, written, "head")


def arrive(visitor: Visitor) -> str:
    """Where somchai is sent after a sign-in from the gateway."""
    answer = visitor.fill(visitor.get(ARRIVAL).location, username="somchai", password=PASSWORD)
    assert answer.status_code == 303
    return answer.location


def test_nothing_is_asked_while_nothing_is_published(visitor: Visitor, somchai: int) -> None:
    assert arrive(visitor).startswith("/connect?")


@pytest.mark.parametrize(
    ("language", "told"),
    [("en", "No rules of use have been published here yet."), ("th", "ยังไม่มีการประกาศระเบียบ")],
)
def test_a_site_without_rules_says_so_and_leads_back(
    visitor: Visitor, somchai: int, language: str, told: str
) -> None:
    page = visitor.get(f"/rules?lang={language}")
    assert page.status_code == 200
    assert told in page.text and "SHA-256" not in page.text
    back = re.search(r'class="button quiet" href="([^"]+)"', page.text)
    assert back is not None
    assert visitor.get(html.unescape(back[1])).status_code == 200


def test_the_rules_are_accepted_once_before_the_hand_off_with_all_that_proves_it(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    publish(office, "2569-1")
    where = arrive(visitor)
    assert where.startswith("/rules/accept?")
    page = visitor.get(where).text
    assert "Rules of use, version 2569-1" in page and "new version" not in page
    assert "<textarea" not in page and "overflow" not in page.split("</style>")[1]
    skipped = visitor.get(where.replace("/rules/accept", "/connect"))
    assert skipped.location.startswith("/rules/accept?")
    with office.database.read() as session:
        assert session.scalars(select(PortalToken)).all() == []
    on = visitor.fill(where, "/rules/accept")
    assert on.status_code == 303 and on.location.startswith("/connect?")
    assert visitor.follow(on).status_code == 200
    with office.database.read() as session:
        row = session.scalars(select(TextAccepted)).one()
        actions = session.scalars(select(AuditEvent.action)).all()
    text = f"{ENGLISH}Version 2569-1"
    assert (row.account_id, row.kind, row.version, row.language) == (
        somchai, "acceptable-use", "2569-1", "en",
    )  # fmt: skip
    assert row.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert (row.client_address, row.client_mac) == (HERE, MAC)
    assert "text:published" in actions and "text:accepted" in actions
    assert arrive(visitor).startswith("/connect?"), "once a version"


def test_a_new_version_is_asked_for_again_and_says_what_has_changed(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    publish(office, "1")
    visitor.fill(arrive(visitor), "/rules/accept")
    publish(office, "2", summary="Printing is limited now.")
    page = visitor.get(arrive(visitor)).text
    assert "There is a new version." in page and "Printing is limited now." in page
    visitor.fill(arrive(visitor), "/rules/accept")
    assert arrive(visitor).startswith("/connect?")


def test_a_version_that_came_while_the_page_lay_open_is_not_accepted_unread(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    publish(office, "1")
    where = arrive(visitor)
    token = visitor.get(where).text.split('form_token" value="')[1].split('"')[0]
    publish(office, "2")
    answer = visitor.post(where, form_token=token, version="acceptable-use 1")
    assert answer.status_code == 409 and "version 2" in answer.text
    with office.database.read() as session:
        assert session.scalars(select(TextAccepted)).all() == []


def test_without_a_gateway_it_goes_on_to_the_status_page(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    publish(office, "1")
    s = sign_in(visitor)
    on = visitor.fill(my("/rules/accept", s), "/rules/accept")
    assert on.location.startswith("/status?")
    assert visitor.get(my("/rules/accept", s)).location.startswith("/status?")


def test_a_voucher_guest_accepts_as_well(visitor: Visitor, office: Office, somchai: int) -> None:
    publish(office, "1")
    with office.database.write() as session:
        _batch, codes = vouchers.create_batch(
            session, office, count=1, role="guest", minutes=60, devices=1, issuer=ADMIN
        )
    answer = visitor.fill("/voucher?lang=en", code=codes[0])
    assert answer.location.startswith("/rules/accept?")
    visitor.fill(my("/rules/accept", sign_in_of(answer.location)), "/rules/accept")
    with office.database.read() as session:
        assert session.scalars(select(TextAccepted.version)).all() == ["1"]


def test_declining_signs_out(visitor: Visitor, office: Office, somchai: int) -> None:
    publish(office, "1")
    where = arrive(visitor)
    answer = visitor.fill(where, "/sign-out")
    assert "signed_out=1" in answer.location
    assert visitor.get(where).location.startswith("/?")


def test_the_text_is_shown_as_written_and_never_as_markup(
    reader: Visitor, visitor: Visitor, office: Office
) -> None:
    publish(office, "1")
    text = visitor.get("/rules?lang=en").text
    assert "<h2>In short</h2>" in text and "<li>no attacks</li>" in text
    assert "no &lt;b&gt;resale&lt;/b&gt;" in text
    assert "โดยย่อ" in visitor.get("/rules?lang=th").text


def test_a_published_privacy_notice_takes_the_place_of_the_built_in_one(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    built_in = visitor.get("/notice?lang=en").text
    assert "section 26" in built_in
    publish(office, "P1", Kind.PRIVACY)
    text = visitor.get("/notice?lang=en").text
    assert "Version P1" in text and "section 26" not in text
    assert hashlib.sha256(f"{ENGLISH}Version P1".encode()).hexdigest() in text
    where = arrive(visitor)
    assert "Privacy notice, version P1" in visitor.get(where).text
    visitor.fill(where, "/rules/accept")
    with office.database.read() as session:
        (given,) = notices.given_to(session, session.get_one(Account, somchai))
        assert "somchai" not in notices.find_untold(session)
    assert given.version == "P1"


def test_who_was_handed_the_notice_is_not_asked_for_it(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    publish(office, "P1", Kind.PRIVACY)
    with office.database.read() as session:
        text = published.in_force(session, Kind.PRIVACY, "th")
        account = session.get_one(Account, somchai)
    assert text is not None
    kept = notices.Text(
        sha256=text.sha256,
        version="P1",
        audience=notices.Audience.EVERYBODY,
        language="th",
        text=text.text,
    )
    notices.store(office, kept)
    with office.database.write() as session:
        notices.give(session, office, text.sha256, [account], "in class", "head")
    assert arrive(visitor).startswith("/connect?")


def test_officers_see_who_has_not_accepted_yet(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    add_person(office, "malee")
    publish(office, "1")
    visitor.fill(arrive(visitor), "/rules/accept")
    with office.database.read() as session:
        text = published.in_force(session, Kind.ACCEPTABLE_USE, "th")
        assert text is not None
        waiting = published.find_not_accepted(session, text)
        assert published.count_not_accepted(session, text) == len(waiting)
    assert [account.username for account in waiting] == [ADMIN, "malee"]


@pytest.mark.parametrize(
    ("version", "texts", "says"),
    [
        ("1", {"th": "ก"}, "missing in this language: en"),
        ("1", {"th": "ก", "en": " "}, "missing in this language: en"),
        ("", {"th": "ก", "en": "a"}, "name the version"),
        ("1", {"th": "ก" * 40_001, "en": "a"}, "at most 40000"),
    ],
)
def test_a_version_has_a_name_and_a_text_in_every_language(
    office: Office, version: str, texts: dict[str, str], says: str
) -> None:
    written = {language: Written(text=text) for language, text in texts.items()}
    with office.database.write() as session, pytest.raises(UsageError, match=says):
        published.publish(session, office, Kind.ACCEPTABLE_USE, version, written, "head")


def test_a_version_is_never_changed(office: Office) -> None:
    publish(office, "1")
    with pytest.raises(Refused, match="published before"):
        publish(office, "1")


def test_plain_text_keeps_lines_and_paragraphs() -> None:
    text = plain_text.render("a\nb\n\n\nc\r\n- d\n- e\nf & g")
    assert text == "<p>a<br>b</p>\n<p>c</p>\n<ul><li>d</li><li>e</li></ul>\n<p>f &amp; g</p>"
