"""What an officer reads where the records of a time cannot be had from the object store."""

from __future__ import annotations

import pytest

from captive_portal.admin import answers
from common.errors import BackendUnavailable
from identity.office import Office
from tests.unit.captive_portal.admin.conftest import Officer
from tests.unit.captive_portal.admin.test_lookups import Api, asked_by_api, question

SILENT = BackendUnavailable("object store", "https://minio.example:9000 does not answer")
FULL = BackendUnavailable("archive", "the disk is too full to bring 1440 segments back, 9.1 GiB")
OTHER = BackendUnavailable("archive", "nothing of the kind")

CASES = [
    pytest.param(SILENT, "which does not answer", "ซึ่งไม่ตอบสนองในขณะนี้", "ask later", id="silent"),
    pytest.param(FULL, "Ask about a shorter time", "ช่วงเวลาให้สั้นลง", "a shorter time", id="full"),
]


def refuse(patch: pytest.MonkeyPatch, error: BackendUnavailable) -> None:
    def run_asked(*_asked: object) -> None:
        raise error

    patch.setattr(answers, "run_asked", run_asked)


@pytest.mark.parametrize(("error", "english", "thai", "for_programs"), CASES)
def test_it_is_said_and_the_question_stays(
    admin: Officer,
    office: Office,
    monkeypatch: pytest.MonkeyPatch,
    error: BackendUnavailable,
    english: str,
    thai: str,
    for_programs: str,
) -> None:
    refuse(monkeypatch, error)
    asked = question(office)
    shown = admin.post("/lookup/", "/lookup/", **asked)
    assert shown.status_code == 503
    assert english in shown.text and asked["address"] in shown.text
    unlocked = admin.post("/lookup/unlocks/", "/lookup/", **asked)
    assert unlocked.status_code == 503
    assert english in unlocked.text and "cannot be had now" in unlocked.text
    in_thai = admin.post("/lookup/?lang=th", "/lookup/", **asked).text
    assert thai in in_thai
    found = Api(admin).post("/api/lookup", asked_by_api(office))
    assert found.status_code == 503
    assert for_programs in found.get_json()["error"]
    for text in (shown.text, unlocked.text, in_thai, found.text):
        assert "minio" not in text and "segments" not in text


def test_anything_else_that_does_not_answer_is_told_as_before(
    admin: Officer, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, OTHER)
    for path in ("/lookup/", "/lookup/unlocks/"):
        shown = admin.post(path, "/lookup/", **question(office))
        assert shown.status_code == 503
        assert "The system is not ready" in shown.text
    found = Api(admin).post("/api/lookup", asked_by_api(office))
    assert found.get_json()["error"] == "the database does not answer"
