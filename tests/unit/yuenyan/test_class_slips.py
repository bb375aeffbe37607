"""`yuenyan user slips`: a class gets new first passwords, each on a slip and nowhere else."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import select

from captive_portal.slips.passwords import password_slips_html
from db.models import Account, AuditEvent, Credential
from identity.domain.access import Granted
from identity.domain.levels import Level
from identity.office import Office
from identity.services import class_passwords, officers, people
from identity.services.login import check_password
from tests.conftest import Site
from tests.programs import require

ROSTER = """username,password,full_name,role,org,person_code,class_name
p11,old-password-1,เด็กหญิงน้ำทิพย์ ชำนาญการ,student,NNS,11,ม.1/2
p12,old-password-2,เด็กชายกล้าหาญ,student,NNS,12,ม.1/2
p21,old-password-3,เด็กชายสำราญ,student,NNS,21,ม.1/10
p31,old-password-4,เด็กหญิงฟ้า,student,BKK,31,ม.1/2
"""


@pytest.fixture
def school(site: Site, office: Office, tmp_path: Path) -> Office:
    for code in ("NNS", "BKK"):
        assert site.yuenyan("org", "add", code, f"โรงเรียน {code}").exit_code == 0
    path = tmp_path / "roster.csv"
    path.write_text(ROSTER, encoding="utf-8")
    assert site.yuenyan("user", "import", str(path)).exit_code == 0
    return office


def passwords_of(text: str) -> dict[str, str]:
    found = re.findall(r"<dd>(\S+)</dd>\s*<dt>.*?</dt><dd class=\"password\">(\S+)</dd>", text)
    return dict(found)


def test_a_class_gets_slips_that_sign_in_and_whose_passwords_are_stored_nowhere(
    site: Site, school: Office, tmp_path: Path
) -> None:
    out = tmp_path / "slips.html"
    command = ("user", "slips", "--org", "NNS", "--class", "ม.1/2", "--out", str(out))
    done = site.yuenyan(*command)
    assert done.exit_code == 0 and "2 slips" in done.stdout, done.stderr
    assert out.stat().st_mode & 0o777 == 0o600
    text = out.read_text(encoding="utf-8")
    made = passwords_of(text)
    assert made.keys() == {"p11", "p12"}
    for name, password in made.items():
        assert isinstance(check_password(school, name, password), Granted)
        assert password not in done.stdout + done.stderr
        for path in school.config.data_dir.glob("yuenyan.db*"):
            assert password.encode() not in path.read_bytes()
    assert not isinstance(check_password(school, "p11", "old-password-1"), Granted)
    assert isinstance(check_password(school, "p31", "old-password-4"), Granted)
    with school.database.read() as session:
        credential = session.get_one(Credential, people.get(session, "p11").id)
        (event,) = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "class:passwords_printed")
        ).all()
    assert credential.must_change
    assert event.target == "ม.1/2" and '"count": 2' in event.detail
    assert site.yuenyan(*command).exit_code == 2, "no file that is there is written over"


def test_slips_are_grouped_by_class_and_say_what_to_do(
    site: Site, school: Office, tmp_path: Path
) -> None:
    out = tmp_path / "slips.html"
    done = site.yuenyan("user", "slips", "--org", "NNS", "--language", "both", "--out", str(out))
    assert done.exit_code == 0, done.stderr
    text = out.read_text(encoding="utf-8")
    pages = text.split('<section class="passwords">')[1:]
    assert [sorted(passwords_of(page)) for page in pages] == [["p11", "p12"], ["p21"]]
    assert "ชั้น ม.1/2" in pages[0] and "ชั้น ม.1/10" in pages[1]
    assert "แล้วตั้งรหัสผ่านของตนเอง" in text and "choose your own password" in text


def test_a_roster_says_whose_and_officers_and_the_suspended_keep_theirs(
    site: Site, school: Office, tmp_path: Path
) -> None:
    with school.database.write() as session:
        officers.grant(session, school, "p12", Level.HELP_DESK, "test")
        people.set_state(session, school, "p21", "suspended", "test")
    roster, out = tmp_path / "wanted.csv", tmp_path / "slips.html"
    roster.write_text("username\np12\np21\np31\n", encoding="utf-8")
    tried = site.yuenyan("user", "slips", "--file", str(roster), "--dry-run")
    assert tried.stdout.splitlines() == ["ม.1/2\tp31\tเด็กหญิงฟ้า"]
    assert "nothing was changed; new passwords would be made: 1" in tried.stderr
    assert isinstance(check_password(school, "p31", "old-password-4"), Granted)
    done = site.yuenyan("user", "slips", "--file", str(roster), "--out", str(out))
    assert "p12: an officer's password" in done.stderr
    assert "p21: the account is suspended" in done.stderr
    assert passwords_of(out.read_text(encoding="utf-8")).keys() == {"p31"}
    assert isinstance(check_password(school, "p12", "old-password-2"), Granted)


def test_what_has_changed_meanwhile_changes_nobodys_password(school: Office) -> None:
    with school.database.read() as session:
        accounts = class_passwords.of_classes(session, "NNS", ["ม.1/2"])
        planned = class_passwords.plan(session, school, accounts)
    with school.database.write() as session:
        officers.grant(session, school, "p12", Level.HELP_DESK, "test")
    with (
        pytest.raises(Exception, match="p12 has changed meanwhile"),
        school.database.write() as session,
    ):
        class_passwords.carry_out(session, school, planned, "test")
    assert isinstance(check_password(school, "p11", "old-password-1"), Granted)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--out", "a.pdf"], "say whose"),
        (["--org", "NNS"], "say where"),
        (["--org", "NNS", "--out", "a.doc"], "ends in .pdf or .html"),
        (["--org", "NOPE", "--out", "a.html"], "there is no organisation 'NOPE'; see: yuenyan org"),
        (["--org", "NNS", "--class", "ม.9", "--out", "a.html"], "nobody is in the class"),
    ],
)
def test_a_wish_that_cannot_be_met_says_what_to_do(
    site: Site, school: Office, tmp_path: Path, words: list[str], says: str
) -> None:
    result = site.yuenyan(
        "user", "slips", *(word.replace("a.", f"{tmp_path}/a.") for word in words)
    )
    assert result.exit_code in (1, 2) and says in result.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name,class\np11,1\n", "the file has no column username"),
        ("username\np11\nnobody\n", "row 3: "),
    ],
)
def test_a_roster_that_does_not_fit_is_told_and_nothing_is_changed(
    site: Site, school: Office, tmp_path: Path, text: str, says: str
) -> None:
    roster, out = tmp_path / "wanted.csv", tmp_path / "slips.html"
    roster.write_text(text, encoding="utf-8")
    result = site.yuenyan("user", "slips", "--file", str(roster), "--out", str(out))
    assert result.exit_code in (1, 2) and says in result.stderr
    assert not out.exists()
    assert isinstance(check_password(school, "p11", "old-password-1"), Granted)


def test_slips_without_an_address_are_warned_of_before_any_password_changes(
    site: Site, school: Office
) -> None:
    assert not school.config.portal.public_url
    tried = site.yuenyan("user", "slips", "--org", "NNS", "--dry-run")
    assert "warning: the slips do not say where to sign in" in tried.stderr


def test_a_slip_names_the_wi_fi_and_where_to_sign_in() -> None:
    slip = class_passwords.Slip(
        account_id=1,
        username="p1",
        full_name="",
        class_name="1",
        organisation="NNS",
        password="x",
        password_hash="",
    )
    shown = password_slips_html([slip], "NNS", "https://wifi.example", "both", "Rongrian <1>")
    assert "เข้าใช้ Wi-Fi Rongrian &lt;1&gt; ที่ wifi.example" in shown
    assert "Wi-Fi Rongrian &lt;1&gt; at wifi.example" in password_slips_html(
        [slip], "NNS", "https://wifi.example", "en", "Rongrian <1>"
    )


@pytest.mark.real
def test_the_pdf_of_a_class_reads_as_it_was_written(
    site: Site, school: Office, tmp_path: Path
) -> None:
    out = tmp_path / "slips.pdf"
    done = site.yuenyan("user", "slips", "--org", "NNS", "--out", str(out))
    assert done.exit_code == 0, done.stderr
    text = subprocess.run(
        [require("pdftotext", "poppler-utils"), str(out), "-"],
        check=True,
        capture_output=True,
        timeout=60,
    ).stdout.decode()
    assert text.count("\f") == 2, "a class begins on a page of its own"
    for words in ("เด็กหญิงน้ำทิพย์ ชำนาญการ", "รหัสผ่านครั้งแรก", "แล้วตั้งรหัสผ่านของตนเอง"):
        assert words in " ".join(text.split()), text
    (password,) = set(re.findall(r"[a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{4}", text.split("\f")[1]))
    assert isinstance(check_password(school, "p21", password), Granted)
    with school.database.read() as session:
        assert session.scalars(select(Account.username).where(Account.username == "p21")).one()
