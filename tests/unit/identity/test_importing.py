"""identity.services.importing: encodings, rows, what is dropped, what is written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from common.errors import UsageError
from db.models import Account, Credential
from identity.office import Office
from identity.services import importing, people, roles
from identity.services.importing import Roster, apply, check, decode, parse_expiry, read
from tests.conftest import add_person

_ZONE = "Asia/Bangkok"
_HEAD = "username,password,full_name,role,org,person_code,class_name,expires_at\n"


def _read(text: str) -> Roster:
    return read(text.encode(), _ZONE)


def _checked(office: Office, roster: Roster, update: bool = False) -> Roster:
    with office.database.read() as session:
        return check(session, office, roster, update)


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("tis-620", "cp874"),
        ("cp874", "cp874"),
        ("utf-16", "utf-16"),
    ],
)
def test_thai_is_read_in_every_encoding_that_schools_use(encoding: str, named: str) -> None:
    text = _HEAD + "somchai,รหัสผ่าน,สมชาย ใจดี,student,,๑๒๓,ม.1/2,\n"
    roster = read(text.encode(encoding), _ZONE)
    assert roster.encoding == named
    assert roster.bad == ()
    (entry,) = roster.entries
    assert (entry.full_name, entry.class_name) == ("สมชาย ใจดี", "ม.1/2")
    assert entry.password == "รหัสผ่าน"


def test_octets_that_are_no_text_are_refused() -> None:
    with pytest.raises(UsageError, match="UTF-8"):
        decode(b"\xfc\xfd\xfe\xff")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_excel_puts_between_cells_is_found(delimiter: str) -> None:
    text = f"username{delimiter}password\nsomchai{delimiter}secret99\n"
    (entry,) = _read(text).entries
    assert (entry.username, entry.password) == ("somchai", "secret99")


def test_unknown_columns_are_counted_and_nothing_else_is_kept_of_them() -> None:
    roster = _read("username,password,ศาสนา,หมู่โลหิต\na,b,พุทธ,O\nc,d,,AB\n")
    assert roster.dropped == {"ศาสนา": 1, "หมู่โลหิต": 2}
    assert "พุทธ" not in repr(roster)


def test_a_password_is_not_shown_with_its_row() -> None:
    assert "secret99" not in repr(_read(_HEAD + "somchai,secret99,,,,,,\n"))


def test_each_bad_row_is_told_by_its_number_and_the_good_ones_stay() -> None:
    roster = _read(
        _HEAD
        + "good,x,,,,,,\n"
        + ",x,,,,,,\n"
        + "a b,x,,,,,,\n"
        + "GOOD,x,,,,,,\n"
        + "code,x,,,,1.23457E+12,,\n"
        + "late,x,,,,,,12/31/2569\n"
        + "3c:22:fb:01:02:03,x,,,,,,\n"
        + "wide,x,,,,,,,extra\n"
        + ",,,,,,,\n"
        + "also,x,,,,,,\n"
    )
    assert [entry.username for entry in roster.entries] == ["good", "also"]
    assert roster.entries[1].row == 11
    reasons = {bad.row: bad.reason for bad in roster.bad}
    assert sorted(reasons) == [3, 4, 5, 6, 7, 8, 9]
    assert "needed" in reasons[3]
    assert "spaces" in reasons[4]
    assert "row 2" in reasons[5]
    assert "rounded" in reasons[6]
    assert "not a time" in reasons[7]
    assert "MAC" in reasons[8]
    assert "more cells" in reasons[9]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "name the columns"),
        ("name,pass\na,b\n", "name the columns"),
        ("username,username\na,b\n", "twice"),
        ('username,password\n"a,b\n' + "x" * 200_000, "not CSV"),
    ],
)
def test_a_file_that_is_no_roster_is_refused_whole(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _read(text)


def test_names_are_stored_as_they_would_be_typed() -> None:
    (entry,) = _read(_HEAD + "\u200bSomchai ,x, Rene\u0301 ,,,,,\n").entries
    assert (entry.username, entry.full_name) == ("somchai", "Ren\u00e9")


def test_a_date_alone_ends_with_its_day() -> None:
    assert parse_expiry("2570-03-31", _ZONE) == datetime(2027, 3, 31, 17, 0, tzinfo=UTC)
    assert parse_expiry("2027-03-31 12:00", _ZONE) == datetime(2027, 3, 31, 5, 0, tzinfo=UTC)


@pytest.mark.parametrize("text", ["31/3/2570", "31/03/2027", "31 มี.ค. 2570", "๓๑/๓/๒๕๗๐"])
def test_an_end_is_read_as_spreadsheets_and_people_write_it(text: str) -> None:
    assert parse_expiry(text, _ZONE) == datetime(2027, 3, 31, 17, 0, tzinfo=UTC)
    assert parse_expiry(f"{text} 12:00", _ZONE) == datetime(2027, 3, 31, 5, 0, tzinfo=UTC)


@pytest.mark.parametrize("text", ["31/3/70", "31/3", "3/31/2570", "soon", ""])
def test_an_end_that_could_be_another_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_expiry(text, _ZONE)


def test_rows_that_the_site_cannot_take_become_bad_rows(office: Office) -> None:
    add_person(office, "taken")
    roster = _read(
        _HEAD
        + "taken,x,,,,,,\n"
        + "new1,x,,teacher,,,,\n"
        + "new2,x,,,9999,,,\n"
        + "new3,,,,,,,\n"
        + f"new4,{'x' * 129},,,,,,\n"
        + "new5,x,,,,,,\n"
    )
    checked = _checked(office, roster)
    assert [entry.username for entry in checked.entries] == ["new5"]
    reasons = [(bad.row, bad.reason) for bad in checked.bad]
    assert reasons[0] == (2, "already exists; --update changes it")
    assert "no role 'teacher'" in reasons[1][1]
    assert "no organisation '9999'" in reasons[2][1]
    assert "password is needed" in reasons[3][1]
    assert "128 octets" in reasons[4][1]


def test_an_import_makes_people_that_can_log_in(
    office_on: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 2)
    with office_on.database.write() as session:
        roles.add_organisation(session, office_on, "1001", "โรงเรียน", "test")
    rows = "".join(f"u{n},pass{n},User {n},staff,1001,c{n},m1,2030-01-01\n" for n in range(5))
    heard: list[int] = []
    report = apply(office_on, _checked(office_on, _read(_HEAD + rows)), "head", heard.append)
    assert (report.added, report.updated, report.bad) == (5, 0, ())
    assert heard == [2, 4, 5]
    with office_on.database.read() as session:
        account = people.get(session, "u3")
        person = account.person
        credential = session.get_one(Credential, account.id)
        assert person is not None
        assert (person.full_name, person.person_code, person.class_name) == ("User 3", "c3", "m1")
        assert (person.proofing_method, person.proofed_by) == ("roster", "head")
        assert account.role.name == "staff"
        assert account.organisation is not None
        assert account.organisation.code == "1001"
        assert account.expires_at == datetime(2030, 1, 1, 17, tzinfo=UTC)
    assert office_on.passwords.verify(credential.password_hash, "pass3")


def test_an_update_changes_what_is_filled_and_leaves_the_rest(office: Office) -> None:
    add_person(office, "somchai", "old password")
    first = _checked(office, _read(_HEAD + "somchai,,สมชาย,,,77,,\nnew,x,,,,,,\n"), update=True)
    report = apply(office, first, "head")
    assert (report.added, report.updated) == (1, 1)
    with office.database.read() as session:
        account = people.get(session, "somchai")
        kept = session.get_one(Credential, account.id).password_hash
        assert account.full_name == "สมชาย"
        assert account.role.name == "student"
    assert office.passwords.verify(kept, "old password")

    second = _checked(office, _read(_HEAD + "somchai,new one,,staff,,,,\n"), update=True)
    apply(office, second, "head")
    with office.database.read() as session:
        account = people.get(session, "somchai")
        changed = session.get_one(Credential, account.id).password_hash
        assert (account.full_name, account.role.name) == ("สมชาย", "staff")
    assert office.passwords.verify(changed, "new one")


def test_a_name_taken_since_the_check_is_one_bad_row_and_stays_as_it_is(
    office_on: Office,
) -> None:
    roster = _checked(office_on, _read(_HEAD + "a1,x,,,,,,\nb1,x,,,,,,\n"))
    add_person(office_on, "a1", "their own password")
    report = apply(office_on, roster, "head")
    assert report.added == 1
    assert [(bad.row, bad.reason) for bad in report.bad] == [(2, "already exists")]
    with office_on.database.read() as session:
        names = session.scalars(select(Account.username).order_by(Account.username)).all()
        kept = session.get_one(Credential, people.get(session, "a1").id).password_hash
    assert names == ["a1", "b1", "head"]
    assert office_on.passwords.verify(kept, "their own password")
