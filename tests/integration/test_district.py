"""A made-up district, told to the real pipeline, and asked about: the answers against the truth.

bench/district.py does the same with 50 schools and 40,000 people.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from common import config as configuration
from tests.conftest import write_configuration
from tests.district import judging
from tests.district.feeding import EPOCH, District, feed_accounting
from tests.district.gateways import Traffic
from tests.district.judging import Judge, Kind, Score
from tests.district.reports import SECRET, Reports
from tests.district.world import Size, World, number_sessions
from tests.integration.radius_site import LOOPBACK, live_site, running_radius
from traffic.lookup.service import run_lookup

SEED = 7
SIZE = Size(schools=5, people=500)
EACH = 30


@pytest.fixture(scope="module")
def district(_made_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[District]:
    """One district for all tests here."""
    folder = tmp_path_factory.mktemp("district")
    shutil.copytree(_made_site / "var", folder / "var")
    made = District(configuration.load(write_configuration(folder)), SEED, SIZE)
    made.feed()
    yield made
    made.close()


@pytest.fixture(scope="module")
def scores(district: District) -> dict[Kind, Score]:
    return Judge(district, SEED).run(EACH)


def every_single_answer_is_right(scores: dict[Kind, Score]) -> None:
    assert [one for score in scores.values() for one in score.wrong] == []
    assert sum(score.right for score in scores.values()) > 2 * EACH


def what_can_be_answered_is_answered(scores: dict[Kind, Score]) -> None:
    answerable = sum(score.answerable for score in scores.values())
    missed = [one for score in scores.values() for one in score.missed]
    assert answerable > 2 * EACH
    assert sum(score.answered for score in scores.values()) >= 0.99 * answerable, missed


def several_people_are_never_one(scores: dict[Kind, Score]) -> None:
    several = sum(score.ambiguous_truth for score in scores.values())
    assert several > 0
    assert sum(score.ambiguous_told for score in scores.values()) == several


def what_the_collector_did_not_hear_is_a_gap(scores: dict[Kind, Score]) -> None:
    for kind in (Kind.OUTAGE, Kind.BEFORE):
        outcomes = scores[kind].outcomes
        assert outcomes["gap"] > EACH // 3
        assert outcomes["none"] == 0


def test_the_judge_is_not_taken_in_by_invented_names(
    district: District, monkeypatch: pytest.MonkeyPatch
) -> None:

    def invents(*arguments: Any) -> Any:
        answer = run_lookup(*arguments)
        for one in answer["candidates"]:
            one["account"] = "p0"
        return answer

    monkeypatch.setattr(judging, "run_lookup", invents)
    lied = Judge(district, 1).run(3)
    assert sum(len(score.wrong) for score in lied.values()) > 0
    assert sum(score.answered for score in lied.values()) < sum(
        score.answerable for score in lied.values()
    )


def test_one_seed_makes_one_world() -> None:
    def octets(seed: int) -> bytes:
        world = World(seed, Size(schools=2, people=40))
        number_sessions(world)
        reports = Reports(world, EPOCH, lambda person, reference: bytes(26))
        traffic = Traffic(world, EPOCH)
        told = [one.octets for one in reports.arrivals]
        return b"".join(told + [one.octets for one in traffic.datagrams])

    assert octets(7) == octets(7)
    assert octets(7) != octets(8)


def test_over_udp_the_same_sessions_come_of_it(
    district: District, _made_site: Path, tmp_path: Path
) -> None:
    """What the other tests feed past the sockets, sent to a server and acknowledged by it."""
    school = district.world.schools[0]
    sample = [one for one in district.reports.arrivals if one.school is school][:300]
    live = live_site(tmp_path, _made_site)
    live.add_nas("school", LOOPBACK, secret=SECRET.decode())
    with running_radius(live), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(20)
        sock.connect(("127.0.0.1", live.acct_port))
        for one in sample:
            sock.send(one.octets)
            assert sock.recv(4096)[:2] == bytes((5, one.octets[1]))
    shutil.copytree(_made_site / "var", tmp_path / "fed" / "var")
    fed = District(
        configuration.load(write_configuration(tmp_path / "fed")), SEED, Size(schools=1, people=1)
    )
    fed.enrol()
    feed_accounting(fed.office, [replace(one, school=fed.world.schools[0]) for one in sample])
    with fed.office.database.read() as session:
        expected = {tuple(row) for row in session.execute(text(_HELD))}
    fed.close()
    assert {(*row,) for row in live.rows(_HELD)} == expected
    assert len(expected) > 20


_HELD = (
    "SELECT acct_session_id, user_name, calling_station_id, stop_seen, session_seconds, address "
    "FROM network_session JOIN address_interval USING (session_key)"
)


def test_every_answer_about_a_district_is_judged(scores: dict[Kind, Score]) -> None:
    """One test, because workers that share these would each make a district of their own."""
    every_single_answer_is_right(scores)
    what_can_be_answered_is_answered(scores)
    several_people_are_never_one(scores)
    what_the_collector_did_not_hear_is_a_gap(scores)
