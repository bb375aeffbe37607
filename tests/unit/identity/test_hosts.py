"""Hosts: who may receive guests, and their word about a visitor."""

from __future__ import annotations

from datetime import timedelta

import pytest

from common.errors import NotFound, Refused, UsageError
from db.models import (
    Account,
)
from identity.domain.levels import Level
from identity.domain.registering import Way
from identity.office import Office
from identity.services import (
    approval,
    hosting,
    hosts,
    officers,
    people,
    registrations,
)
from identity.services.messages import TooManyMessages
from tests.conftest import ADMIN, add_person
from tests.moved_clock import Clock
from tests.unit.identity.visitors import (
    NOW,
    choose,
    found,
    submit,
)


@pytest.fixture
def host(timed: Office) -> Account:
    """A teacher with a mailbox, whose role may receive guests."""
    number = add_person(timed, "somsri")
    choose(timed, "student", may_sponsor=True)
    with timed.database.write() as session:
        account = session.get_one(Account, number)
        account.contact = "Somsri@School.Example"
    return account


def test_a_host_is_found_by_name_or_mailbox_and_only_if_they_may_receive_guests(
    timed: Office, host: Account
) -> None:
    add_person(timed, "wirat")
    with timed.database.write() as session:
        for text in ("somsri", " SOMSRI ", "somsri@school.example", "SOMSRI@SCHOOL.EXAMPLE"):
            found_host = hosts.find_host(session, timed, text)
            assert found_host is not None and found_host.id == host.id
        assert hosts.mailbox_of(host) == "Somsri@school.example"
        for text in ("", "nobody", "nobody@school.example", "voucher-1"):
            assert hosts.find_host(session, timed, text) is None
        # Two people with one mailbox: neither is certain.
        people.get(session, "wirat").contact = "somsri@school.example"
        session.flush()
        assert hosts.find_host(session, timed, "somsri@school.example") is None
        people.set_state(session, timed, "somsri", "suspended", "test")
        assert hosts.find_host(session, timed, "somsri") is None
    choose(timed, "student", may_sponsor=False)
    with timed.database.write() as session:
        people.set_state(session, timed, "somsri", "active", "test")
        assert hosts.find_host(session, timed, "somsri") is None
        assert hosts.find_host(session, timed, ADMIN) is not None


def test_a_host_lets_a_visitor_in_for_as_long_as_they_say(
    timed: Office, host: Account, clock: Clock
) -> None:
    choose(timed, way=Way.SPONSOR)
    reference = submit(timed, sponsor_name="somsri")
    assert (found(timed, reference).state, found(timed, reference).host_id) == ("pending", host.id)
    with timed.database.write() as session:
        assert [row.reference for row in hosting.waiting_for(session, host)] == [reference]
        with pytest.raises(UsageError, match="1h, 3h, 12h"):
            hosting.agree(session, timed, reference, host, "30d")
        hosting.agree(session, timed, reference, host, "2d")
    account = found(timed, reference).account
    assert account is not None
    assert (account.sponsor_id, account.expires_at) == (host.id, NOW + timedelta(days=2))
    with timed.database.write() as session, pytest.raises(NotFound):
        hosting.agree(session, timed, reference, host, "2d")


def test_nobody_decides_for_another_host(timed: Office, host: Account) -> None:
    choose(timed, way=Way.SPONSOR)
    add_person(timed, "wirat")
    reference = submit(timed, sponsor_name="somsri")
    with timed.database.write() as session:
        other = people.get(session, "wirat")
        with pytest.raises(NotFound):
            hosting.agree(session, timed, reference, other, "1h")
        with pytest.raises(NotFound):
            hosting.decline(session, timed, reference, other, "no")
    choose(timed, "student", may_sponsor=False)
    with timed.database.write() as session, pytest.raises(Refused, match="may not receive"):
        hosting.agree(session, timed, reference, host, "1h")


def test_a_host_who_refuses_gives_a_reason_that_the_visitor_reads(
    timed: Office, host: Account
) -> None:
    choose(timed, way=Way.SPONSOR)
    reference = submit(timed, sponsor_name="somsri@school.example")
    with timed.database.write() as session:
        with pytest.raises(UsageError, match="reason"):
            hosting.decline(session, timed, reference, host, " ")
        hosting.decline(session, timed, reference, host, "ไม่รู้จัก")
    row = found(timed, reference)
    assert (row.state, row.decision_reason, row.decided_by) == ("rejected", "ไม่รู้จัก", "somsri")


def test_with_an_approval_the_host_comes_first_and_stays_the_sponsor(
    timed: Office, host: Account, clock: Clock
) -> None:
    choose(timed, way=Way.SPONSOR, needs_approval=True)
    reference = submit(timed, sponsor_name="nobody")
    assert (found(timed, reference).state, found(timed, reference).host_id) == ("draft", None)
    with timed.database.write() as session:
        hosting.name_host(session, timed, reference, "somsri")
    with timed.database.write() as session:
        hosting.agree(session, timed, reference, host, "3h")
    assert found(timed, reference).state == "pending"
    with timed.database.write() as session, pytest.raises(Refused, match="no host"):
        hosting.name_host(session, timed, reference, ADMIN)
    clock.now += timedelta(hours=5)
    with timed.database.write() as session:
        account = registrations.approve(session, timed, reference, ADMIN)
    assert account.sponsor_id == host.id
    assert account.expires_at == clock.now + timedelta(hours=3)
    assert found(timed, reference).decided_by == ADMIN


def test_an_approver_may_receive_guests(timed: Office) -> None:
    number = add_person(timed, "anan")
    with timed.database.write() as session:
        officers.grant(session, timed, "anan", Level.APPROVER, ADMIN)
        account = session.get_one(Account, number)
        assert hosts.may_receive(session, account, NOW)
        assert approval.scope_of(session, account).may_grant("guest")


def test_a_hosts_word_is_not_enough_any_more_when_the_way_was_changed(
    timed: Office, host: Account
) -> None:
    choose(timed, way=Way.SPONSOR)
    reference = submit(timed, sponsor_name="somsri")
    choose(timed, way=Way.APPROVAL)
    with timed.database.write() as session:
        hosting.agree(session, timed, reference, host, "1h")
    assert found(timed, reference).state == "pending"


def test_a_hundred_false_visitors_cut_nobody_off_and_are_refused_at_once(
    timed: Office, host: Account
) -> None:
    choose(timed, way=Way.SPONSOR)
    for number in range(hosting.LISTED):
        submit(timed, f"joker{number}", sponsor_name="somsri")
    honest = submit(timed, "honest", sponsor_name="somsri")
    with timed.database.write() as session:
        waiting = hosting.waiting_for(session, host)
        assert honest not in [row.reference for row in waiting]
        row = hosting.find_waiting(session, host, honest)
        assert row is not None
        with pytest.raises(UsageError, match="reason"):
            hosting.decline_all(session, timed, host, row.id, " ")
        newest = waiting[-2].id
        assert hosting.decline_all(session, timed, host, newest, "a joke") == hosting.LISTED - 1
        left = [row.username for row in hosting.waiting_for(session, host)]
        assert left == [f"joker{hosting.LISTED - 1}", "honest"]
        hosting.agree(session, timed, honest, host, "1h")
    assert found(timed, honest).state == "active"


def test_so_many_from_one_address_wait_for_one_host_whether_there_is_one_or_not(
    timed: Office, host: Account
) -> None:
    choose(timed, way=Way.SPONSOR)
    for name in ("somsri", "nobody"):
        for number in range(hosting.OPEN_FROM_ADDRESS + 1):
            reference = submit(
                timed, f"{name}{number}", sponsor_name=name, client_address="10.0.0.1"
            )
            row = found(timed, reference)
            with timed.database.read() as session:
                if number < hosting.OPEN_FROM_ADDRESS:
                    hosting.refuse_too_many(session, row)
                    continue
                with pytest.raises(TooManyMessages):
                    hosting.refuse_too_many(session, row)
    elsewhere = submit(timed, "elsewhere", sponsor_name="somsri", client_address="10.0.0.2")
    with timed.database.read() as session:
        hosting.refuse_too_many(session, found(timed, elsewhere))
