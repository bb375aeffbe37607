"""Of log lines that have left for the object store, those come back that bear on the question."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.unit.traffic.archive.test_unread import BASE_MS, PUBLIC, Site, site
from traffic.archive.index import ManifestIndex
from traffic.archive.kinds import NAT
from traffic.archive.tables import TableArchive
from traffic.lookup.attribution import Window
from traffic.lookup.blocks import find_blocks
from traffic.lookup.nat_logs import find_logged
from traffic.lookup.question import Question
from traffic.lookup.samples import find_samples

__all__ = ["site"]

AT = datetime.fromtimestamp(BASE_MS / 1000, UTC)


def asked(port: int) -> Question:
    return Question(
        address=PUBLIC,
        port=port,
        protocol=None,
        at=AT,
        tolerance=timedelta(),
        case="c",
        reason="r",
    )


def rows_here(site: Site) -> list[str]:
    return [path.parent.name for path in sorted((site.archive / "nat").rglob("*.parquet"))]


def test_of_two_days_of_log_lines_those_about_the_port_come_back(site: Site) -> None:
    tables = TableArchive(site.archive, "node")
    for hour, told in enumerate(
        (
            {"event": "create", "outside_address": str(PUBLIC), "outside_port": 4000},
            {"event": "create", "outside_address": str(PUBLIC), "outside_port": 4001},
            {
                "event": "block-create",
                "outside_address": str(PUBLIC),
                "outside_port": 5000,
                "outside_port_to": 5999,
                "inside_address": "10.0.0.5",
            },
            {"event": "block-delete", "outside_port": 5000, "inside_address": "10.0.0.5"},
            {"event": "block-delete", "outside_port": 5000, "inside_address": "10.0.0.6"},
        )
    ):
        at = BASE_MS + (hour - 2) * 3_600_000
        row = {"received_at": at, "source": "192.0.2.1", "form": "flow-block"}
        tables.append(NAT, [row | {"inside_address": "10.0.0.4"} | told])
    site.leave()
    assert rows_here(site) == []
    window = Window(AT, AT + timedelta(hours=1))
    question = asked(6000)
    index = ManifestIndex(site.archive)
    assert find_logged(tables, index, question, window, 60_000) == ([], False)
    assert find_samples(tables, index, str(PUBLIC), window) is None
    # A block may hold any port, so it comes; the others do not.
    assert rows_here(site) == [f"hour={AT:%H}"]
    site.leave()
    assert len(find_logged(tables, index, asked(4000), window, 60_000)[0]) == 1
    assert len(rows_here(site)) == 2
    site.leave()
    (found,) = find_blocks(tables, index, str(PUBLIC), 5500, (), window)[0]
    assert (found.inside_address, found.flows) == ("10.0.0.5", 2)
    assert len(rows_here(site)) == 2
