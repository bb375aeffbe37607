"""What the commands of orders and registers take, and the sentence for what they do not."""

from __future__ import annotations

import json

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
