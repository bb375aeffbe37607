"""The compliance report, the record of processing, and that no text claims too much."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from common import config as configuration
from common.clock import utc_now
from db.models import Base
from identity.domain.registers import Register
from identity.office import Office
from identity.services import registers
from tests.conftest import ADMIN_PASSWORD, Site
from traffic.archive.kinds import ADMIN, KINDS, LEASE
from traffic.archive.schema import STORED, TIMES
from traffic.archive.tables import TableArchive
from traffic.clock.judgement import State, Verdict
from traffic.clock.sampling import Sample, store_sample
from traffic.moments import to_milliseconds
from yuenyan.compliance.processing import record_of_processing, unlisted
from yuenyan.compliance.report import LINES

FLOW_COLUMNS = {*STORED, *TIMES.values(), "exporter"}
ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
ELEMENTS = (
    "แหล่งกำเนิด", "ต้นทาง", "ปลายทาง", "เส้นทาง", "เวลา", "วันที่", "ปริมาณ", "ระยะเวลา", "ชนิดของบริการ",
)  # fmt: skip
FIELD = re.compile(r"`([a-z0-9_]+)([./])([a-z0-9_]+)`")


def duties(site: Site) -> dict[str, Any]:
    result = site.yuenyan("compliance", "report", "--json")
    assert result.exit_code == 0, result.stderr
    return {one["key"]: one for one in json.loads(result.stdout)["duties"]}


def set_office(site: Site, text: str) -> None:
    path = site.config_file
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_a_new_site_is_told_what_is_missing_and_nothing_is_made_up(site: Site) -> None:
    found = {key: one["status"] for key, one in duties(site).items()}
    assert found["retention"] == "missing"  # no record yet
    assert found["coordinator"] == "missing"
    assert found["clock"] == "missing"
    assert found["integrity"] == "missing"
    assert found["witnesses"] == "missing"
    assert found["backup"] == "not_checked"
    assert set(found) == {line.key for line in LINES}


def test_look_ups_count_when_their_records_have_moved_into_the_archive(site: Site) -> None:
    archive = TableArchive(site.data_dir / "archive", "node")
    ages = {"lookup:run": 8, "flows:read": 29, "sessions:searched": 31, "login:failed": 8}
    now = utc_now()
    archive.append(
        ADMIN,
        [
            {"received_at": to_milliseconds(now - timedelta(days=days)), "action": action}
            for action, days in sorted(ages.items(), key=lambda one: -one[1])
        ],
    )
    assert " 2 look-ups of 30 days" in duties(site)["access"]["evidence"]["en"]


def test_what_is_kept_of_own_servers_is_said_where_no_content_is_claimed(site: Site) -> None:
    before = duties(site)["content"]["evidence"]
    assert "own servers" not in before["en"] and "แม่ข่าย" not in before["th"]
    path = site.config_file
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("[collector]", '[collector]\nown_servers = ["10.0.9.0/24"]'))
    after = duties(site)["content"]["evidence"]
    assert "of the 1 own servers paths, file names" in after["en"]
    assert "แม่ข่ายของหน่วยงานเอง 1 รายการ" in after["th"]


def test_every_duty_has_status_evidence_date_and_somebody_who_answers(site: Site) -> None:
    for one in duties(site).values():
        assert one["status"] in {"in_place", "attention", "missing", "not_checked"}
        assert one["evidence"]["en"] and one["evidence"]["th"]
        assert datetime.fromisoformat(one["at"]).tzinfo is not None
        assert one["responsible"]
        assert one["law"]["en"] and one["law"]["th"]


def test_what_is_done_changes_the_report(site: Site, office: Office) -> None:
    now = datetime.now(UTC)
    set_office(
        site,
        '[office]\ncoordinator = "นางสาวสมศรี"\ncoordinator_contact = "044-000-000"\n'
        'deputy = "นายสมชาย"\ndeputy_contact = "044-000-001"\n',
    )
    own = Verdict(
        state=State.SYNCHRONISED, method="chrony", source="a", offset_us=1, error_us=1_000
    )
    store_sample(site.config, "node", Sample(at=now, own=own, servers={}))
    at_ms = int((now - timedelta(days=3)).timestamp() * 1000)
    TableArchive(site.data_dir / "archive", "node").append(
        LEASE, [{"received_at": at_ms, "source": "x"}]
    )
    assert site.yuenyan("archive", "seal").exit_code == 0
    assert site.yuenyan("archive", "verify").exit_code == 0
    with office.database.write() as session:
        registers.add(
            session, office, Register.REQUEST, {"office": "a", "officer": "b", "scope": "c"},
            "head", received_at=now - timedelta(days=9),
        )  # fmt: skip
    found = duties(site)
    for key in ("retention", "coordinator", "clock", "integrity"):
        assert found[key]["status"] == "in_place", found[key]
    assert "นางสาวสมศรี" in found["coordinator"]["evidence"]["en"]
    assert found["requests"]["status"] == "attention"
    assert "1 overdue" in found["requests"]["evidence"]["en"]
    assert found["requests"]["responsible"] == "นางสาวสมศรี"
    shown = site.yuenyan("compliance", "report").stdout
    assert "นางสาวสมศรี 044-000-000" in shown and "นายสมชาย 044-000-001" in shown
    assert "ไม่ใช่ความเห็นทางกฎหมาย" in shown
    english = site.yuenyan("compliance", "report", "--language", "en").stdout
    assert "It is no legal opinion" in english and "in place" in english


def test_the_clock_is_not_in_place_when_only_the_local_clock_answered(site: Site) -> None:
    own = Verdict(state=State.UNSYNCHRONISED, method="chrony", reason="local_clock", stratum=8)
    store_sample(site.config, "node", Sample(at=datetime.now(UTC), own=own, servers={}))
    assert duties(site)["clock"]["status"] == "attention"


def test_an_archive_that_cannot_be_read_is_missing_and_not_an_error(site: Site) -> None:
    archive = site.data_dir / "archive"
    archive.mkdir(exist_ok=True)
    (archive / "manifest.jsonl").write_text("nonsense\n")
    found = duties(site)
    assert found["retention"]["status"] == found["integrity"]["status"] == "missing"
    assert found["clock"]["evidence"]["en"] == "the samples of the clock cannot be read"


# the record of processing ------------------------------------------------------------------


def test_every_table_and_kind_is_in_the_record_of_processing_or_said_to_hold_nobody() -> None:
    assert unlisted() == set()


def test_the_record_follows_configuration_and_schema(site: Site) -> None:
    set_office(site, '[office]\nname = "สพม.ทดสอบ"\ncoordinator = "นางสาวสมศรี"\n')
    text = site.config_file.read_text(encoding="utf-8")
    site.config_file.write_text(text + "[archive]\nretention_days = 200\n", encoding="utf-8")
    result = site.yuenyan("compliance", "ropa", "--json")
    tree = json.loads(result.stdout)
    assert tree["controller"]["name"] == "สพม.ทดสอบ"
    assert tree["controller"]["contact"] == "นางสาวสมศรี"
    activities = {one["key"]: one for one in tree["activities"]}
    assert activities["flows"]["kept"] == "200 วัน"
    columns = [column.name for column in Base.metadata.tables["person"].columns]
    assert activities["accounts"]["fields"]["person"] == columns
    assert "src_port" in activities["flows"]["fields"]["archive/flow"]
    english = record_of_processing(configuration.load(site.config_file), "en")
    assert "legal obligation" in english["activities"][0]["basis"]
    assert "สพม.ทดสอบ" in site.yuenyan("compliance", "ropa").stdout
    assert ADMIN_PASSWORD not in result.stdout


_CONTENT = re.compile(r"url|uri|sni|dns|query|domain|payload|body|content|referer|page")


def test_no_table_and_no_kind_has_a_place_for_content() -> None:
    names = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
    }
    names |= {f"{kind.name}/{column}" for kind in KINDS.values() for column in kind.columns}
    names |= {f"flow/{column}" for column in FLOW_COLUMNS}
    # Where browsers of the captive portal go, as the office set it; an exporter's domain; what
    # the system itself writes to somebody, until it has gone.
    assert {name for name in names if _CONTENT.search(name.split("/")[-1].split(".")[-1])} == {
        "nas_client.login_url",
        "flow/domain",
        "message.content_encrypted",
    }


# documents ---------------------------------------------------------------------------------


def test_the_data_dictionary_maps_each_of_the_nine_elements_to_fields_that_exist() -> None:
    text = (DOCS / "data-dictionary.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    found = {section.split(" · ")[0]: section for section in sections}
    assert set(ELEMENTS) <= set(found)
    tables = Base.metadata.tables
    kinds = {name: set(kind.columns) for name, kind in KINDS.items()} | {"flow": FLOW_COLUMNS}
    for element in ELEMENTS:
        fields = FIELD.findall(found[element])
        assert fields, element
        for place, kind, column in fields:
            there = set(tables[place].columns.keys()) if kind == "." else kinds[place]
            assert column in there, f"{element}: {place}{kind}{column}"


def test_the_compliance_page_has_each_duty_of_the_report_in_both_languages() -> None:
    text = (DOCS / "compliance.md").read_text(encoding="utf-8")
    english, thai = text.split("\n## ไทย\n")
    for line in LINES:
        assert f"(`{line.key}`)" in english, line.key
        assert f"(`{line.key}`)" in thai, line.key


def test_every_test_and_page_that_the_compliance_page_names_exists() -> None:
    text = (DOCS / "compliance.md").read_text(encoding="utf-8")
    named = set(re.findall(r"tests/[a-z_/]+\.py", text))
    assert len(named) > 8
    for path in named:
        assert (ROOT / path).is_file(), path
    for page in re.findall(r"\]\(([a-z-]+\.md)\)", text):
        assert (DOCS / page).is_file(), page


def tracked_texts() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git checkout")
    shown = (".md", ".html", ".po", ".py", ".toml", ".txt")
    return [
        ROOT / line
        for line in listed.stdout.splitlines()
        if line.endswith(shown) and not line.startswith("tests/") and (ROOT / line).is_file()
    ]


CLAIM = re.compile(
    r"\bcertified\b|ถูกต้องตาม\s*(?:พ\.\s*ร\.\s*บ|พระราชบัญญัติ)|รับรองตาม\s*(?:พ\.ร\.บ|กฎหมาย)",
    re.IGNORECASE,
)
OF_CERTIFICATES = {"authority.py", "folder.py", "rollover.py"}
"""There one certificate authority certifies another's key; nothing of it is shown."""


def test_no_text_claims_to_be_certified_or_in_accordance_with_the_act() -> None:
    paths = tracked_texts()
    assert len(paths) > 200
    for path in paths:
        if path.name in OF_CERTIFICATES and path.is_relative_to(ROOT / "identity"):
            continue
        found = CLAIM.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path.relative_to(ROOT)}: {found and found[0]}"


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("This product is Certified.", True),
        ("ถูกต้องตาม พ.ร.บ. คอมพิวเตอร์", True),
        ("ถูกต้องตามพระราชบัญญัติ", True),
        ("an uncertifiedness", False),
        ("a certificate", False),
    ],
)
def test_the_search_for_claims_finds_them(text: str, claims: bool) -> None:
    assert bool(CLAIM.search(text)) is claims


NUMBERED_CLAUSE = re.compile(
    r"(?:notification|ประกาศ)[^|\n]{0,60}?(?:\bclause|\bcl\.|ข้อ)\s*[0-9๐-๙]+", re.IGNORECASE
)


def test_no_clause_of_the_notification_is_cited_by_number() -> None:
    assert NUMBERED_CLAUSE.search("ประกาศ พ.ศ. 2564 ข้อ 8")
    for path in tracked_texts():
        found = NUMBERED_CLAUSE.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path.relative_to(ROOT)}: {found and found[0]}"
