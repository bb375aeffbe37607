"""What doctor and the commands say of the object store."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.clock import unix_milliseconds
from common.config import Config
from common.errors import BackendUnavailable
from traffic.archive.kinds import ADMIN
from traffic.archive.store import ObjectStore, Place
from traffic.archive.tables import TableArchive
from traffic.keeping.storing import Storer
from yuenyan.checkup.finding import Level
from yuenyan.checkup.store import check_store

DAY_MS = 86_400_000


def config(folder: Path, **section: str) -> Config:
    (folder / "store").mkdir(exist_ok=True)
    place = {"url": f"file://{folder / 'store'}", **section}
    return Config.model_validate({"site": {"data_dir": folder / "var"}, "store": place})


def told(config: Config) -> list[tuple[Level, str]]:
    return [(one.level, one.what) for one in check_store(config)]


def test_a_damaged_segment_is_an_error_until_it_is_whole(tmp_path: Path) -> None:
    site, now_ms = config(tmp_path), unix_milliseconds()
    archive = site.data_dir / "archive"
    (entry,) = TableArchive(archive, "node").append(ADMIN, [{"received_at": now_ms, "actor": "x"}])
    octets = (archive / entry.path).read_bytes()
    (archive / entry.path).write_bytes(octets[:-1])
    Storer(site).push(now_ms)
    (wrong, _) = told(site)
    assert wrong[0] is Level.ERROR
    assert f"1 segment is not in the store as it should be; the first: {entry.path}" in wrong[1]
    (archive / entry.path).write_bytes(octets)
    Storer(site).push(now_ms, again=True)
    assert [level for level, _ in told(site)] == [Level.OK]


def test_that_nobody_reads_the_store_is_a_warning_after_a_month(tmp_path: Path) -> None:
    site, now_ms = config(tmp_path), unix_milliseconds()
    archive = site.data_dir / "archive"
    TableArchive(archive, "node").append(ADMIN, [{"received_at": now_ms, "actor": "x"}])
    Storer(site).push(now_ms - 31 * DAY_MS)
    Storer(site).push(now_ms)
    assert (Level.WARN, "whether objects were altered was looked at last: never") in told(site)
    Storer(site).mark_checked(now_ms)
    assert [level for level, _ in told(site)] == [Level.OK]


@pytest.mark.parametrize(
    ("endpoint", "warned"),
    [
        ("http://minio.example:9000", True),
        ("https://minio.example:9000", False),
        ("http://127.0.0.1:9000", False),
        ("http://[::1]:9000", False),
        ("http://localhost:9000", False),
    ],
)
def test_a_store_in_the_clear_is_warned_of(tmp_path: Path, endpoint: str, warned: bool) -> None:
    site = config(tmp_path, url="s3://bucket", endpoint=endpoint)
    assert any("is not encrypted" in what for _, what in told(site)) == warned


def test_a_store_that_is_away_is_told_in_plain_words() -> None:
    there = ObjectStore(Place(url="s3://bucket", endpoint="https://minio.example:9000"))
    with pytest.raises(BackendUnavailable) as caught, there._asked():
        raise OSError("AWS Error NETWORK_CONNECTION during HeadObject: curlCode: 7, no server")
    assert str(caught.value) == (
        "object store is unavailable: https://minio.example:9000 does not answer; "
        "see [store] endpoint"
    )
