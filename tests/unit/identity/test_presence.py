"""Who is online now: identity.services.presence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from db.models import AddressInterval, NetworkSession
from identity.office import Office
from identity.services.people import get
from identity.services.presence import open_sessions, session_of
from tests.conftest import add_person


def add_session(
    office: Office,
    key: str,
    *addresses: tuple[str, int, int],
    account_id: int | None = None,
    heard_minutes_ago: int = 1,
    **ending: Any,
) -> None:
    """A session of an hour; each address with its first and last evidence, in seconds."""
    now = office.clock()
    started = now - timedelta(hours=1)
    rows: list[object] = [
        NetworkSession(
            session_key=key,
            nas_client_id=1,
            nas_identity="",
            acct_session_id=key,
            user_name="somchai",
            account_id=account_id,
            started_at=started,
            last_heard_at=now - timedelta(minutes=heard_minutes_ago),
            session_seconds=3000,
            input_octets=1,
            output_octets=2,
            **{"stop_seen": 0, **ending},
        )
    ]
    rows += [
        AddressInterval(
            session_key=key,
            address=address,
            source="radius",
            from_at=started + timedelta(seconds=first),
            to_at=started + timedelta(seconds=last),
            first_offset_seconds=first,
            last_offset_seconds=last,
        )
        for address, first, last in addresses
    ]
    with office.database.write() as session:
        session.add_all(rows)


def key_of(office: Office, address: str) -> str | None:
    with office.database.read() as session:
        found = session_of(session, address)
    return found.session_key if found else None


def test_an_address_belongs_to_its_open_session(office: Office) -> None:
    add_session(office, "one", ("192.0.2.7", 0, 3000))
    assert key_of(office, "192.0.2.7") == "one"
    assert key_of(office, "192.0.2.70") is None


def test_an_address_a_session_has_given_up_is_nobodys(office: Office) -> None:
    add_session(office, "one", ("192.0.2.7", 0, 600), ("192.0.2.8", 1200, 3000))
    assert key_of(office, "192.0.2.7") is None
    assert key_of(office, "192.0.2.8") == "one"


@pytest.mark.parametrize("how", ["stop", "close"])
def test_an_ended_session_holds_nothing(office: Office, how: str) -> None:
    now = office.clock()
    ending: dict[str, Any] = {"stop_seen": 1, "stop_at": now} if how == "stop" else {}
    ending |= {"closed_at": now, "close_cause": "silent"} if how == "close" else {}
    add_session(office, "one", ("192.0.2.7", 0, 3000), **ending)
    assert key_of(office, "192.0.2.7") is None


def test_of_two_claims_the_one_heard_last_is_taken(office: Office) -> None:
    add_session(office, "old", ("192.0.2.7", 0, 100), heard_minutes_ago=30)
    add_session(office, "new", ("192.0.2.7", 0, 3000))
    assert key_of(office, "192.0.2.7") == "new"


def test_an_ipv6_address_is_found_by_its_prefix(office: Office) -> None:
    add_session(office, "one", ("2001:db8:0:7::/64", 0, 3000), ("2001:db8:0:9::1", 0, 3000))
    assert key_of(office, "2001:db8:0:7::abcd") == "one"
    assert key_of(office, "2001:db8:0:9::1") == "one"
    assert key_of(office, "2001:db8:0:9::2") is None


def test_an_account_sees_its_own_open_sessions_and_their_end(office: Office) -> None:
    mine, other = add_person(office, "somchai"), add_person(office, "somying")
    add_session(office, "mine", ("192.0.2.7", 0, 3000), account_id=mine)
    add_session(office, "other", ("192.0.2.8", 0, 3000), account_id=other)
    add_session(office, "gone", ("192.0.2.9", 0, 3000), account_id=mine, stop_seen=1)
    with office.database.write() as session:
        get(session, "somchai").role.session_seconds = 7200
    with office.database.read() as session:
        (found,) = open_sessions(session, mine)
    assert (found.session_key, found.addresses) == ("mine", ("192.0.2.7",))
    assert found.ends_at == found.started_at + timedelta(hours=2)
    with office.database.write() as session:
        account = get(session, "somchai")
        account.expires_at = found.started_at + timedelta(minutes=90)
    with office.database.read() as session:
        (found,) = open_sessions(session, mine)
    assert found.ends_at == found.started_at + timedelta(minutes=90)
