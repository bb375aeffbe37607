"""The first page says in time what ends, in both languages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask

from captive_portal.admin.endings import ending_warnings
from common.clock import utc_now
from identity.office import Office
from identity.pki.authority import CRL_LIFETIME, SERVER_DAYS
from tests.unit.captive_portal.admin.conftest import Officer


def test_a_new_site_is_warned_of_nothing(app: Flask, office: Office, admin: Officer) -> None:
    with app.test_request_context("/?lang=en"):
        assert ending_warnings(office.config, utc_now()) == []
    assert "yuenyan cert" not in admin.get("/").text


@pytest.mark.parametrize(
    ("left", "grave", "english", "thai"),
    [
        (61, None, "", ""),
        (59, False, "The server's certificate ends in 59 days", "ในอีก 59 วัน"),
        (29, False, "ends in 29 days", "ในอีก 29 วัน"),
        (6, True, "ends in 6 days", "ในอีก 6 วัน"),
        (-2, True, "The server's certificate ended on", "หมดอายุแล้ว"),
    ],
)
def test_the_end_is_told_60_30_and_7_days_ahead(
    app: Flask, office: Office, left: int, grave: bool | None, english: str, thai: str
) -> None:
    now = utc_now() + timedelta(days=SERVER_DAYS - left, hours=-2)
    for language, words in (("en", english), ("th", thai)):
        with app.test_request_context(f"/?lang={language}"):
            found = [
                (is_grave, text)
                for is_grave, text in ending_warnings(office.config, now)
                if "yuenyan cert server" in text
            ]
        if grave is None:
            assert found == []
        else:
            assert [is_grave for is_grave, _ in found] == [grave]
            assert words in found[0][1]


def test_the_first_page_shows_it(admin: Officer, office: Office) -> None:
    (office.config.ca_dir / "crl.pem").unlink()
    page = admin.get("/").text
    assert "The list of revoked certificates cannot be read; see: yuenyan doctor" in page


def test_the_grave_ones_come_first(app: Flask, office: Office) -> None:
    crl = CRL_LIFETIME - timedelta(days=20)
    (office.config.ca_dir / "server.pem").unlink()
    with app.test_request_context("/?lang=en"):
        found = ending_warnings(office.config, utc_now() + crl)
    assert [is_grave for is_grave, _ in found] == [True, False]


def test_certificates_from_elsewhere_are_looked_at_where_they_are(
    app: Flask, office: Office
) -> None:
    config = office.config
    eap = config.eap.model_copy(update={"ca": config.ca_dir / "ca.pem", "crl": None})
    radsec = config.radsec.model_copy(update={"certificate": config.data_dir / "none.pem"})
    changed = replace(office, config=config.model_copy(update={"eap": eap, "radsec": radsec}))
    (config.ca_dir / "crl.pem").unlink()
    with app.test_request_context("/?lang=en"):
        found = ending_warnings(changed.config, utc_now())
    assert [text for _, text in found] == [
        "The RadSec certificate cannot be read; see: yuenyan doctor"
    ]
