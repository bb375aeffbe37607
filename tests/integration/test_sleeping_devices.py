"""A device that sleeps is let in by its controller still: it counts, and is ended with the rest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import delete, select, update

from db.models import (
    Account,
    CoaRequest,
    GuardianConsent,
    NetworkSession,
    Person,
    PortalToken,
    Role,
)
from identity.domain.access import Denied
from identity.domain.guardians import Given, How, Relation
from identity.office import Office
from identity.services import guardians, hand_over, own_sessions
from identity.services.enforcement import Enforcement
from tests.integration.test_granted_sessions import School, school_of

OTHER = "3c22fb0a0b0c"


@pytest.fixture
def school(office: Office, request: pytest.FixtureRequest) -> Iterator[School]:
    with school_of(office, getattr(request, "param", "unifi")) as made:
        yield made


def fall_asleep(school: School) -> None:
    school.fake.absent = True
    school.age(minutes=4)
    school.look()
    assert school.row().closed_at is not None


def consent_of(school: School) -> int:
    office = school.office
    with office.database.write() as session:
        account = session.get_one(Account, school.somchai)
        session.get_one(Role, account.role_id).guardian_consent = True
        given = Given(
            guardian="x", relation=Relation.MOTHER, how=How.PAPER, given_at=office.clock(),
            text_version="1", document="1",
        )  # fmt: skip
        person = session.get_one(Person, account.person_id)
        made = guardians.record(session, office, person, given, "test")
        assert made is not None
        return made.id


@pytest.mark.parametrize("school", ["unifi", "unifi-legacy", "omada"], indirect=True)
def test_a_consent_that_is_withdrawn_while_a_phone_sleeps_puts_it_out_when_it_wakes(
    school: School,
) -> None:
    consent = consent_of(school)
    school.hand_over()
    fall_asleep(school)
    with school.office.database.write() as session:
        assert guardians.withdraw(session, school.office, consent, "letter", "head") == 1
        # It may not be told before every worker has seen the change.
        session.execute(update(CoaRequest).values(next_try_at=school.office.clock()))
    school.keeper.end_due()
    school.fake.absent = False
    if school.fake.inside:
        school.look()
        school.keeper.end_due()
    assert not school.fake.inside
    row = school.row()
    assert row.closed_at is not None


def test_who_signs_out_everywhere_puts_out_a_phone_that_sleeps(school: School) -> None:
    school.hand_over()
    fall_asleep(school)
    with school.office.database.write() as session:
        account = session.get_one(Account, school.somchai)
        assert own_sessions.end_others(session, school.office, account, None) == 1
    assert school.keeper.end_due() == 1 and school.fake.inside, "nobody was there"
    school.fake.absent = False
    school.look()
    assert school.keeper.end_due() == 1 and not school.fake.inside


def test_a_session_without_a_consent_that_its_role_needs_is_ended_whoever_took_it(
    school: School,
) -> None:
    consent = consent_of(school)
    enforcement = Enforcement(school.office)
    school.hand_over()
    assert enforcement.turn() == {}
    with school.office.database.write() as session:
        session.execute(delete(GuardianConsent).where(GuardianConsent.id == consent))
    assert Enforcement(school.office).turn() == {"sessions_to_end_by_entitlement": 1}
    assert school.request().reason == "guardian_consent_withdrawn"


def test_a_phone_that_sleeps_gives_way_to_another_and_is_put_out_when_it_wakes(
    school: School,
) -> None:
    with school.office.database.write() as session:
        account = session.get_one(Account, school.somchai)
        session.get_one(Role, account.role_id).simultaneous = 1
    school.hand_over()

    def room() -> Denied | None:
        with school.office.database.write() as session:
            session.execute(delete(PortalToken))
            account = session.get_one(Account, school.somchai)
            return hand_over.full_for(session, school.office, account, OTHER)

    assert room() is not None
    fall_asleep(school)
    assert room() is None
    school.keeper.end_due()
    assert school.fake.inside, "the console does not list who sleeps"
    school.fake.absent = False
    school.look()
    assert school.keeper.end_due() == 1
    assert not school.fake.inside
    with school.office.database.read() as session:
        assert session.scalars(select(NetworkSession)).one().closed_at is not None
