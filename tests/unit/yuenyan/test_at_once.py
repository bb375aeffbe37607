"""`yuenyan flows` of one address gives at once what the whole command gives."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from common.config import RETENTION_FLOOR_DAYS
from db.engine import Database
from db.models import AuditEvent
from tests.conftest import Site
from tests.unit.traffic.lookup.test_service import archive_flows
from tests.vectors.flows.datagrams import SECONDS, Flow
from traffic.archive import glance
from traffic.archive import index as indexing
from traffic.archive.entries import Entry, GapNote
from traffic.archive.inside import Inside
from traffic.archive.manifest import Manifest
from traffic.clock import bound
from traffic.clock.judgement import State, Verdict
from traffic.clock.ntp import Measurement
from traffic.clock.sampling import Sample, store_sample, store_step
from traffic.lookup import at_once as answering
from traffic.lookup import flows as asking
from traffic.lookup.flows import DEFAULT_LIMIT
from traffic.lookup.question import read_moment
from yuenyan import at_once
from yuenyan.commands.flows import flows_command

NOW = datetime.fromtimestamp(SECONDS, UTC) + timedelta(days=3)
FROM, TO = "2026-05-16T00:00:00Z", "2026-05-17T00:00:00Z"


def period(before: int = 3600, after: int = 3600) -> tuple[str, str]:
    begin, end = (
        datetime.fromtimestamp(SECONDS + seconds, UTC).isoformat() for seconds in (-before, after)
    )
    return begin, end


def words(site: Site, *more: str, **changed: str | None) -> list[str]:
    begin, end = period()
    options: dict[str, str | None] = {
        "address": "10.1.2.3",
        "from": begin,
        "to": end,
        "case": "ก-๑",
        "reason": 'a "reason"',
        **changed,
    }
    given = [part for name, value in options.items() if value for part in (f"--{name}", value)]
    return ["--config", str(site.config_file), "flows", *given, "--json", *more]


def answered(asked: Sequence[str]) -> bytes | None:
    """What the quick command prints, or None where it leaves the question to the whole one."""
    pieces = at_once.answer(asked)
    return None if pieces is None else b"".join(pieces)


@pytest.fixture
def kept(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site with flows of three days ago, and a configuration that is known."""
    for module in (answering, asking):
        monkeypatch.setattr(module, "utc_now", lambda: NOW)
    archive_flows(site, Flow(), Flow(src_port=7, dst="198.51.100.7"), Flow(src="10.9.9.9"))
    assert site.yuenyan("archive", "status", "--json").exit_code == 0
    return site


def without_clock(answer: str | bytes) -> dict[str, Any]:
    """The answer without what differs from one moment to the next."""
    tree: dict[str, Any] = json.loads(answer)
    tree.pop("elapsed_ms")
    return tree


def readings(site: Site) -> Sequence[tuple[str, str, str, str]]:
    database = Database(site.config.database_url)
    try:
        with database.read() as session:
            rows = session.execute(
                select(AuditEvent.actor, AuditEvent.action, AuditEvent.target, AuditEvent.detail)
                .where(AuditEvent.action == "flows:read")
                .order_by(AuditEvent.id)
            )
            return [(row[0], row[1], row[2], json.dumps(row[3])) for row in rows]
    finally:
        database.dispose()


@pytest.mark.parametrize(
    ("more", "changed"),
    [
        pytest.param((), {}, id="plain"),
        pytest.param(("--limit", "1"), {}, id="cut"),
        pytest.param(("--limit=1", "--offset=1"), {}, id="gone-on-with"),
        pytest.param((), {"address": "10.9.9.9"}, id="another"),
        pytest.param((), {"address": "10.8.8.8"}, id="nobody"),
        pytest.param((), {"from": period(9)[0], "to": period(0, -8)[1]}, id="before-it-began"),
    ],
)
def test_the_answer_and_its_record_are_those_of_the_whole_command(
    kept: Site, more: tuple[str, ...], changed: dict[str, str | None]
) -> None:
    asked = words(kept, *more, **changed)
    quick = answered(asked)
    assert quick is not None
    whole = kept.yuenyan(*asked[2:])
    assert whole.exit_code == 0, whole.stderr
    assert without_clock(quick) == without_clock(whole.stdout)
    assert json.dumps(json.loads(quick), ensure_ascii=False, indent=2).encode() == quick
    first, second = readings(kept)
    assert first == second


def test_gaps_of_every_kind_and_what_still_waits_are_told_alike(kept: Site) -> None:
    database = Database(kept.config.database_url)
    base = SECONDS * 10**6
    with database.write() as session:
        session.execute(
            text(
                "INSERT INTO service_run (process, node, started_at, alive_at, stopped_at)"
                " VALUES ('collector', 'n', :a, :b, :b)"
            ),
            {"a": base - 600 * 10**6, "b": base + 600 * 10**6},
        )
        session.execute(
            text(
                "INSERT INTO gap (kind, source, from_at, to_at, lost, reason)"
                " VALUES ('flow', '192.0.2.1', :a, :b, 3, 'sequence')"
            ),
            {"a": base, "b": base + 10**6},
        )
    database.dispose()
    notes = tuple(
        GapNote(
            source=source,
            from_ms=SECONDS * 1000,
            to_ms=SECONDS * 1000 + 1000,
            lost=lost,
            reason="sequence",
        )
        for source, lost in (("192.0.2.1", 3), ("192.0.2.9", 1), ("syslog 192.0.2.1", 1))
    )
    manifest = Manifest(kept.data_dir / "archive")
    with manifest.locked():
        manifest.append([Entry(kind="flow", node="node", spools=(2,), gaps=notes)])
    asked = words(kept)
    quick = answered(asked)
    assert quick is not None
    whole = without_clock(kept.yuenyan(*asked[2:]).stdout)
    assert without_clock(quick) == whole
    assert {(gap["reason"], gap["source"]) for gap in whole["gaps"]} == {
        ("not_running", "collector"),
        ("sequence", "192.0.2.1"),
        ("sequence", "192.0.2.9"),
    }


@pytest.mark.parametrize(
    ("more", "changed"),
    [
        pytest.param((), {"case": " "}, id="no-case"),
        pytest.param((), {"reason": None}, id="no-reason"),
        pytest.param((), {"address": None}, id="no-address"),
        pytest.param((), {"address": "10.1.2.03"}, id="address-in-another-form"),
        pytest.param((), {"address": "fd00::1"}, id="ipv6"),
        pytest.param((), {"address": "203.0.113.9"}, id="not-a-client"),
        pytest.param((), {"from": "16/05/2569 00:00"}, id="a-thai-time"),
        pytest.param((), {"from": TO, "to": FROM}, id="ends-before-it-begins"),
        pytest.param((), {"from": "2020-01-01T00:00:00Z"}, id="beyond-retention"),
        pytest.param(("--user", "somchai"), {}, id="a-user-too"),
        pytest.param(("--approval", "1"), {}, id="an-approval"),
        pytest.param(("--csv",), {}, id="csv"),
        pytest.param(("--limit", "0"), {}, id="limit-zero"),
        pytest.param(("--limit",), {}, id="no-limit"),
        pytest.param(("--case", "again"), {}, id="twice"),
        pytest.param(("--help",), {}, id="help"),
    ],
)
def test_what_is_not_plain_is_left_to_the_whole_command_and_nothing_is_recorded(
    kept: Site, more: tuple[str, ...], changed: dict[str, str | None]
) -> None:
    assert answered(words(kept, *more, **changed)) is None
    assert readings(kept) == []


def test_a_second_person_is_asked_for_by_the_whole_command(kept: Site) -> None:
    kept.config_file.write_text(
        kept.config_file.read_text() + "[lookup]\nsecond_person = true\n", encoding="utf-8"
    )
    kept.yuenyan("archive", "status", "--json")
    assert answered(words(kept)) is None
    assert readings(kept) == []


def good(at: datetime, offset_us: int, error_us: int) -> Sample:
    own = Verdict(state=State.SYNCHRONISED, method="chrony", offset_us=offset_us, error_us=error_us)
    told = Measurement(
        offset_us=10**9, error_us=9, delay_us=8, root_distance_us=3, stratum=1, reference="GNSS"
    )
    return Sample(at=at, own=own, servers={"a server that is wrong": told})


def unreachable(at: datetime) -> Sample:
    own = Verdict(state=State.UNREACHABLE, method="sntp", reason="no_server_answered")
    return Sample(at=at, own=own, servers={})


EVENT = datetime.fromtimestamp(SECONDS, UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("samples", "steps", "error_ms"),
    [
        pytest.param([good(EVENT, -2_500_000, 400_100)], [], 3901, id="one-sample"),
        pytest.param(
            [good(EVENT + at * HOUR, 300 * at, 2_000) for at in range(-2, 3)], [], 1003, id="hourly"
        ),
        pytest.param([good(EVENT + 40 * HOUR, 10**7, 0)], [], 1000, id="long-after"),
        pytest.param(
            [good(EVENT + at * HOUR, 0, 0) for at in (-2, 2)], [(0.5, 7_000_001)], 8001, id="a-step"
        ),
        pytest.param(
            [unreachable(EVENT + at * HOUR) for at in (-30, -1, 0, 30)],
            [(-20, -3_000_000), (20, 4_000_000), (-170, 10**9), (170, 10**9)],
            8000,
            id="never-reached-with-steps-for-a-week",
        ),
    ],
)
def test_a_site_whose_clock_was_measured_is_answered_alike(
    kept: Site, samples: list[Sample], steps: list[tuple[float, int]], error_ms: int
) -> None:
    for sample in samples:
        store_sample(kept.config, "node", sample)
    for hours, step_us in steps:
        store_step(kept.config, "node", EVENT + hours * HOUR, step_us)
    begin, end = period(10, -4)
    asked = words(kept, **{"from": begin, "to": end})
    quick = answered(asked)
    assert quick is not None
    whole = without_clock(kept.yuenyan(*asked[2:]).stdout)
    assert without_clock(quick) == whole
    assert whole["clock_error_ms"] == error_ms
    assert bool(whole["flows"]) == (error_ms > 2000)
    first, second = readings(kept)
    assert first == second


def test_samples_that_their_line_does_not_tell_of_are_read_by_the_whole_command(
    kept: Site,
) -> None:
    store_sample(kept.config, "node", good(EVENT, 2_000_000, 0))
    manifest = Manifest(kept.data_dir / "archive")
    *before, last = manifest.entries()
    manifest.path.unlink()
    with manifest.locked():
        manifest.append(before)
        manifest.append([replace(last, clock=())])  # as lines were before they told
    asked = words(kept)
    assert answered(asked) is None
    assert readings(kept) == []
    whole = kept.yuenyan(*asked[2:])
    assert without_clock(whole.stdout)["clock_error_ms"] == 3000


def test_samples_that_were_purged_no_longer_count(kept: Site) -> None:
    store_sample(kept.config, "node", good(EVENT, 2_000_000, 0))
    manifest = Manifest(kept.data_dir / "archive")
    with manifest.locked():
        purged = tuple(one.path for one in manifest.entries() if one.kind == "clock")
        manifest.append([Entry(kind="purge", node="node", removed=purged)])
    asked = words(kept)
    quick = answered(asked)
    assert quick is not None
    whole = without_clock(kept.yuenyan(*asked[2:]).stdout)
    assert without_clock(quick) == whole
    assert whole["clock_error_ms"] == 1000


@pytest.mark.parametrize("after", [0, 3])
def test_a_site_that_has_run_for_long_is_answered_alike(
    kept: Site, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Six hundred lines, an index, and lines that came after it."""
    store_sample(kept.config, "node", good(EVENT, -2_500_000, 400_100))
    monkeypatch.setattr(indexing, "UNINDEXED_OCTETS", 5_000)
    monkeypatch.setattr(glance, "UNINDEXED_OCTETS", 5_000)
    manifest = Manifest(kept.data_dir / "archive")
    base = SECONDS * 1000
    note = GapNote(source="192.0.2.9", from_ms=base, to_ms=base + 1000, lost=1, reason="sequence")
    other = [
        Entry(
            kind="flow",
            node="node",
            path=f"flow/date=2026-06-01/hour=00/node-{number}.parquet",
            active_min_ms=base + (100 + number) * 86_400_000,
            active_max_ms=base + (101 + number) * 86_400_000,
            gaps=(note,) if number == 400 else (),
        )
        for number in range(600)
    ]
    with manifest.locked():
        manifest.append(other)
    asked = words(kept)
    assert answered(asked) is None, "nobody has made the index yet"
    whole = without_clock(kept.yuenyan(*asked[2:]).stdout)
    with manifest.locked():
        for one in other[:after]:
            manifest.append([replace(one, path=f"{one.path}.{after}")])
    quick = answered(asked)
    assert quick is not None
    assert without_clock(quick) == whole
    assert (len(whole["flows"]), whole["clock_error_ms"]) == (2, 3901)
    assert "192.0.2.9" in {gap["source"] for gap in whole["gaps"]}
    first, second = readings(kept)
    assert first == second


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (b'"active_min_ms":1', b'"active_min_ms":"1"'),
        (b'"gaps":[]', b'"gaps":[1]'),
        (b'"gaps":[]', b'"gaps":[{}]'),
        (b'"path":"', b'"path":7,"node":"'),
        (b'"offset_us":-', b'"offset_us":-1e999,"error":'),
        (b'"at_ms":', b'"at_ms":null,"at":'),
    ],
)
def test_a_line_that_somebody_altered_is_left_to_who_can_say_so(
    kept: Site, was: bytes, now: bytes
) -> None:
    store_sample(kept.config, "node", good(EVENT, -2_500_000, 400_100))
    path = kept.data_dir / "archive" / "manifest.jsonl"
    octets = path.read_bytes()
    assert was in octets
    path.write_bytes(octets.replace(was, now))
    assert answered(words(kept)) is None
    assert readings(kept) == []


def test_the_states_of_a_clock_are_those_that_are_stored() -> None:
    assert (bound.GOOD, bound.STEP) == (State.SYNCHRONISED, State.STEP)


def test_a_group_that_is_not_whole_is_left_to_who_knows_groups(kept: Site) -> None:
    path = kept.data_dir / "archive" / "manifest.jsonl"
    octets = path.read_bytes()
    path.write_bytes(octets.replace(b'"part":1,"parts":1', b'"part":1,"parts":2'))
    assert answered(words(kept)) is None


def test_a_flow_between_two_clients_is_looked_for_on_every_side(kept: Site) -> None:
    archive_flows(kept, Flow(dst="10.7.7.7"), number=2)
    assert answered(words(kept)) is None


def test_a_purged_segment_is_left_out(kept: Site) -> None:
    manifest = Manifest(kept.data_dir / "archive")
    paths = tuple(entry.path for entry in manifest.entries())
    with manifest.locked():
        manifest.append([Entry(kind="purge", node="node", removed=paths)])
    quick = answered(words(kept))
    assert quick is not None
    assert json.loads(quick)["flows"] == []


def test_nothing_is_shown_when_the_reading_cannot_be_recorded(kept: Site) -> None:
    database = Database(kept.config.database_url)
    with database.write() as session:
        session.execute(text("DROP TABLE audit_event"))
    database.dispose()
    assert answered(words(kept)) is None
    Path(kept.config.database_url.removeprefix("sqlite:///")).unlink()
    assert answered(words(kept)) is None


def test_the_options_and_the_limit_are_those_of_the_command() -> None:
    options = {name for option in flows_command.params for name in option.opts}
    assert set(at_once._VALUES) | {"--json"} <= options
    assert at_once.DEFAULT_LIMIT == DEFAULT_LIMIT


@pytest.mark.parametrize(
    "written",
    [
        "2026-05-16T10:05:12Z",
        "2026-05-16T10:05:12+07:00",
        "2026-05-16T10:05:12-03:30",
        "1970-01-01T00:00:00Z",
    ],
)
def test_a_plain_time_is_read_as_it_is_everywhere(written: str) -> None:
    assert answering._moment(written) == read_moment(written, "Asia/Bangkok")


@pytest.mark.parametrize(
    "written",
    ["2569-05-16T10:05:12Z", "2026-05-16", "2026-13-01T00:00:00Z", "2026-05-16T10:05:12",
     "2026-05-16T24:00:00Z", "2026-05-16T10:05:12+15:00", "2026-05-16T10:05:12z",
     "๒๕๖๙-05-16T10:05:12Z", "2026-05-16T10:05:12+7:000", "1969-12-31T23:59:59Z", ""],
)  # fmt: skip
def test_any_other_time_is_left_to_who_reads_times(written: str) -> None:
    with pytest.raises(answering.NotPlain):
        answering._moment(written)


def test_an_inside_address_is_told_from_others_as_everywhere() -> None:
    from ipaddress import ip_address

    prefixes = ("10.0.0.0/8", "172.16.0.0/12", "192.0.2.7/32", "fc00::/7", "0.0.0.0/0")
    for prefix in prefixes:
        for address in ("9.255.255.255", "10.0.0.0", "172.31.255.255", "172.32.0.0", "192.0.2.7"):
            held = answering._holds(prefix, answering._four(address))
            assert held == Inside((prefix,)).has(ip_address(address))


_REPORT = (
    "import posix, sys\n"
    "def report(code):\n"
    "    heavy = {'re', 'enum', 'typing', 'dataclasses', 'json', 'pathlib', 'inspect', 'click',\n"
    "             'pydantic', 'sqlalchemy', 'numpy', '_duckdb', 'zoneinfo', 'hashlib'}\n"
    "    print(code, sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    "    raise SystemExit\n"
    "posix._exit = report\n"
    "import common.clock, datetime\n"
    f"common.clock.utc_now = lambda: datetime.datetime.fromtimestamp({SECONDS}, datetime.UTC)\n"
    "from yuenyan.start import main\n"
    "main()\n"
)


def test_it_is_over_before_anything_heavy_is_loaded(kept: Site) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _REPORT, *words(kept)], capture_output=True, text=True, check=True
    )
    assert ran.stderr.splitlines()[-1] == "0 []"
    assert len(json.loads(ran.stdout)["flows"]) == 2
    assert len(readings(kept)) == 1


def test_what_it_leaves_is_answered_by_the_whole_command(kept: Site) -> None:
    asked = words(kept, **{"from": "16/05/2569 00:00"})
    command = [sys.executable, "-m", "yuenyan.start"]
    ran = subprocess.run([*command, *asked], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout)["asked"]["address"] == "10.1.2.3"
    wrong = subprocess.run([*command, *words(kept, case=" ")], capture_output=True, text=True)
    assert (wrong.returncode, wrong.stderr) == (
        2,
        "yuenyan: give the case this is for: --case TEXT\n",
    )


def test_the_quick_answer_knows_the_floor_of_retention() -> None:
    assert answering._KEPT_BY_ALL_DAYS == RETENTION_FLOOR_DAYS
