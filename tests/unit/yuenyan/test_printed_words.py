"""What the console prints reads as a person would write it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from common.counting import counted
from common.errors import BackendUnavailable
from tests.conftest import Site
from yuenyan.checkup.finding import warn
from yuenyan.cli import end_with
from yuenyan.commands.findings import print_finding

_YUENYAN = Path(__file__).parents[3] / "yuenyan"

_BARE = re.compile(
    r"\} (accounts|codes|connections|datagrams|devices|entries|errors|flows|hours|objects|people"
    r"|records|rows|seals|segments|sessions|slips|warnings)\b"
)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 segments"), (1, "1 segment"), (2, "2 segments")]
)
def test_one_of_a_kind_has_no_plural(count: int, text: str) -> None:
    assert counted(count, "segment") == text


def test_a_noun_with_a_plural_of_its_own_says_it() -> None:
    assert [counted(count, "entry is", "entries are") for count in (1, 2)] == [
        "1 entry is",
        "2 entries are",
    ]


@pytest.mark.parametrize("part", ["commands", "checkup", "processes", "."])
def test_no_sentence_of_the_console_says_one_segments(part: str) -> None:
    bare = [
        f"{path.name}: {line.strip()}"
        for path in sorted((_YUENYAN / part).glob("*.py"))
        for line in path.read_text("utf-8").splitlines()
        if _BARE.search(line)
    ]
    assert bare == []


@pytest.mark.parametrize("number", ["abc", "0", "99999999999"])
def test_what_is_no_number_of_a_list_is_told_in_a_sentence(site: Site, number: str) -> None:
    refused = site.yuenyan("token", "revoke", number)
    assert refused.exit_code == 2
    assert f"'{number}' is no number of a list; it is a whole number from 1" in refused.stderr


def test_a_command_whose_reader_has_gone_is_not_told_as_refused() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        ended = subprocess.run([sys.executable, "-m", "yuenyan.cli", "nas", "--help"], stdout=gone)
    assert ended.returncode == 141


def test_who_may_not_read_a_file_is_told_whose_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "var").mkdir()
    refused = PermissionError(13, "Permission denied", str(tmp_path / "var" / "archive" / "x"))
    behind = BackendUnavailable("archive", "it says no")
    behind.__cause__ = refused
    for error in (refused, behind):
        with patch.object(os, "geteuid", return_value=12345), pytest.raises(SystemExit) as ended:
            end_with(error)
        assert ended.value.code == 3
        assert "may not be read or written: run it as " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (BackendUnavailable("database", "away", "start it"), 3, "is unavailable: away; start it"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), 2, "is no text in UTF-8"),
    ],
)
def test_what_went_wrong_is_one_line_that_says_what_to_do(
    error: Exception, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        end_with(error)
    said = capsys.readouterr().err
    assert (ended.value.code, said.count("\n")) == (code, 1)
    assert told in said


def test_a_key_of_the_portal_that_is_no_text_is_named(site: Site) -> None:
    key = site.data_dir / "keys" / "portal-session.key"
    key.write_bytes(b"\xff\xfe broken")
    told = site.yuenyan("notice", "show")
    assert (told.exit_code, told.stdout) == (2, "")
    assert f"{key} holds no text" in told.stderr


def test_nothing_that_a_file_or_a_server_says_reaches_the_terminal_as_a_command(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text("username,password\nbad\x1b[31mname,a long password\n", encoding="utf-8")
    refused = site.yuenyan("user", "import", str(roster))
    assert r"row 2: bad\x1b[31mname: " in refused.stderr
    with pytest.raises(SystemExit):
        end_with(BackendUnavailable("mail", "it said \x1b]0;x\x07"))
    assert capsys.readouterr().err == r"yuenyan: mail is unavailable: it said \x1b]0;x\x07" + "\n"
    print_finding(warn("messages", "it said \x1b[2J", "look"))
    assert r"it said \x1b[2J" in capsys.readouterr().out
