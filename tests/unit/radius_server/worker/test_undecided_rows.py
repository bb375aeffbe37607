"""The row of a login that a directory could not decide, when its batch is committed anew."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from common.net import parse_prefix
from identity.domain.access import Denied, Method, Reason, Unavailable
from identity.stores.sql import NasFacts
from radius_server.packet.packet import decode
from radius_server.worker.clients import NasClient
from radius_server.worker.exchange import Exchange
from radius_server.worker.outcome import Outcome
from tests.integration.radius_packets import access_request
from tests.unit.radius_server.worker.test_worker import SECRET, Wire

AWAY = Unavailable("directory:school")
USER_NAME, REASON = 2, 6


def exchange(name: str) -> Exchange:
    facts = NasFacts(
        nas_client_id=1,
        name="gate",
        network=parse_prefix("127.0.0.1/32"),
        vendor="generic",
        require_message_authenticator=True,
        secret=SECRET.encode(),
    )
    packet = decode(access_request(1, SECRET.encode(), name.encode(), b"a guess"))
    now = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    return Exchange(Wire(), ("127.0.0.1", 1), packet, NasClient(facts), now, ())


@pytest.fixture
def outcome() -> Outcome:
    """Two logins that a directory kept from being decided, and one refusal between them."""
    made = Outcome(b"k" * 32)
    made.unanswered(exchange("anong"), AWAY, "anong")
    made.decided(exchange("nobody"), Denied(Reason.UNKNOWN_ACCOUNT, Method.PAP), "nobody")
    made.unanswered(exchange("boonmee"), AWAY, "boonmee")
    return made


def rows(outcome: Outcome) -> list[tuple[object, object]]:
    return [(row[USER_NAME], row[REASON]) for row in outcome.finish().auth_events]


def test_it_is_in_the_batch_whose_sessions_were_told_apart(outcome: Outcome) -> None:
    placed = outcome.placed(lambda _records, _owners: None)
    assert sorted(rows(placed)) == sorted(rows(outcome))
    assert len(rows(placed)) == 3
    assert len(rows(placed.placed(lambda _records, _owners: None))) == 3
    assert len(placed.exchanges) == 1


def test_it_is_in_one_of_the_batches_of_a_batch_that_was_refused(outcome: Outcome) -> None:
    (decided, undecided) = outcome.split()
    assert rows(decided) == [("nobody", Reason.UNKNOWN_ACCOUNT)]
    assert rows(undecided) == [("anong", Reason.BACKEND), ("boonmee", Reason.BACKEND)]
    assert not undecided.exchanges
    assert [rows(again) for again in undecided.split()] == [rows(undecided)]


def test_a_batch_without_any_is_split_into_its_exchanges_alone() -> None:
    made = Outcome(b"k" * 32)
    made.decided(exchange("nobody"), Denied(Reason.UNKNOWN_ACCOUNT, Method.PAP), "nobody")
    assert len(list(made.split())) == 1


def test_a_voucher_code_is_not_in_it() -> None:
    made = Outcome(b"k" * 32)
    made.unanswered(exchange("ABCDE-FGHJK"), AWAY, "ABCDE-FGHJK ")
    assert rows(made) == [("voucher …HJK", Reason.BACKEND)]
