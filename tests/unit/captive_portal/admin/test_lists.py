"""The first page, the ledgers and the small API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from common.errors import BackendUnavailable
from db.engine import Database
from identity.office import Office
from identity.services import nas
from tests.unit.captive_portal.admin import seed
from tests.unit.captive_portal.admin.conftest import Officer
from traffic.archive.kinds import ADMIN
from traffic.archive.status import archive_status
from traffic.archive.tables import TableArchive


def test_the_first_page_of_an_empty_site_works(admin: Officer) -> None:
    page = admin.get("/").text
    assert "No login was refused." in page
    assert "none yet" in page


def test_the_first_page_counts_and_warns(admin: Officer, office: Office) -> None:
    seed.add_school_day(office)
    page = admin.get("/").text
    assert "<b>4</b><span>registrations waiting</span>" in page
    assert "collector has not been heard of since 15 minutes ago" in page
    assert "1 unknown address tried to speak RADIUS" in page
    assert "records lost on the way" in page
    status = admin.get("/api/status").get_json()
    assert status["pending_registrations"] == 4
    assert status["logins_refused_24h"] == 7
    assert status["open_sessions"] == 3


@pytest.mark.parametrize(
    ("registered", "heard", "silent"),
    [
        pytest.param(timedelta(hours=23), None, False, id="new, never heard"),
        pytest.param(timedelta(hours=25), None, True, id="old, never heard"),
        pytest.param(timedelta(days=9), timedelta(hours=23), False, id="heard today"),
        pytest.param(timedelta(days=9), timedelta(hours=25), True, id="heard before"),
    ],
)
def test_equipment_is_silent_when_it_had_a_day_to_be_heard(
    admin: Officer, office: Office, registered: timedelta, heard: timedelta | None, silent: bool
) -> None:
    now = office.clock()
    with office.database.write() as session:
        added = nas.add_nas(session, office, "ap", "10.1.0.7", "a very long secret", "test")
        added.created_at = now - registered
        added.last_seen_at = None if heard is None else now - heard
    assert ("1 network device has not been seen for a day" in admin.get("/").text) is silent


def test_the_archive_is_counted_anew_only_when_it_has_changed(
    admin: Officer, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[Path] = []

    def count(archive: Path, zone: str, keys: Path) -> dict[str, Any]:
        counted.append(archive)
        return archive_status(archive, zone, keys)

    monkeypatch.setattr("captive_portal.admin.dashboard.archive_status", count)
    tables = TableArchive(office.config.data_dir / "archive", "node")
    for number in (1, 2):
        tables.append(ADMIN, [{"received_at": number, "actor": "head"}])
        assert admin.get("/").status_code == admin.get("/").status_code == 200
        assert len(counted) == number


def test_a_damaged_archive_is_said_on_the_first_page(
    admin: Officer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError("disk gone")

    monkeypatch.setattr("captive_portal.admin.dashboard.archive_status", fail)
    assert "The archive cannot be read" in admin.get("/").text


@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [
        ("", "somchai.r", "thanyarat"),
        ("show=all", "thanyarat", "nobody"),
        ("show=all&user=พิมพ์", "pimchanok", "kittipong"),
        ("show=all&mac=A6-B4-C6-01-02-01", "pimchanok", "kittipong"),
        ("show=all&mac=a6:b4", "kittipong", "somchai"),
        ("show=all&address=10.20.3.43", "kittipong", "pimchanok"),
        ("show=all&address=2001:db8:20:3:0::4", "kittipong", "pimchanok"),
        ("show=all&address=somewhere", "is not an IP address", "nobody"),
        ("show=all&nas=999", "Nothing found.", "kittipong"),
        ("show=nonsense&page=nonsense", "somchai.r", "thanyarat"),
    ],
)
def test_sessions_are_found(
    admin: Officer, office: Office, query: str, shown: str, hidden: str
) -> None:
    seed.add_school_day(office)
    rows = admin.get(f"/sessions/?{query}").text
    assert shown in rows
    assert hidden not in rows


@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [
        ("user=pimchanook", "There is no account with this name", "Let in"),
        ("outcome=accept", "somchai.r", "pimchanook"),
        ("reason=suspended", "nattha", "kittipong"),
        ("mac=3c22fb010204", "pimchanook", "kittipong"),
        ("span=all&nas=1", "kittipong", "nobody"),
    ],
)
def test_logins_are_found(
    admin: Officer, office: Office, query: str, shown: str, hidden: str
) -> None:
    seed.add_school_day(office)
    body = admin.get(f"/logins/?{query}").text.partition("<tbody>")[2]
    assert shown in body
    assert hidden not in body


def test_the_audit_trail_shows_who_did_what(admin: Officer) -> None:
    page = admin.get("/audit/?action=admin:signed_in&actor=HEAD").text
    assert "signed in here" in page
    assert "127.0.0.1" in page
    assert "Nothing found." in admin.get("/audit/?target=nowhere").text


def test_what_came_from_outside_is_shown_as_text(admin: Officer, app: Flask) -> None:
    Officer(app).sign_in("<script>alert(1)</script>", "x")
    page = admin.get("/audit/").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


def test_the_openapi_document_says_only_what_exists(admin: Officer, app: Flask) -> None:
    document = admin.get("/api/openapi.json").get_json()
    adapter = app.url_map.bind("localhost")
    for path, operations in document["paths"].items():
        for method in operations:
            adapter.match(path.replace("{id}", "1"), method.upper())
    status = document["paths"]["/api/status"]["get"]["responses"]["200"]["content"]
    described = status["application/json"]["schema"]["properties"]
    assert set(described) == set(admin.get("/api/status").get_json())


def test_pages_allow_nothing_foreign_and_are_not_stored(admin: Officer) -> None:
    response = admin.get("/")
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "'unsafe" not in policy
    assert "http" not in policy
    assert response.headers["Cache-Control"] == "no-store"
    assert "style=" not in response.text


def test_a_page_that_is_not_there_says_so(admin: Officer) -> None:
    response = admin.get("/nowhere")
    assert response.status_code == 404
    assert "Page not found" in response.text


def test_a_database_that_is_down_is_said_plainly(
    admin: Officer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_database: Database) -> Iterator[Session]:
        raise BackendUnavailable("database")

    monkeypatch.setattr(Database, "read", contextmanager(refuse))
    for path in ("/", "/people/", "/lookup/"):
        response = admin.get(path)
        assert response.status_code == 503
        assert "The system is not ready" in response.text
    assert admin.get("/api/health").status_code == 503
