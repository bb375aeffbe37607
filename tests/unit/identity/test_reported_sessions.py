"""What a gateway that speaks no RADIUS tells, and who had which address by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from identity.office import Office
from identity.services.nas import add_nas
from identity.services.reported_sessions import Reported, place_of, store_reports
from identity.services.sessions import list_sessions
from tests.moved_clock import Clock

MAC, ADDRESS = "3c22fb010203", "10.78.0.100"


def had(office: Office, address: str, at: datetime) -> bool:
    """Whether the one session had this address then."""
    with office.database.read() as session:
        (view,) = list_sessions(session)
    return any(
        span.from_at <= at and (span.to_at is None or at <= span.to_at)
        for span in view.addresses
        if span.address == address
    )


def test_an_ipv6_address_is_somebodys_from_when_it_was_told_until_it_is_no_longer(
    office: Office,
) -> None:
    with office.database.write() as session:
        nas = add_nas(session, office, "hall", "10.78.0.1/32", "secret of hall", "test")
        session.flush()
        place = place_of(nas, "10.78.0.1")
    began = office.clock()
    clock = Clock(began)
    timed = replace(office, clock=clock)

    def moment(minutes: float) -> datetime:
        return began + timedelta(minutes=minutes)

    reports: list[tuple[float, tuple[str, ...]]] = [
        (0, ()), (10, ("fd77::5",)), (12, ("fd77::5",)), (14, ("fd77::6",)), (20, ("fd77::7",)),
        (22, ()), (24, ()), (24.5, ("fd77::7",)),
    ]  # fmt: skip
    for minutes, more in reports:
        clock.now = moment(minutes)
        told = Reported(
            acct_session_id="1", user_name="somchai", mac=MAC, ip=ADDRESS, more_addresses=more,
            seconds=int(minutes * 60), octets=b"in",
        )  # fmt: skip
        store_reports(timed, place, [told])
    expected: dict[str, dict[float, bool]] = {
        "fd77::5": {5: False, 11: True, 13.5: True, 15: False},
        "fd77::6": {13: False, 15: True, 17: False},
        # Told, not told, told again: at once on record, though within the minute.
        "fd77::7": {19: False, 20: True, 24.6: True, 30: True},
        ADDRESS: {5: True, 30: True},
    }
    found = {
        address: {minutes: had(office, address, moment(minutes)) for minutes in asked}
        for address, asked in expected.items()
    }
    assert found == expected
