"""What `serve` prints when it runs, and when."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.config import Config
from common.config import Site as SiteSection
from yuenyan.commands import serve

AT = datetime(2026, 5, 16, 3, 4, 5, tzinfo=UTC)
ROOT = Path(__file__).parents[3]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setattr(serve, "utc_now", lambda: AT)
    return Config(site=SiteSection(data_dir=tmp_path))


def test_the_summary_says_where_the_pages_are_in_the_sites_time(config: Config) -> None:
    assert serve.summary(config) == [
        "Yuenyan is running.",
        "  portal  http://127.0.0.1:8080/",
        "  admin   http://127.0.0.1:8081/",
        "  RADIUS  0.0.0.0:1812, 0.0.0.0:1813",
        "  since   2026-05-16 10:04:05 Asia/Bangkok; the log is in UTC",
        "Stop it with Ctrl-C.",
    ]


def test_the_summary_names_the_note_of_the_first_administrator_but_no_password(
    config: Config,
) -> None:
    note = config.data_dir / "first-admin.txt"
    note.write_text("user: admin\npassword: hidden here\n", encoding="utf-8")
    text = "\n".join(serve.summary(config))
    assert f"the name and password in {note}" in text and "hidden here" not in text


def test_the_summary_comes_once_when_the_log_of_the_start_has_gone_by(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers, now = [False], [100.0]
    monkeypatch.setattr(serve, "_answers", lambda _listen: answers[0])
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    announce = serve._announcement(config)
    assert not announce()
    answers[0] = True
    assert not announce()
    now[0] += 0.5
    assert not announce() and capsys.readouterr().out == ""
    now[0] += 0.6
    assert announce()
    assert "\nYuenyan is running.\n" in capsys.readouterr().out


def test_every_page_agrees_how_long_make_check_takes() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "Makefile"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert re.search(r"a minute\s+or two", text), name
