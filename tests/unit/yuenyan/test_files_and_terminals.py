"""What commands read from a terminal or a file of Windows, and write to a disk that is full."""

from __future__ import annotations

import os
import pty
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from common.errors import UsageError
from common.secret import write_secret_file
from db.engine import Database
from db.models import PublishedText
from identity.services.affected import Affected
from tests.conftest import Site
from yuenyan.commands.options import secret_from_stdin, write_new

READ = (
    "from yuenyan.commands.options import secret_from_stdin;"
    " print(len(secret_from_stdin('password')))"
)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can grow beyond 20 octets."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_password_that_is_typed_is_not_shown() -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", READ])
    shown = b""
    while b"password: " not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, b"geheim\n")
    try:
        while found := os.read(terminal, 1000):
            shown += found
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(terminal)
    assert os.waitpid(child, 0)[1] == 0, shown
    assert shown.decode().split() == ["password:", "6"]


def test_where_the_input_is_closed_it_is_said_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="give the password on standard input"):
        secret_from_stdin("password")


def test_a_name_is_no_formula_in_the_list_of_whom_a_breach_concerns(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Affected(
        account="v1",
        full_name="=HYPERLINK(A1)",
        contact="+66 2 123 4567",
        organisation="",
        sessions=1,
    )
    monkeypatch.setattr("yuenyan.commands.incidents.find_affected", lambda *_: [one])
    number = site.yuenyan("incident", "add", "--scope", "x").stdout.split(",")[0].strip()
    _, row = site.yuenyan("incident", "affected", number, "--csv").stdout.splitlines()
    assert row == "v1,'=HYPERLINK(A1),'+66 2 123 4567,,1"


def test_a_file_that_a_full_disk_cut_short_is_taken_away(tmp_path: Path) -> None:
    with full_disk(), pytest.raises(OSError, match="File too large"):
        write_secret_file(tmp_path / "key", b"0" * 64)
    with full_disk(), pytest.raises(OSError, match="File too large"):
        write_new(tmp_path / "slips.html", b"0" * 64)
    assert not list(tmp_path.iterdir())
    write_new(tmp_path / "slips.html", b"0" * 64)


def test_rules_that_notepad_wrote_begin_with_their_heading(site: Site, tmp_path: Path) -> None:
    rules = tmp_path / "rules.txt"
    rules.write_bytes("\ufeff# กติกา\r\n\r\nใช้อย่างสุภาพ\r\n".encode())
    published = site.yuenyan(
        *("notice", "publish", "acceptable-use", "--version", "2569-1"),
        *("--th", str(rules), "--en", str(rules)),
    )
    assert published.exit_code == 0, published
    database = Database(site.config.database_url)
    with database.read() as session:
        texts = set(session.scalars(select(PublishedText.text)))
    database.dispose()
    assert texts == {"# กติกา\n\nใช้อย่างสุภาพ\n"}


def test_a_custody_form_is_never_written_over_what_is_there(site: Site, tmp_path: Path) -> None:
    bundle, form = tmp_path / "case.zip", tmp_path / "form.txt"
    made = site.yuenyan(
        *("evidence", "export", "--case", "1", "--from", "2026-11-01", "--to", "2026-11-02"),
        *("--out", str(bundle), "--reason", "test", "--everyone"),
    )
    assert made.exit_code == 0, made
    words = ("evidence", "custody", "form", "1", "--out", str(form))
    assert site.yuenyan(*words).exit_code == 0
    assert form.stat().st_mode & 0o777 == 0o600, "it names people"
    form.write_text("signed")
    again = site.yuenyan(*words)
    assert again.exit_code == 2 and "is there already" in again.stderr
    assert form.read_text() == "signed"
