"""Every attack by an adversary who has database, archive and even the key, but not the witness.

The table of docs/integrity.md says which layer catches what; this suite holds it to that.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from common import config as configuration
from common.clock import unix_nanoseconds, utc_now
from common.config import Config
from common.errors import ArchiveError
from common.metrics import Counters
from db.engine import Database
from tests.conftest import ADMIN, ADMIN_PASSWORD, Site, write_configuration
from tests.vectors.flows.datagrams import Flow
from tests.vectors.flows.spools import flow_datagram, record, write_spool
from traffic.archive.kinds import ACCESS
from traffic.archive.kinds import ADMIN as ADMIN_KIND
from traffic.archive.manifest import Manifest
from traffic.archive.rows import check_rows, note_rows
from traffic.archive.seals import make_seal, read_seals
from traffic.archive.tables import TableArchive
from traffic.archive.tampering import MARK, WAYS, Sample, rechain, resign, tamper
from traffic.archive.verification import verify_archive
from traffic.archive.witness_copies import read_copy
from traffic.collectors.archivist import Archivist
from traffic.collectors.paths import collector_paths
from traffic.collectors.spool import closed_files
from traffic.witnesses.delivery import deliver
from yuenyan.initialise import initialise

DOCUMENT = Path(__file__).parents[2] / "docs" / "integrity.md"
BY_TIME = {"nothing-sealed", "clock-set-back"}
"""Ways that change the time, not a file."""


def now_ms() -> int:
    return unix_nanoseconds() // 1_000_000


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with flows, access and admin records, rows in the database, and a witness."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "usb").mkdir()
    file = write_configuration(folder)
    file.write_text(file.read_text() + f'[archive]\nwitnesses = ["{folder}/usb"]\n')
    config = configuration.load(file)
    initialise(config, ADMIN, ADMIN_PASSWORD)
    paths = collector_paths(config)
    paths.make()
    archivist = Archivist(config, paths, Counters())
    archivist.recover()
    table = TableArchive(paths.archive, "node")
    for number in (1, 2, 3):
        flows = [Flow(src_port=100 * number + row) for row in range(20)]
        write_spool(paths.spool, number, record(flow_datagram(flows, number)))
        archivist.consume(closed_files(paths.spool))
        table.append(ACCESS, [{"received_at": now_ms(), "user_name": f"somchai {number}"}])
        table.append(ADMIN_KIND, [{"received_at": now_ms(), "actor": f"officer {number}"}])
        if number == 1:
            database = Database(config.database_url)
            note_rows(database, paths.archive, "node", utc_now())
            database.dispose()
        make_seal(paths.archive, config.keys_dir, now_ms())
    deliver(config, now_ms())
    return folder


class Attacked(Sample):
    """The whole site, copied, as the adversary has it; the witness is out of reach."""

    def __init__(self, whole: Path, folder: Path) -> None:
        shutil.copytree(whole, folder)
        super().__init__(folder / "var", now_ms())
        self.site = folder
        (self.folder / MARK).touch()
        written = (folder / "yuenyan.toml").read_text().replace(str(whole), str(folder))
        # The stick is with the director: nobody copied or touched it.
        written = written.replace(f"{folder}/usb", f"{whole}/usb")
        (folder / "yuenyan.toml").write_text(written)
        shutil.rmtree(folder / "usb")

    @property
    def config(self) -> Config:
        return configuration.load(self.site / "yuenyan.toml")

    def verify(self, *, witness: bool = True) -> dict[str, Any]:
        file = self.site / "yuenyan.toml"
        if not witness:
            file.write_text(re.sub(r"witnesses = .*", "witnesses = []", file.read_text()))
        site = Site(file, self.config)
        result = site.yuenyan("archive", "verify", "--json")
        told: dict[str, Any] = json.loads(result.stdout)
        assert result.exit_code == (0 if told["ok"] else 1)
        return told


@pytest.fixture
def attacked(whole: Path, tmp_path: Path) -> Iterator[Attacked]:
    yield Attacked(whole, tmp_path / "site")


def test_the_untouched_site_is_whole_and_its_witness_was_asked(attacked: Attacked) -> None:
    told = attacked.verify()
    assert told["ok"]
    assert list(told["witnesses"].values()) == [3]
    assert told["database_rows"] > 0
    assert told["unsealed_entries"] == 0


@pytest.mark.parametrize("way", [name for name in WAYS if name not in BY_TIME])
def test_every_way_is_caught_on_a_real_site(attacked: Attacked, way: str) -> None:
    tamper(attacked, way)
    told = attacked.verify()
    assert not told["ok"]
    assert told["path"]


@pytest.mark.parametrize("way", [name for name, way in WAYS.items() if not way.witness])
def test_what_is_caught_without_a_witness_is_caught_by_every_layer_alone(
    attacked: Attacked, way: str
) -> None:
    tamper(attacked, way)
    with pytest.raises(ArchiveError):
        verify_archive(attacked.archive, attacked.keys, now_ms=attacked.now_ms)


def test_a_thief_of_the_key_who_rewrites_everything_meets_the_witness_alone(
    whole: Path, attacked: Attacked
) -> None:
    """Segment, manifest, seals, states and our own notes of the witness, all made anew."""
    tamper(attacked, "everything-rewritten-and-signed")
    shutil.rmtree(attacked.folder / "witnesses")
    told = attacked.verify()
    assert told["path"].startswith(f"{whole}/usb/")
    assert "saw another line" in told["error"]
    # That nothing on the machine itself can tell is what the document admits.
    assert attacked.verify(witness=False)["ok"]


def test_rows_that_were_changed_together_with_what_was_noted_of_them_meet_the_witness(
    whole: Path, attacked: Attacked, tmp_path: Path
) -> None:
    """Database, manifest and seals made to fit each other: only who stands outside can tell."""
    database = Database(attacked.config.database_url)
    with database.engine.begin() as owner:
        owner.execute(text("UPDATE append_only SET lifted = :yes"), {"yes": True})
        owner.exec_driver_sql("UPDATE audit_event SET actor = 'somebody else'")
    with pytest.raises(ArchiveError, match="audit_event"):
        check_rows(database, attacked.archive)
    (tmp_path / "apart").mkdir()
    note_rows(database, tmp_path / "apart", "node", utc_now())
    forged = {entry.rows: entry.sha256 for entry in Manifest(tmp_path / "apart").entries()}
    entries = Manifest(attacked.archive).entries()
    assert {entry.rows for entry in entries if entry.rows} == set(forged)
    rechain(
        attacked,
        [replace(entry, sha256=forged.get(entry.rows, entry.sha256)) for entry in entries],
    )
    resign(attacked)
    shutil.rmtree(attacked.folder / "witnesses")
    assert check_rows(database, attacked.archive).rows > 0
    database.dispose()
    told = attacked.verify()
    assert told["path"].startswith(f"{whole}/usb/")
    assert "saw another line" in told["error"]
    assert attacked.verify(witness=False)["ok"]


def test_throwing_everything_away_meets_the_witness(attacked: Attacked) -> None:
    for folder in ("archive", "witnesses", "collector", "spool"):
        shutil.rmtree(attacked.folder / folder)
    told = attacked.verify()
    assert "but the manifest ends at line 0" in told["error"]


def test_a_chain_begun_anew_with_honest_looking_seals_meets_the_witness(
    attacked: Attacked,
) -> None:
    entries = Manifest(attacked.archive).entries()
    rechain(attacked, entries[3:])
    for entry in entries[:3]:
        (attacked.archive / entry.path).unlink(missing_ok=True)
    (attacked.archive / "seals.jsonl").unlink()
    make_seal(attacked.archive, attacked.keys, now_ms())
    shutil.rmtree(attacked.folder / "collector")
    assert attacked.verify(witness=True)["path"].endswith(".jsonl")


def test_seals_made_anew_over_the_same_lines_meet_the_witness(attacked: Attacked) -> None:
    seals = read_seals(attacked.archive)
    (attacked.archive / "seals.jsonl").unlink()
    make_seal(attacked.archive, attacked.keys, seals[-1].at_ms + 1)
    assert "the seals were made anew" in attacked.verify()["error"]


def evidence(attacked: Attacked) -> list[Path]:
    return [
        *sorted(attacked.archive.rglob("*.parquet")),
        attacked.archive / "manifest.jsonl",
        attacked.archive / "seals.jsonl",
        attacked.keys / "seal.pub",
    ]


@pytest.fixture(scope="module")
def shared(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Attacked:
    """One copy for many small changes, each undone."""
    return Attacked(whole, tmp_path_factory.mktemp("shared") / "site")


def complaint(attacked: Attacked, *, witness: bool) -> str:
    (usb,) = attacked.config.archive.witnesses
    copies = [read_copy(Path(usb))] if witness else []
    try:
        verify_archive(attacked.archive, attacked.keys, now_ms=now_ms(), witnesses=copies)
    except ArchiveError as error:
        return str(error)
    except Exception as error:
        # A public key that is no key any more is refused before anything is believed.
        assert "holds no Ed25519 key" in str(error), repr(error)
        return str(error)
    return ""


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_octet_of_any_file_that_is_changed_is_noticed(
    shared: Attacked, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(evidence(shared)))
    before = path.read_bytes()
    position = data.draw(st.integers(0, len(before) - 1))
    bits = data.draw(st.integers(1, 255))
    changed = bytearray(before)
    changed[position] ^= bits
    if path.name == "seal.pub" and same_key(bytes(changed), before):
        return  # white space, or a digit written large: the key is the same
    path.write_bytes(changed)
    try:
        assert complaint(shared, witness=False), (path, position, bits)
    finally:
        path.write_bytes(before)


def same_key(one: bytes, other: bytes) -> bool:
    try:
        return bytes.fromhex(one.decode("ascii").strip()) == bytes.fromhex(other.decode().strip())
    except ValueError:
        return False


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_cut_of_any_files_is_noticed_by_the_witness(
    shared: Attacked, data: st.DataObject
) -> None:
    """Manifest, seals and segments cut at once, anywhere, lines or octets."""
    kept = {path: path.read_bytes() for path in evidence(shared)}
    manifest, seals = shared.archive / "manifest.jsonl", shared.archive / "seals.jsonl"
    lines = kept[manifest].splitlines(keepends=True)
    line_count = data.draw(st.integers(0, len(lines)))
    seal_lines = kept[seals].splitlines(keepends=True)
    seal_count = data.draw(st.integers(0, len(seal_lines) - 1))
    spare = data.draw(st.integers(0, 3))
    manifest.write_bytes(b"".join(lines[:line_count]))
    seals.write_bytes(b"".join(seal_lines[:seal_count]) + seal_lines[seal_count][:spare])
    for line in lines[line_count:]:
        path = json.loads(line)["path"]
        if path:
            (shared.archive / path).unlink()
    try:
        assert complaint(shared, witness=True), (line_count, seal_count, spare)
    finally:
        for path, octets in kept.items():
            path.write_bytes(octets)


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_rewriting_with_the_key_is_noticed_by_the_witness(
    shared: Attacked, data: st.DataObject
) -> None:
    kept = {path: path.read_bytes() for path in evidence(shared)}
    entries = Manifest(shared.archive).entries()
    number = data.draw(st.integers(0, len(entries) - 1))
    field, value = data.draw(
        st.sampled_from(
            [("records", 7), ("node", "other"), ("received_min_ms", 1), ("origin", "x:1-2")]
        )
    )
    entries[number] = replace(entries[number], **{field: value})  # type: ignore[arg-type]
    rechain(shared, entries)
    resign(shared)
    try:
        assert complaint(shared, witness=True).startswith(shared.config.archive.witnesses[0])
    finally:
        for path, octets in kept.items():
            path.write_bytes(octets)


def test_the_document_names_every_way_and_no_other() -> None:
    named = set(re.findall(r"^\| `([a-z-]+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.M))
    assert named == set(WAYS)


def test_the_document_says_truly_what_needs_a_witness() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    for name, way in WAYS.items():
        (row,) = re.findall(rf"^\| `{name}` \|.*$", document, re.M)
        assert ("witness" in row.split("|")[3]) is way.witness, name
