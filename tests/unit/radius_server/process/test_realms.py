"""Whose a user name is."""

from __future__ import annotations

import pytest

from radius_server.process.realms import Foreign, Realms, Route, is_well_formed, realm_of

PARTNER = Route(realm="partner.example", servers=("a",))
BELOW = Route(realm=".ac.th", servers=("b",))
CLOSER = Route(realm=".faculty.ac.th", servers=("c",))
DEFAULT = Route(realm="*", servers=("d",))
LOCAL = ("school.example", ".pupils.example")


@pytest.mark.parametrize(
    ("name", "server"),
    [
        pytest.param("bob", None, id="no realm"),
        pytest.param("", None, id="no name"),
        pytest.param("bob@", None, id="empty realm"),
        pytest.param("bob@school.example", None, id="ours"),
        pytest.param("bob@SCHOOL.Example", None, id="ours in capitals"),
        pytest.param("bob@a.pupils.example", None, id="below a suffix of ours"),
        pytest.param("bob@partner.example", "a", id="whole"),
        pytest.param("bob@x.partner.example", "d", id="a whole realm has nothing below it"),
        pytest.param("bob@u.ac.th", "b", id="suffix"),
        pytest.param("bob@ac.th", "d", id="a suffix is not the realm itself"),
        pytest.param("bob@x.faculty.ac.th", "c", id="the longest suffix"),
        pytest.param("a@b@partner.example", "a", id="the last @ counts"),
        pytest.param("@partner.example", "a", id="nobody of it"),
    ],
)
def test_a_name_goes_where_its_realm_says(name: str, server: str | None) -> None:
    found = Realms(LOCAL, (PARTNER, BELOW, CLOSER, DEFAULT)).find(name)
    if server is None:
        assert found is None
    else:
        assert found is not None and found.route is not None
        assert found.route.servers == (server,)


def test_without_a_default_an_unknown_realm_is_looked_up_here() -> None:
    assert Realms(LOCAL, (PARTNER,)).find("bob@nowhere.example") is None


@pytest.mark.parametrize("realm", ["nodots", "a..b", "a b.c", "-a.b", "a.b.", ".a.b", "ก.th"])
def test_a_misspelt_realm_goes_nowhere(realm: str) -> None:
    assert not is_well_formed(realm)
    assert Realms((), (DEFAULT,)).find(f"bob@{realm}") == Foreign(realm, None)


def test_a_realm_of_ours_is_taken_off_and_no_other() -> None:
    realms = Realms(LOCAL, (DEFAULT,))
    assert realms.stored("bob@School.example") == "bob"
    assert realms.stored("a@b@school.example") == "a@b"
    assert Realms(LOCAL, ()).stored("bob@partner.example") == "bob@partner.example"
    assert realms.stored("bob") == "bob"
    assert realm_of("bob") is None


def test_a_foreign_name_is_no_accounts_name() -> None:
    assert Realms(LOCAL, (DEFAULT,)).stored("bob@partner.example") == ""


@pytest.mark.parametrize(
    ("said", "given"),
    [
        pytest.param("somchai", "somchai@partner.example", id="a bare name"),
        pytest.param("bob@partner.example", "bob@partner.example", id="their realm"),
        pytest.param("bob@PARTNER.example", "bob@PARTNER.example", id="in capitals"),
        pytest.param("somchai@school.example", None, id="our realm"),
        pytest.param("bob@elsewhere.example", None, id="a realm of another home server"),
        pytest.param("bob@nowhere.example", None, id="a realm that is looked up here"),
        pytest.param("bob@", None, id="an empty realm"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_a_home_server_names_its_own_people_only(said: str, given: str | None) -> None:
    partner = Route(realm="partner.example", servers=("one",))
    realms = Realms(LOCAL, (partner, Route(realm="elsewhere.example", servers=("two",))))
    assert realms.returned(said, Foreign("partner.example", partner)) == given
