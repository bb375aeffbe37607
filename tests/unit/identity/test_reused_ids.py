"""Which session a packet belongs to when its Acct-Session-Id was used before."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity.domain.reused_ids import Claim, Course, numbered_key, place
from identity.domain.sessions import SessionState, ended_at, join_sessions

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def claim(
    begun: float, ref: str | None = None, told: float | None = None, start: bool = False
) -> Claim:
    return Claim(ref, at(begun), start, None if told is None else at(told))


ENDED = (Course("aa", at(100)),)
TWICE = (Course("aa", at(100)), Course("bb", None))
DAY = 86_400


@pytest.mark.parametrize(
    ("courses", "asked", "number"),
    [
        pytest.param((), claim(0, "aa"), 1, id="the first packet ever"),
        pytest.param(ENDED, claim(105, "bb"), 2, id="another login, begun after the stop"),
        pytest.param(ENDED, claim(50, "bb"), 1, id="a login within the session, then its stop"),
        pytest.param(ENDED, claim(700, "aa"), 1, id="a copy that came late, of the same login"),
        pytest.param(ENDED, claim(105), 1, id="late, and nothing says that it is new"),
        pytest.param(ENDED, claim(105, told=105, start=True), 2, id="a start told after the stop"),
        pytest.param(ENDED, claim(105, told=0, start=True), 1, id="a start told before the stop"),
        pytest.param(ENDED, claim(105, start=True), 1, id="a start that may be a late copy"),
        pytest.param(ENDED, claim(2 * DAY, start=True), 2, id="a start that can be none"),
        pytest.param((Course("aa", None),), claim(105, "bb"), 1, id="another login while open"),
        pytest.param(TWICE, claim(50), 1, id="a late packet of the first"),
        pytest.param(TWICE, claim(105), 2, id="an update of the second without Class"),
        pytest.param(TWICE, claim(105, "aa"), 1, id="a late packet of the first login"),
        pytest.param(TWICE, claim(90, "bb"), 2, id="the second login, whatever the time"),
    ],
)
def test_a_packet_finds_its_session(courses: tuple[Course, ...], asked: Claim, number: int) -> None:
    assert place(courses, asked) == number


def test_the_first_session_keeps_its_key_and_the_others_have_their_own() -> None:
    keys = [numbered_key("k" * 32, number) for number in range(1, 600)]
    assert keys[0] == "k" * 32
    assert len(set(keys)) == len(keys)


class Sent:
    """A packet of visit `visit`: `offset` seconds into it, and `late` seconds on its way."""

    def __init__(self, visit: int, offset: int, kind: str, late: float) -> None:
        received = at(visit * 1000 + offset + late)
        self.visit, self.ref = visit, f"login-{visit}"
        self.state = SessionState(
            session_key="k",
            nas_client_id=1,
            acct_session_id="1",
            user_name="u",
            session_ref=self.ref,
            started_at=received - timedelta(seconds=offset),
            last_heard_at=received,
            session_seconds=offset,
            stop_seen=int(kind == "stop"),
            stop_at=received if kind == "stop" else None,
        )


@settings(deadline=None)
@given(st.data())
def test_visits_never_mix_whatever_the_order_within_and_after_them(data: st.DataObject) -> None:
    """Each visit's packets in any order, copies of earlier visits among those of later ones.

    A stop is there before the next visit begins, as the rule demands.
    """
    visits = data.draw(st.integers(2, 4))
    chance = random.Random(data.draw(st.integers(0, 2**32)))
    arriving: list[Sent] = []
    for visit in range(visits):
        mine = [Sent(visit, 0, "start", 0), Sent(visit, 300, "interim", 0)]
        mine.append(Sent(visit, 500, "stop", 0))
        copies = [packet for packet in arriving if chance.random() < 0.5]
        chance.shuffle(mine)
        arriving += [*mine, *copies]
    found: dict[int, SessionState] = {}
    for packet in arriving:
        courses = [Course(s.session_ref, ended_at(s)) for _, s in sorted(found.items())]
        number = place(courses, Claim(packet.ref, packet.state.started_at, False, None))
        known = found.get(number)
        state = replace(packet.state, session_key=str(number))
        found[number] = state if known is None else join_sessions(known, state)
    assert sorted(found) == list(range(1, visits + 1))
    for number, state in found.items():
        assert state.session_ref == f"login-{number - 1}"
        assert state.started_at == at((number - 1) * 1000)
        assert state.session_seconds == 500
