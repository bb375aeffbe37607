"""An export without a subject holds what was looked up for the case, and no more."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import delete, update

from common.errors import NotFound
from db.engine import Database
from db.models import AddressInterval, NetworkSession
from tests.conftest import Site
from tests.unit.traffic.evidence.bundles import read_items
from tests.unit.traffic.evidence.seed import MALEE, PUBLIC, SENT_MS, lease, moment, nat
from tests.unit.traffic.evidence.test_export import _without_pdf, make, rows, world
from tests.unit.traffic.lookup.test_untold_ports import BARE, FLOW, archive, event, flow
from traffic.archive.kinds import LEASE, NAT
from traffic.archive.tables import TableArchive
from traffic.collectors.paths import collector_paths

__all__ = ["_without_pdf", "world"]

CASE = ("--case", "12/2569", "--reason", "x")


def test_a_session_is_not_every_session_of_its_name(world: Site) -> None:
    database = Database(world.config.database_url)
    with database.write() as session:
        session.execute(update(NetworkSession).values(user_name="anonymous"))
    assert world.yuenyan("flows", "--session", "key-somchai", *CASE).exit_code == 0
    items = read_items(make(world, reason="").path)
    assert [row["session_key"] for row in rows(items, "sessions")] == ["key-somchai"]
    assert {row["src"] for row in rows(items, "flows")} == {"10.1.2.3"}
    (subject,) = json.loads(items["MANIFEST.json"])["scope"]["subjects"]
    assert (subject["session"], "user" in subject) == ("key-somchai", False)
    with database.write() as session:
        for table in (AddressInterval, NetworkSession):
            session.execute(delete(table).where(table.session_key == "key-somchai"))
    database.dispose()
    items = read_items(make(world, "later.zip", reason="").path)
    assert rows(items, "sessions") == []
    assert {row["session_key"] for row in rows(items, "accounting")} <= {"key-somchai"}


@pytest.mark.parametrize(
    ("destination", "flows"),
    [
        pytest.param("203.0.113.9:443", 1, id="there"),
        pytest.param("203.0.113.9", 1, id="any-port"),
        pytest.param("203.0.113.9:80", 0, id="another-port"),
        pytest.param("203.0.113.8", 0, id="another-place"),
    ],
)
def test_the_destination_narrows_the_bundle_as_it_narrowed_the_question(
    world: Site, destination: str, flows: int
) -> None:
    asked = ("--address", PUBLIC, "--port", "50001", "--destination", destination)
    assert world.yuenyan("lookup", "--at", moment(0), *asked, *CASE).exit_code in (0, 1)
    items = read_items(make(world, reason="").path)
    (subject,) = json.loads(items["MANIFEST.json"])["scope"]["subjects"]
    assert subject["destination"] == destination
    assert len(rows(items, "flows")) == flows
    answer = json.loads(items["lookup/answer-1.json"])
    assert answer["asked"]["destination"] == destination


def test_a_mistyped_name_does_not_stop_the_rest(world: Site) -> None:
    period = ("--from", moment(-10), "--to", moment(10))
    assert world.yuenyan("lookup", "--user", "ghost", *period, *CASE).exit_code == 1
    with pytest.raises(NotFound, match="ghost"):
        make(world, reason="")
    assert world.yuenyan("lookup", "--user", "malee", *period, *CASE).exit_code == 0
    made = make(world, reason="")
    items = read_items(made.path)
    assert made.unknown == ("ghost",)
    assert json.loads(items["MANIFEST.json"])["scope"]["nobody_has"] == ["ghost"]
    assert [row["username"] for row in rows(items, "accounts")] == ["malee"]


def test_a_record_that_tells_no_port_leaves_with_the_look_up_that_cites_it(world: Site) -> None:
    archive(world, FLOW, flow(MALEE, 50_000))
    paths = collector_paths(world.config)
    untold = nat(MALEE, 0) | {"outside_port": None}
    TableArchive(paths.archive, paths.node).append(NAT, [untold])
    asked = ("--address", PUBLIC, "--port", "50001", "--protocol", "tcp")
    assert world.yuenyan("lookup", "--at", moment(0), *asked, *CASE).exit_code == 0
    items = read_items(make(world, reason="").path)
    answer = json.loads(items["lookup/answer-1.json"])
    cited = {one for found in answer["translations"] for one in found["evidence"]}
    assert len(cited) >= 3
    held = {row["record"] for name in ("flows", "nat") for row in rows(items, name)}
    assert cited <= held


def test_what_an_answer_cites_is_in_its_bundle_however_long_before_or_after_it_came(
    world: Site,
) -> None:
    hours = 3_600_000
    paths = collector_paths(world.config)
    rows = TableArchive(paths.archive, paths.node)
    given = lease(MALEE, "malee", -30 * 3600) | {"lease_seconds": 48 * 3600}
    ended = nat(MALEE, 50_002) | {"event": "delete", "received_at": SENT_MS + 3 * hours}
    rows.append(LEASE, [given])
    rows.append(NAT, [ended])
    archive(world, BARE, event(MALEE, 4, -2 * 3600))
    asked = ("--address", PUBLIC, "--port", "50002", "--protocol", "tcp")
    assert world.yuenyan("lookup", "--at", moment(0), *asked, *CASE).exit_code == 0
    items = read_items(make(world, reason="").path)
    answer = json.loads(items["lookup/answer-1.json"])
    told = {ref for row in answer["candidates"] for ref in row["evidence"]}
    told |= {ref for row in answer["translations"] for ref in row["evidence"]}
    kinds = {ref.partition(":")[0] for ref in told}
    assert {"lease", "nat", "flow"} <= kinds
    held = {
        row["record"]
        for name, octets in items.items()
        if name.startswith("records/") and name.endswith(".jsonl")
        for row in map(json.loads, octets.splitlines())
    }
    assert {ref for ref in told if ref.partition(":")[0] in ("lease", "nat", "flow")} <= held
