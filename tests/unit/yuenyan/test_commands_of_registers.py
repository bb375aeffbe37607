"""What the commands of orders and registers take, and the sentence for what they do not."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from sqlalchemy import text

from db.engine import Database
from tests.conftest import Site

HOLD = (
    *("hold", "add", "--authority", "สภ.เมืองชัยภูมิ", "--document", "ตช 0031/99", "--all"),
    *("--reason", "คดีอาญาที่ 12/2570", "--approved-by", "head"),
)


def test_the_last_days_of_a_hold_are_in_it_in_both_ways_of_writing(site: Site) -> None:
    for days in (("2569-11-01", "2569-11-30", "2570-06-30"),
                 ("1 พ.ย. 2569", "30/11/2569", "30 มิถุนายน 2570")):  # fmt: skip
        begin, end, until = days
        made = site.yuenyan(*HOLD, "--from", begin, "--to", end, "--until", until, "--json")
        assert made.exit_code == 0, made.stderr
        told = json.loads(made.stdout)
        assert [told[name] for name in ("from", "to", "until")] == [
            "2026-11-01T00:00:00+07:00",
            "2026-11-30T23:59:59.999000+07:00",
            "2027-06-30T23:59:59.999000+07:00",
        ]


@pytest.mark.parametrize(
    "name", ["radius", "portal", "admin", "housekeeper", "serve", "officer list"]
)
def test_old_tables_are_one_sentence_and_no_outage(site: Site, name: str) -> None:
    database = Database(site.config.database_url)
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0012'"))
    database.dispose()
    result = site.yuenyan(*name.split())
    assert result.exit_code == 2, result
    assert "the tables are at 0012, this release needs" in result.stderr
    assert "stop the service and run 'yuenyan init'" in result.stderr
    assert "Traceback" not in result.stderr


HUGE = "99999999999999999999"


@pytest.mark.parametrize(
    "words",
    [
        ("hold", "end", HUGE, "--reason", "x"),
        ("lookup", "--at", "2026-11-01 10:00", "--address", "10.0.0.1", "--case", "1",
         "--reason", "x", "--approval", HUGE),
        ("flows", "--address", "10.0.0.1", "--from", "1/11/2569", "--to", "2/11/2569",
         "--case", "1", "--reason", "x", "--approval", HUGE),
        ("evidence", "custody", "add", HUGE, "--step", "copied"),
        ("evidence", "custody", "form", HUGE, "--out", "x.txt"),
    ],
)  # fmt: skip
def test_a_number_that_no_row_has_is_refused(site: Site, words: tuple[str, ...]) -> None:
    result = site.yuenyan(*words)
    assert result.exit_code == 2, result
    assert f"'{HUGE}' is no number of a list" in result.stderr


def test_a_file_that_cannot_be_new_is_told_before_anything_is_read(
    site: Site, tmp_path: Path
) -> None:
    there = tmp_path / "there.zip"
    there.write_text("x")
    number = site.yuenyan("incident", "add", "--scope", "x").stdout.split(",")[0].strip()
    draft, export = ("incident", "draft", number, "--out"), ("subject", "export", "head", "--out")
    for words, name in ((draft, "x.txt"), (export, "g.zip")):
        result = site.yuenyan(*words, str(tmp_path / "nonexist" / name))
        assert result.exit_code == 2 and "there is no folder" in result.stderr, result
        result = site.yuenyan(*words, str(there))
        assert result.exit_code == 2 and "is there already" in result.stderr, result
    assert there.read_text() == "x"
    made = tmp_path / "draft.txt"
    assert site.yuenyan(*draft, str(made)).exit_code == 0
    assert made.stat().st_mode & 0o777 == 0o600 and made.read_text(encoding="utf-8")


def test_what_the_system_refuses_is_one_sentence(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", "/x/g.zip")

    monkeypatch.setattr("common.secret.os.open", full)
    result = site.yuenyan("subject", "export", "head", "--out", str(tmp_path / "g.zip"))
    assert result.exit_code == 3
    assert result.stderr == "yuenyan: the system refused: /x/g.zip: No space left on device\n"


def test_texts_that_are_not_utf_8_and_periods_that_end_first_are_one_sentence(site: Site) -> None:
    result = site.yuenyan("subject", "until", "\udcff")
    assert result.exit_code == 2 and "not UTF-8" in result.stderr, result
    result = site.yuenyan(
        "archive", "rows", "access", "--from", "2/11/2569", "--to", "1/11/2569",
        "--case", "1", "--reason", "x",
    )  # fmt: skip
    assert result.exit_code == 2 and "ends before it begins" in result.stderr, result
