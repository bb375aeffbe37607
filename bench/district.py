"""A district of 50 schools and 40,000 people with known truth: are the look-ups right?

Accounting and flows go through the real pipeline (tests/district), then questions are asked at
random moments and compared with what was. Takes some minutes; `--schools`, `--people` and
`--each` make it smaller, `--seed` another world.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.processes import end_on_sigterm
from common import config as configuration
from tests.conftest import write_configuration
from tests.district.feeding import District
from tests.district.judging import Judge, Kind, Score
from tests.district.world import Size
from yuenyan.initialise import initialise

RECALL = 0.99
"""The least share of answerable questions that must be answered."""


def main() -> int:
    """Ask; the exit code says whether every single answer was right, and enough were given."""
    end_on_sigterm()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schools", type=int, default=50)
    parser.add_argument("--people", type=int, default=40_000)
    parser.add_argument("--each", type=int, default=150, help="questions of each kind")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = configuration.load(write_configuration(Path(folder)))
        initialise(config, "head", "correct horse battery")
        size = Size(schools=asked.schools, people=asked.people)
        started = time.perf_counter()
        district = District(config, asked.seed, size)
        made = time.perf_counter()
        district.feed()
        fed = time.perf_counter()
        scores = Judge(district, asked.seed).run(asked.each)
        show_world(district, made - started, fed - made)
        district.close()
    return show_scores(scores)


def show_world(district: District, making: float, feeding: float) -> None:
    sessions = sum(len(visit.stays) for visit in district.world.visits)
    lost = sum(one.lost for one in district.traffic.connections)
    print(f"{district.world.size.schools} schools, {district.world.size.people:,} people", end="; ")
    print(f"{len(district.world.visits):,} visits, {sessions:,} sessions", end="; ")
    print(f"accounting: {district.reports.sent:,} sent", end=", ")
    print(f"{len(district.reports.arrivals):,} arrived, doubles included")
    print(
        f"{len(district.traffic.connections):,} connections, {lost:,} not told of whole", end="; "
    )
    print(f"{len(district.traffic.datagrams):,} datagrams arrived", end="; ")
    print(f"made in {making:.0f} s, fed in {feeding:.0f} s")


def show_scores(scores: dict[Kind, Score]) -> int:
    """Print the table; 1 when an answer was wrong or too few were given."""
    heads = ("asked", "single", "ambig.", "gap", "none", "precision", "answerable", "recall", "ms")
    print(f"{'':<31}" + "".join(f"{head:>11}" for head in heads))
    for kind, score in scores.items():
        slowest = sorted(score.seconds)[len(score.seconds) // 2] * 1000 if score.seconds else 0
        outcomes = (score.outcomes[name] for name in ("single", "ambiguous", "gap", "none"))
        print(
            f"{kind:<31}{score.asked:>11}"
            + "".join(f"{number:>11}" for number in outcomes)
            + f"{score.precision:>11.4f}{score.answerable:>11}{score.recall:>11.4f}{slowest:>11.0f}"
        )
    several = sum(score.ambiguous_truth for score in scores.values())
    told = sum(score.ambiguous_told for score in scores.values())
    print(f"several people in truth, all told of: {several}; not called single: {told}")
    wrong = [one for score in scores.values() for one in score.wrong]
    missed = [one for score in scores.values() for one in score.missed]
    for text in (*wrong[:20], *missed[:20]):
        print(f"  {'wrong' if text in wrong else 'missed'}: {text}")
    answerable = sum(score.answerable for score in scores.values())
    answered = sum(score.answered for score in scores.values())
    bad = bool(wrong) or answered < RECALL * answerable
    print("FAILED" if bad else "all single answers right", f"recall {answered}/{answerable}")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
