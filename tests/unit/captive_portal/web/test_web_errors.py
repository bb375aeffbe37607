"""Which page an error gets."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import IntegrityError

from captive_portal.public import create_app
from identity.office import Office


def test_two_who_do_the_same_at_once_are_told_so(office: Office) -> None:
    app = create_app(office)

    def contradict() -> str:
        raise IntegrityError("INSERT", {}, sqlite3.IntegrityError("UNIQUE"))

    app.add_url_rule("/twice", "twice", contradict)
    answer = app.test_client().get("/twice?lang=en")
    assert answer.status_code == 409
    assert "Somebody did the same thing" in answer.text
    assert "UNIQUE" not in answer.text
