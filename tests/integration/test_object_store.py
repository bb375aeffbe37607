"""The archive in an S3 server that nobody here wrote: breaks, wrong keys, altered objects."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from common.clock import unix_milliseconds
from common.config import load
from common.errors import ArchiveError, BackendUnavailable
from tests.conftest import Site
from tests.integration.s3_server import BUCKET, S3Server, start_s3
from traffic.archive import unread
from traffic.archive.about import RowsOf, inside_name
from traffic.archive.entries import Entry
from traffic.archive.kinds import NAT
from traffic.archive.manifest import Manifest
from traffic.archive.seals import make_seal
from traffic.archive.tables import TableArchive
from traffic.archive.unread import mentions_file
from traffic.archive.verification import verify_archive
from traffic.keeping.storing import Storer
from yuenyan.processes.storekeeper import Storekeeper

pytestmark = pytest.mark.real

DAY_MS = 86_400_000
_numbers = count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    started = start_s3(tmp_path_factory.mktemp("s3"))
    yield started
    started.stop()


class Stored:
    """A site whose store is a folder of the server's bucket."""

    def __init__(self, site: Site, server: S3Server) -> None:
        self.site, self.server = site, server
        server.line.busy, server.line.cut_after, server.line.deaf = 0, None, False
        self.folder = f"office-{next(_numbers)}"
        keys = server.write_keys(site.data_dir / "keys" / "store.key")
        text = site.config_file.read_text(encoding="utf-8")
        self.plain = text
        self.configure(endpoint=server.endpoint, credentials_file=str(keys))
        self.archive = site.data_dir / "archive"
        self.now_ms = unix_milliseconds()
        self.old = self.add(50)
        self.new = self.add(1)
        make_seal(self.archive, site.config.keys_dir, unix_milliseconds)

    def configure(self, **values: str) -> None:
        lines = [f'{name} = "{value}"' for name, value in values.items()]
        section = ["[store]", f'url = "s3://{BUCKET}/{self.folder}"', "timeout_seconds = 1", *lines]
        self.site.config_file.write_text("\n".join([self.plain, *section]) + "\n", encoding="utf-8")

    def add(self, days: int, rows: int = 1) -> Entry:
        at_ms = self.now_ms - days * DAY_MS
        row = {"received_at": at_ms, "event": "create", "inside_address": "10.0.0.5"}
        made = [{**row, "source": os.urandom(24).hex()} for _ in range(rows)]
        (entry,) = TableArchive(self.archive, "node").append(NAT, made)
        return entry

    def storer(self) -> Storer:
        return Storer(load(self.site.config_file))

    def free(self) -> int:
        for path in self.archive.rglob("*.parquet"):
            os.utime(path, (1, 1))
        return self.storer().free(self.now_ms)

    def objects(self) -> dict[str, int]:
        """As another program lists them."""
        found = self.server.s3().list_objects_v2(Bucket=BUCKET, Prefix=f"{self.folder}/")
        return {
            one["Key"].removeprefix(f"{self.folder}/"): one["Size"]
            for one in found.get("Contents", [])
        }


@pytest.fixture
def stored(site: Site, server: S3Server) -> Stored:
    return Stored(site, server)


def test_copies_go_there_leave_this_disk_and_come_back(stored: Stored) -> None:
    site = stored.site
    pushed = site.yuenyan("archive", "store", "push", "--json")
    assert json.loads(pushed.stdout) == {"stored": 2}, pushed
    objects = stored.objects()
    assert {stored.old.path, stored.new.path, "manifest.jsonl", "seals.jsonl"} < set(objects)
    assert objects[stored.old.path] == stored.old.octets
    assert stored.free() == 1
    assert not (stored.archive / stored.old.path).exists()
    verified = site.yuenyan("archive", "verify", "--json")
    assert verified.exit_code == 0, verified
    assert json.loads(verified.stdout)["away"] == 1
    checked = site.yuenyan("archive", "store", "check", "--contents", "--json")
    assert json.loads(checked.stdout)["only_there"] == 1, checked
    at = stored.old.received_min_ms
    found = TableArchive(stored.archive, "node").read(NAT, from_ms=at, to_ms=at)
    assert len(found) == 1
    assert (stored.archive / stored.old.path).is_file()
    status = json.loads(site.yuenyan("archive", "store", "status", "--json").stdout)
    assert (status["waiting"], status["error"]) == (0, "")


def test_a_question_about_somebody_else_fetches_nothing(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.storer().push(stored.now_ms)
    assert stored.free() == 1
    at, tables = stored.old.received_min_ms, TableArchive(stored.archive, "node")

    def rows_of(address: str) -> int:
        about = RowsOf((inside_name(address),))
        return len(tables.read(NAT, from_ms=at, to_ms=at, about=about))

    stored.server.line.busy = 1_000
    assert rows_of("10.0.0.6") == 0
    with pytest.raises(BackendUnavailable, match="object store is unavailable"):
        rows_of("10.0.0.5")
    stored.server.line.busy = 0
    # As on a new machine: of a large segment what it mentions is asked for, and kept.
    mentions_file(stored.archive, stored.old.path).unlink()
    monkeypatch.setattr(unread, "_LARGE_OCTETS", 1)
    assert rows_of("10.0.0.6") == 0
    assert not (stored.archive / stored.old.path).exists()
    stored.server.line.busy = 1_000
    assert rows_of("10.0.0.6") == 0
    stored.server.line.busy = 0
    assert rows_of("10.0.0.5") == 1


def test_an_object_with_one_bit_flipped_is_named(stored: Stored) -> None:
    stored.storer().push(stored.now_ms)
    assert stored.free() == 1
    key = f"{stored.folder}/{stored.old.path}"
    s3 = stored.server.s3()
    octets = bytearray(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    octets[len(octets) // 2] ^= 1
    s3.put_object(Bucket=BUCKET, Key=key, Body=bytes(octets))
    for words in (("archive", "verify"), ("archive", "store", "check", "--contents")):
        result = stored.site.yuenyan(*words)
        assert result.exit_code == 1, result
        assert f"{stored.old.path}: was altered" in result.stderr
    at = stored.old.received_min_ms
    with pytest.raises(ArchiveError, match="was altered in the object store"):
        TableArchive(stored.archive, "node").read(NAT, from_ms=at, to_ms=at)


def test_a_server_that_is_busy_for_a_moment_is_asked_again(stored: Stored) -> None:
    stored.server.line.busy = 2
    assert stored.storer().push(stored.now_ms) == 2


def test_a_server_that_stays_busy_delays_and_loses_nothing(stored: Stored) -> None:
    keeper = Storekeeper(load(stored.site.config_file))
    stored.server.line.busy = 1_000
    assert not keeper.turn(stored.now_ms)
    assert "object store" in stored.storer().state().error
    assert "object store" in stored.site.yuenyan("doctor").stdout
    stored.server.line.busy = 0
    assert keeper.turn(stored.now_ms)
    assert stored.storer().state().error == ""
    assert stored.storer().compare(contents=True).segments == 2


def test_an_upload_that_is_cut_off_is_made_again(stored: Stored) -> None:
    large = stored.add(40, rows=20_000)
    assert large.octets > 300_000
    stored.server.line.cut_after = 200_000
    with pytest.raises(BackendUnavailable):
        stored.storer().push(stored.now_ms)
    assert stored.objects().get(large.path) is None
    assert (stored.archive / large.path).is_file()
    stored.server.line.cut_after = None
    stored.storer().push(stored.now_ms)
    assert stored.objects()[large.path] == large.octets
    assert stored.storer().compare(contents=True).waiting == 0


def test_without_the_server_a_question_is_an_error_and_never_nobody(stored: Stored) -> None:
    stored.storer().push(stored.now_ms)
    assert stored.free() == 1
    stored.server.line.busy = 1_000
    at = stored.old.received_min_ms
    with pytest.raises(BackendUnavailable, match="object store is unavailable"):
        TableArchive(stored.archive, "node").read(NAT, from_ms=at, to_ms=at)
    for words in (("archive", "verify"), ("archive", "store", "check")):
        result = stored.site.yuenyan(*words)
        assert result.exit_code == 3, result
    # What is here is answered as ever.
    at = stored.new.received_min_ms
    assert len(TableArchive(stored.archive, "node").read(NAT, from_ms=at, to_ms=at)) == 1


def test_a_server_that_says_nothing_does_not_hold_anybody_up(stored: Stored) -> None:
    stored.server.line.deaf = True
    with pytest.raises(BackendUnavailable):
        stored.storer().push(stored.now_ms)


@pytest.mark.parametrize(
    ("access", "secret"),
    [
        pytest.param("AKIAWRONGWRONGWRONG0", "wrong/wrong/wrong/wrong/wrong/wrong/wron", id="both"),
        pytest.param(None, "wrong/wrong/wrong/wrong/wrong/wrong/wron", id="secret"),
    ],
)
def test_wrong_keys_are_said_and_not_shown(stored: Stored, access: str | None, secret: str) -> None:
    keys = stored.site.data_dir / "keys" / "store.key"
    keys.write_text(f"{access or stored.server.access_key}\n{secret}\n")
    result = stored.site.yuenyan("archive", "store", "push")
    assert result.exit_code == 3, result
    assert "object store is unavailable" in result.stderr
    assert secret not in result.stderr + result.stdout
    assert stored.objects() == {}


def test_keys_that_others_can_read_are_refused(stored: Stored) -> None:
    (stored.site.data_dir / "keys" / "store.key").chmod(0o644)
    result = stored.site.yuenyan("archive", "store", "push")
    assert result.exit_code == 2, result
    assert "chmod 600" in result.stderr


def test_keys_may_come_from_the_environment(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.configure(endpoint=stored.server.endpoint)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    result = stored.site.yuenyan("archive", "store", "push")
    assert result.exit_code == 2, result
    assert "AWS_ACCESS_KEY_ID" in result.stderr
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", stored.server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", stored.server.secret_key)
    assert stored.storer().push(stored.now_ms) == 2


def test_a_new_machine_is_made_from_the_bucket(stored: Stored, tmp_path: Path) -> None:
    stored.storer().push(stored.now_ms)
    lost = stored.archive.rename(tmp_path / "lost")
    (stored.site.data_dir / "store.json").unlink()
    result = stored.site.yuenyan("archive", "store", "fetch", "--json")
    assert json.loads(result.stdout) == {"lists": True, "fetched": 2}, result
    assert Manifest(stored.archive).lines() == Manifest(lost).lines()
    assert verify_archive(stored.archive, stored.site.config.keys_dir).segments == 2
