"""identity.domain.directory and the texts of LDAP: entries, times, DNs, addresses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from common.urls import is_here, parse_ldap_url
from identity.domain.directory import Entry, is_askable
from identity.domain.directory_names import Names
from identity.stores.ldap_adapter import escaped, normal_dn
from tests.unit.identity.fake_directory import settings

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def _entry(**values: str | bytes) -> Entry:
    coded = {
        name: (value if isinstance(value, bytes) else value.encode(),)
        for name, value in values.items()
    }
    return Entry("uid=a,dc=test", coded)


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        pytest.param({}, None, id="nothing said"),
        pytest.param({"useraccountcontrol": "512"}, None, id="AD enabled"),
        pytest.param({"useraccountcontrol": "514"}, "disabled", id="AD disabled"),
        pytest.param({"useraccountcontrol": "66050"}, "disabled", id="AD disabled, never expires"),
        pytest.param({"accountexpires": "0"}, None, id="AD never"),
        pytest.param({"accountexpires": "9223372036854775807"}, None, id="AD never, too"),
        # 2026-11-26 and 2026-11-28 in 100 ns since 1601
        pytest.param({"accountexpires": "134401680000000000"}, "expired", id="AD yesterday"),
        pytest.param({"accountexpires": "134403408000000000"}, None, id="AD tomorrow"),
        pytest.param({"pwdaccountlockedtime": "000001010000Z"}, "disabled", id="ppolicy for ever"),
        pytest.param({"pwdaccountlockedtime": "20261126000000Z"}, None, id="ppolicy for a while"),
        pytest.param({"nsaccountlock": "TRUE"}, "disabled", id="389 DS"),
        pytest.param({"shadowexpire": "-1"}, None, id="shadow never"),
        pytest.param({"shadowexpire": "20783"}, "expired", id="shadow yesterday"),
        pytest.param({"shadowexpire": "20785"}, None, id="shadow tomorrow"),
        pytest.param({"krbprincipalexpiration": "20261126000000Z"}, "expired", id="FreeIPA"),
        pytest.param({"krbprincipalexpiration": "20261128000000Z"}, None, id="FreeIPA tomorrow"),
        pytest.param({"accountexpires": "x", "shadowexpire": "9" * 30}, None, id="nonsense"),
    ],
)
def test_who_is_held_back_by_the_directory(values: dict[str, str], refusal: str | None) -> None:
    assert _entry(**values).refusal(NOW) == refusal


def test_the_name_is_what_people_say_and_stays_on_one_line() -> None:
    assert _entry(displayname="สมชาย ใจดี", cn="somchai").full_name == "สมชาย ใจดี"
    assert _entry(cn=" som\n\x1b[31mchai ").full_name == "som [31mchai"


def test_the_unique_id_is_of_either_kind() -> None:
    assert _entry(objectguid=b"\x00\xff").unique_id == "00ff"
    assert _entry(entryuuid="ABC").unique_id == "abc"
    assert _entry().unique_id is None


def test_an_empty_or_cut_off_password_is_never_asked_about() -> None:
    assert is_askable("somchai", b"x")
    assert not is_askable("somchai", b"")
    assert not is_askable("somchai", b"x\0y")
    assert not is_askable("som\x07chai", b"x")
    assert not is_askable("", b"x")


def test_a_letter_that_is_a_form_of_another_is_never_asked_about() -> None:
    for name in ("ｓｏｍｃｈａｉ２", "somcha\u0131\u0308".replace("\u0131", "i"), "ﬁsher", "som²"):
        assert not is_askable(name, b"x"), name
    for name in ("somchai2", "sömchai", "สมชาย", "น้ำใจ", "อำนวย"):
        assert is_askable(name, b"x"), name


@pytest.mark.parametrize(
    ("user_filter", "values", "asked"),
    [
        ("(uid={username})", {"uid": " SomChai "}, True),
        ("(userid={username})", {"uid": "somchai"}, True),
        ("(uid={username})", {"uid": "sömchai"}, False),
        ("(uid={username})", {"uid": "ｓｏｍｃｈａｉ", "displayname": "somchai"}, False),
        ("(uid={username})", {}, False),
        ("(&(objectCategory=person)(sAMAccountName={username}))", {"objectcategory": "x"}, False),
        ("(|(uid={username})(mail={username}))", {"uid": "s", "mail": "somchai"}, True),
        ("(userPrincipalName={username}@a.th)", {"userprincipalname": "Somchai@A.th"}, True),
        ("(userPrincipalName={username}@a.th)", {"userprincipalname": "somchai@b.th"}, False),
        ("(proxyAddresses=smtp:{username}@*)", {"proxyaddresses": "SMTP:somchai@a.th"}, True),
        ("(cn:caseIgnoreMatch:=\\2a{username})", {"cn": "*somchai"}, True),
        ("(!(cn={username}x))", {"cn": "somchai"}, False),
    ],
)
def test_an_entry_has_the_very_name_that_was_asked_for(
    user_filter: str, values: dict[str, str], asked: bool
) -> None:
    assert Names(user_filter).has(_entry(**values), "somchai") is asked


def test_one_spelling_alone_is_the_name_of_an_entry() -> None:
    names = Names("(uid={username})")
    decomposed = _entry(uid="So\u0308mchai")
    assert names.has(decomposed, "sömchai") and not names.has(decomposed, "so\u0308mchai")
    assert names.has(_entry(uid="อำนวย"), "อำนวย")
    assert not names.has(_entry(uid="อำนวย"), "อ\u0e4d\u0e32นวย")
    assert names.has(_entry(uid="a.c"), "a.c") and not names.has(_entry(uid="abc"), "a.c")


def test_what_a_filter_reads_is_escaped() -> None:
    assert escaped("a*(b)\\c\0") == r"a\2a\28b\29\5cc\00"


@pytest.mark.parametrize(
    "other",
    [
        "CN=Teachers,OU=Groups,DC=School",
        "cn = teachers, ou = groups, dc = school",
        "cn=teach\\65rs,ou=groups,dc=school",
        "cn=teachers,ou=groups,dc=school ",
    ],
)
def test_equal_dns_are_equal(other: str) -> None:
    assert normal_dn(other) == normal_dn("cn=teachers,ou=groups,dc=school")


def test_different_dns_stay_different() -> None:
    assert normal_dn("cn=a\\,b,dc=c") != normal_dn("cn=a,cn=b,dc=c")
    assert normal_dn("cn=a\\,b,dc=c") == normal_dn("cn=a\\2cb,dc=c")
    with pytest.raises(ValueError, match="no DN"):
        normal_dn("teachers")


def test_addresses_are_taken_apart() -> None:
    assert parse_ldap_url("ldaps://dc1.school.test") == ("ldaps", "dc1.school.test", 636)
    assert parse_ldap_url("ldap://[::1]:3890") == ("ldap", "::1", 3890)
    assert is_here("127.0.0.1") and is_here("::1") and is_here("localhost")
    assert not is_here("dc1") and not is_here("10.0.0.1")
    for wrong in ("http://x", "ldap://", "ldap://x/dc=school", "ldaps://me@x", "x"):
        with pytest.raises(ValueError, match="ldap"):
            parse_ldap_url(wrong)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"url": "ldap://dc1.school.test"}, "would send passwords readable"),
        ({"url": []}, "at least 1 item"),
        ({"user_filter": "(uid=*)"}, "username"),
        ({"user_filter": "(uid={username}"}, "parenthes"),
        ({"bind_dn": "cn=reader"}, "belong together"),
        ({"remember_seconds": 301}, "less than or equal to 300"),
        ({"base_dn": ""}, "at least 1 character"),
    ],
)
def test_a_directory_that_cannot_be_meant_so_is_refused(
    values: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(**values)


def test_cleartext_needs_leave_or_loopback() -> None:
    assert settings(url="ldap://127.0.0.1").url == ("ldap://127.0.0.1",)
    assert settings(url="ldap://dc1.school.test", start_tls=True)
    assert settings(url="ldap://dc1.school.test", allow_cleartext=True)
