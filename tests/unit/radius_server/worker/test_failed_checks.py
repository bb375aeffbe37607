"""A check that fails inside a conversation is counted and written down when it fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from OpenSSL import SSL

from identity.domain.recoverable import Recoverable
from identity.domain.throttle import _SLOT
from identity.office import Office
from identity.services import people, recoverable
from radius_server.eap.packet import Type
from radius_server.worker.conversations import LIFETIME_SECONDS
from tests.conftest import add_person
from tests.unit.radius_server.eap.lab import Authority
from tests.unit.radius_server.eap.methods.test_mschapv2 import Peer as Mschap
from tests.unit.radius_server.eap.methods.test_pwd import Peer as Pwd
from tests.unit.radius_server.eap.peer import InPeap, Peer, client_context
from tests.unit.radius_server.worker.eap_bench import EapBench, Plain, Talk
from tests.unit.radius_server.worker.test_worker import ACCEPT, PASSWORD, REJECT

CHALLENGE = 11


@pytest.fixture
def bench(office: Office) -> Iterator[EapBench]:
    add_person(office, "somchai", PASSWORD)
    made = EapBench(office, methods=("peap", "ttls", "tls", "mschapv2", "pwd"))
    yield made
    made.close()


def keep(office: Office) -> None:
    """Let the account of the bench keep its password, which the next change of it does."""
    hashed = office.passwords.hash(PASSWORD)
    with office.database.write() as session:
        account = people.get(session, "somchai")
        recoverable.choose(session, office, account, Recoverable.PASSWORD, "test")
        people.set_password(session, office, "somchai", hashed, "test", password=PASSWORD)


def tunnelled(bench: EapBench, password: str) -> tuple[Talk, InPeap]:
    context = client_context(bench.office.config.eap_ca, SSL.TLS1_2_VERSION)
    inside = InPeap(b"somchai", password.encode())
    return Talk(bench, Peer(Type.PEAP, context, inside)), inside


def number(bench: EapBench) -> int:
    with bench.office.database.read() as session:
        return people.get(session, "somchai").id


def failures(bench: EapBench, who: int | str) -> float:
    """How many wrong passwords the throttle knows of this device at this account."""
    penalties = bench.worker._questions._throttle._penalties
    digest = penalties._of_account(who, "3c22fb000007", 1)
    known, count, _at, _until = _SLOT.unpack_from(penalties._table, penalties._offset(digest))
    return round(count) if known == digest else 0


def test_a_peer_that_hangs_up_after_a_refusal_in_peap_is_counted_and_logged(
    bench: EapBench,
) -> None:
    talk, inside = tunnelled(bench, "a guess")
    talk.until(lambda _reply: inside.was_refused)
    (event,) = bench.events()
    assert (event.reason, event.method, event.user_name) == (
        "wrong_password",
        "eap-peap",
        "somchai",
    )
    assert event.trace is not None
    assert event.trace.splitlines()[-1] == "policy:wrong_password"
    assert failures(bench, number(bench)) == 1


def test_a_refusal_in_peap_that_is_heard_to_its_end_is_counted_and_logged_once(
    bench: EapBench,
) -> None:
    talk, _ = tunnelled(bench, "a guess")
    assert talk.until().code == REJECT
    assert bench.reasons() == ["wrong_password"]
    assert failures(bench, number(bench)) == 1


@pytest.mark.parametrize("hangs_up", [True, False])
def test_a_certificate_that_is_refused_is_one_line_whether_the_peer_goes_on_or_not(
    bench: EapBench, tmp_path: Path, hangs_up: bool
) -> None:
    stranger = Authority(tmp_path, "Another CA").issue("somchai", "somchai")
    context = client_context(bench.office.config.eap_ca, SSL.TLS1_2_VERSION, stranger)
    peer = Peer(Type.TLS, context)
    reply = Talk(bench, peer).until(lambda _reply: hangs_up and peer.alert)
    assert reply.code == (CHALLENGE if hangs_up else REJECT)
    (event,) = bench.events()
    assert (event.reason, event.method) == ("certificate_refused", "eap-tls")
    assert event.trace is not None
    assert event.trace.splitlines()[-1].startswith("tls:certificate=")


def test_a_right_password_in_peap_is_one_line(bench: EapBench) -> None:
    talk, _ = tunnelled(bench, PASSWORD)
    assert talk.until().code == ACCEPT, [event.trace for event in bench.events()]
    assert bench.reasons() == ["ok"]


@pytest.mark.parametrize("hangs_up", [True, False])
def test_a_wrong_answer_to_mschapv2_is_one_line_whether_the_peer_goes_on_or_not(
    bench: EapBench, hangs_up: bool
) -> None:
    keep(bench.office)
    told: list[bytes] = []
    peer = Mschap("a guess", b"somchai")

    def method(type_data: bytes) -> bytes:
        told.append(type_data)
        return bytes((4,)) if type_data[0] == 4 else peer(type_data)

    talk = Talk(bench, Plain(26, b"somchai", method))
    reply = talk.until(lambda _reply: hangs_up and told[-1:] and told[-1][0] == 4)
    assert reply.code == (CHALLENGE if hangs_up else REJECT)
    assert bench.reasons() == ["wrong_password"]
    assert failures(bench, number(bench)) == 1


def test_a_peer_of_pwd_that_goes_away_from_our_proof_has_guessed(bench: EapBench) -> None:
    keep(bench.office)
    talk = Talk(bench, Plain(52, b"somchai", Pwd("a guess", b"somchai")))
    talk.until(lambda _reply: talk.said[5:6] == b"\x03")
    assert (bench.events(), failures(bench, number(bench))) == ([], 1)
    open_ones = bench.worker._conversing._open
    for state, (at, login) in list(open_ones._open.items()):
        open_ones._open[state] = (at - LIFETIME_SECONDS, login)
    bench.worker._next_second = 0.0
    bench.turn()
    (event,) = bench.events()
    assert (event.reason, event.method, event.outcome) == ("wrong_password", "eap-pwd", "reject")
    assert event.trace is not None
    assert event.trace.splitlines()[-1] == "eap:abandoned"
    assert failures(bench, number(bench)) == 1
    # Whoever comes back late is told so, and is not counted twice.
    assert talk.step().code == REJECT
    assert bench.reasons() == ["wrong_password", "eap_conversation_lost"]
    assert failures(bench, number(bench)) == 1


def test_a_peer_of_pwd_that_is_right_has_not_failed(bench: EapBench) -> None:
    keep(bench.office)
    penalties = bench.worker._questions._throttle._penalties
    for _ in range(3):
        talk = Talk(bench, Plain(52, b"somchai", Pwd(PASSWORD, b"somchai")))
        assert talk.until().code == ACCEPT
        assert failures(bench, number(bench)) == 0
    digest = penalties._of_device("3c22fb000007", 1)
    known, count, _at, _until = _SLOT.unpack_from(penalties._table, penalties._offset(digest))
    assert (known, round(count)) == (digest, 0)


def test_guesses_at_pwd_in_many_conversations_at_once_are_held_back(bench: EapBench) -> None:
    keep(bench.office)
    reasons = []
    for _ in range(12):
        talk = Talk(bench, Plain(52, b"somchai", Pwd("a guess", b"somchai")))
        reply = talk.until(lambda _reply: talk.said[5:6] == b"\x03")  # noqa: B023
        reasons.append(reply.code)
    assert reasons == [CHALLENGE] * 11 + [REJECT]
    assert bench.reasons() == ["too_many_attempts"]


def give_up(bench: EapBench) -> None:
    """Let the time pass after which nobody waits for a peer any more."""
    bench.worker._conversing.expire(time.monotonic() + LIFETIME_SECONDS)
    bench.turn()


def test_a_conversation_that_its_peer_leaves_has_one_line_that_says_how_far_it_came(
    bench: EapBench,
) -> None:
    talk, _ = tunnelled(bench, PASSWORD)
    talk.step()
    assert bench.events() == []
    give_up(bench)
    give_up(bench)
    (event,) = bench.events()
    assert (event.reason, event.outcome) == ("eap_conversation_lost", "reject")
    assert event.account_id is None
    assert event.trace is not None
    steps = event.trace.splitlines()
    assert steps[0].startswith("eap:identity=")
    assert steps[1:] == ["eap:method=peap", "eap:unanswered"]
    assert failures(bench, number(bench)) == 0


def test_a_conversation_that_is_left_before_a_name_is_said_has_no_line(bench: EapBench) -> None:
    talk = Talk(bench, Plain(26, b"somchai", bytes))
    talk.said = b""
    assert talk.step().code == CHALLENGE
    give_up(bench)
    assert bench.events() == []


def test_a_login_that_ends_well_leaves_no_other_line_later(bench: EapBench) -> None:
    talk, _ = tunnelled(bench, PASSWORD)
    assert talk.until().code == ACCEPT
    give_up(bench)
    assert bench.reasons() == ["ok"]


def test_a_voucher_code_in_a_conversation_that_is_left_is_not_in_the_log(
    bench: EapBench,
) -> None:
    code = b"ABCDE-FGHJK"
    talk = Talk(bench, Plain(26, code, bytes), name=code)
    assert talk.step().code == CHALLENGE
    give_up(bench)
    (event,) = bench.events()
    assert (event.reason, event.user_name) == ("eap_conversation_lost", "voucher …HJK")
    assert "ABCDE" not in (event.trace or "")


def test_a_voucher_code_in_a_conversation_that_ends_early_is_not_in_the_log(
    bench: EapBench,
) -> None:
    code = b"ABCDE-FGHJK"
    peer = Plain(4, code, bytes)  # wants EAP-MD5, which nobody offers
    assert Talk(bench, peer, name=code).until().code == REJECT
    (event,) = bench.events()
    assert (event.reason, event.user_name) == ("eap_no_common_method", "voucher …HJK")
    assert "ABCDE" not in (event.trace or "")
