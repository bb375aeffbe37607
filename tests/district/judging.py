"""Asks the look-up about moments of a made-up district, and compares with the truth.

**Answerable** is a question for which the truth has exactly one person in the window, the window
being the time asked with its tolerance, the clock error and `GUARD` more, and everything that
proves it reached us: of every connection of that port in the window, every flow record; of that
person's session, a report that gives its beginning and one from after the window (or its stop);
and no other session that had the same inside address could still have gone on, as far as
the reports that arrived can tell.

A `single` is **right** when the person named really had it in the window or within `GUARD` of
it, and nobody else had it in the window (without `GUARD`) of whom any record tells that reached
us. It is wrong in every other case. A `none` is wrong when somebody had it and the records
that tell so reached us, or when a flow record is missing, which is always noticed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from time import perf_counter
from typing import Any

from tests.district.feeding import FIRST_ACCOUNT, District, moment
from tests.district.gateways import TCP, Connection
from tests.district.reports import Knowledge
from traffic.lookup.question import CLOCK_ERROR_MS
from traffic.lookup.service import run_lookup

CLOCK_ERROR = CLOCK_ERROR_MS / 1000
GUARD = 6.0
"""Seconds: an exporter whose clock is up to 5 s wrong is believed in both readings, and a
header tells whole seconds."""


class Kind(StrEnum):
    """What is asked."""

    PORT = "public address and port"
    INSIDE = "inside address"
    IPV6 = "IPv6 address"
    UNUSED = "public port, any moment"
    OUTAGE = "while the collector was down"
    UPLINK = "inside, school cut off"
    BEFORE = "before it was, told while it was"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question, and what is true of it."""

    kind: Kind
    address: str
    port: int | None
    protocol: str | None
    at_s: float
    tolerance: float
    people: frozenset[int]
    """Who really had it in the window."""
    near: frozenset[int]
    """Who had it in the window or within `GUARD` of it."""
    told: frozenset[int]
    """Those of them of whom any record reached us that could tell."""
    answerable: bool
    hidden: bool
    """A record that tells of the window was lost."""
    noticed: bool
    """A flow record was: sequence numbers and outages tell, so `none` would be a lie."""


@dataclass(slots=True)
class Score:
    """What the answers to questions of one kind came to."""

    asked: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    right: int = 0
    answerable: int = 0
    answered: int = 0
    wrong: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    ambiguous_truth: int = 0
    ambiguous_told: int = 0
    """Of the questions with several people in truth, all told of: those not called `single`."""
    seconds: list[float] = field(default_factory=list)

    @property
    def precision(self) -> float:
        """Right ones of all `single` answers."""
        singles = self.right + sum(1 for one in self.wrong if one.startswith("single"))
        return self.right / singles if singles else 1.0

    @property
    def recall(self) -> float:
        """Answerable questions that got their `single` answer."""
        return self.answered / self.answerable if self.answerable else 1.0


class Judge:
    """Makes questions from a seed and judges the answers."""

    def __init__(self, district: District, seed: int) -> None:
        self._district = district
        self._random = Random(seed)
        self._knowledge = Knowledge(district.world, district.reports)
        self._translated = [one for one in district.traffic.connections if one.public]
        self._cut_off = [
            (one, max(one.from_s, visit.school.outage[0]), min(one.to_s, visit.school.outage[1]))
            for visit in district.world.visits
            if visit.school.outage
            for one in visit.holdings
            if ":" not in one.address
            and one.from_s < visit.school.outage[1]
            and one.to_s > visit.school.outage[0]
        ]
        """(who had what, from when to when while accounting did not reach us)"""
        self._holdings = [one for visit in district.world.visits for one in visit.holdings]

    def run(self, each: int) -> dict[Kind, Score]:
        """Ask `each` questions of each kind."""
        scores = {kind: Score() for kind in Kind}
        for asked in self._questions(each):
            self._judge(scores[asked.kind], asked)
        return scores

    def _questions(self, each: int) -> Iterator[Asked]:
        rng = self._random
        outage = self._district.traffic.outage
        during = [
            one for one in self._translated if one.from_s > outage[0] and one.to_s < outage[1] - 16
        ]
        before = [one for one in self._translated if one.lost and one.from_s < outage[0] - 5]
        four = [one for one in self._holdings if ":" not in one.address]
        six = [one for one in self._holdings if ":" in one.address]
        for _ in range(each):
            one = rng.choice(self._translated)
            yield self._port(Kind.PORT, one, rng.uniform(one.from_s, one.to_s))
            yield self._port(
                Kind.UNUSED,
                rng.choice(self._translated),
                rng.uniform(0, self._district.world.size.seconds),
            )
            if during:
                one = rng.choice(during)
                yield self._port(Kind.OUTAGE, one, rng.uniform(one.from_s, one.to_s))
            if self._cut_off:
                held, first, last = rng.choice(self._cut_off)
                yield self._inside(Kind.UPLINK, held.address, rng.uniform(first, last))
            if before:
                one = rng.choice(before)
                at = rng.uniform(one.from_s, min(one.to_s, outage[0] - 3))
                yield self._port(Kind.BEFORE, one, at)
            for kind, holdings in ((Kind.INSIDE, four), (Kind.IPV6, six)):
                if holdings:
                    held = rng.choice(holdings)
                    yield self._inside(kind, held.address, rng.uniform(held.from_s, held.to_s))

    def _tolerance(self) -> float:
        return self._random.choice((0.0, 0.0, 1.0, 30.0, 120.0))

    def _port(self, kind: Kind, one: Connection, at: float) -> Asked:
        tolerance = self._tolerance()
        narrow = tolerance + CLOCK_ERROR
        wide = narrow + GUARD
        users = self._district.traffic.behind[one.public, one.protocol, one.port]
        near = [user for user in users if user.from_s <= at + wide and user.to_s >= at - wide]
        inside = [user for user in near if user.from_s <= at + narrow and user.to_s >= at - narrow]
        answerable = (
            len({user.person for user in near}) == 1
            and bool(inside)
            and not any(user.lost for user in near)
            and all(
                self._knowledge.knows(
                    user.person,
                    user.inside,
                    max(user.from_s, at - wide),
                    min(user.to_s, at + wide),
                    3.0,
                )
                for user in near
            )
        )
        return Asked(
            kind=kind,
            address=one.public,
            port=one.port,
            protocol="tcp" if one.protocol == TCP else "udp",
            at_s=at,
            tolerance=tolerance,
            people=frozenset(user.person for user in inside),
            near=frozenset(user.person for user in near),
            told=frozenset(user.person for user in inside if not user.lost),
            answerable=answerable,
            hidden=any(user.lost for user in inside),
            noticed=any(user.lost for user in inside),
        )

    def _inside(self, kind: Kind, address: str, at: float) -> Asked:
        tolerance = self._tolerance()
        narrow = tolerance + CLOCK_ERROR
        world = self._district.world
        people = world.people_with(address, at - narrow, at + narrow)
        near = world.people_with(address, at - narrow - GUARD, at + narrow + GUARD)
        mine = [
            one
            for one in world.holders[address]
            if one.from_s <= at + narrow and one.to_s >= at - narrow
        ]
        told = {
            who
            for who in people
            if self._knowledge.hears_of(who, address, at - narrow, at + narrow)
        }
        return Asked(
            kind=kind,
            address=address,
            port=None,
            protocol=None,
            at_s=at,
            tolerance=tolerance,
            people=frozenset(people),
            near=frozenset(near),
            told=frozenset(told),
            answerable=len(near) == 1
            and bool(mine)
            and all(
                self._knowledge.knows(
                    one.person,
                    address,
                    max(one.from_s, at - narrow),
                    min(one.to_s, at + narrow),
                    3.0,
                )
                for one in mine
            ),
            hidden=told != people,
            noticed=False,
        )

    def _judge(self, score: Score, asked: Asked) -> None:
        started = perf_counter()
        answer = self._ask(asked)
        score.seconds.append(perf_counter() - started)
        score.asked += 1
        outcome = answer["outcome"]
        score.outcomes[outcome] += 1
        named = {_person(one) for one in answer["candidates"]}
        if outcome == "single":
            if len(named) == 1 and named <= asked.near and asked.told <= named:
                score.right += 1
            else:
                score.wrong.append(f"single {_told(asked, named)}")
        if outcome in ("none", "ambiguous") and not asked.told <= named:
            score.missed.append(f"{outcome} without somebody: {_told(asked, named)}")
        if outcome == "none" and asked.people and (asked.noticed or not asked.hidden):
            score.wrong.append(f"none {_told(asked, named)}")
        if len(asked.told) > 1:
            score.ambiguous_truth += 1
            score.ambiguous_told += outcome != "single"
        if asked.answerable:
            score.answerable += 1
            if outcome == "single" and named == asked.people:
                score.answered += 1
            else:
                score.missed.append(f"{outcome} {_told(asked, named)}")

    def _ask(self, asked: Asked) -> dict[str, Any]:
        question: dict[str, Any] = {
            "at": moment(asked.at_s),
            "address": asked.address,
            "tolerance_seconds": asked.tolerance,
            "case": "1/2569",
            "reason": "measured",
        }
        if asked.port is not None:
            question |= {"port": asked.port, "protocol": asked.protocol}
        district = self._district
        return dict(run_lookup(district.office.database, district.config, question, "bench"))


def _person(candidate: dict[str, Any]) -> int | None:
    name = candidate["account"]
    return int(name[1:]) if name else None


def _told(asked: Asked, named: set[int | None]) -> str:
    return (
        f"{asked.kind}: {asked.address} port {asked.port}/{asked.protocol} at {asked.at_s:.2f}"
        f" ±{asked.tolerance}: named {named}, true {set(asked.people)}, told {set(asked.told)},"
        f" account {FIRST_ACCOUNT}+"
    )
