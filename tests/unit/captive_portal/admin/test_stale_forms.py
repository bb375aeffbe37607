"""A form with a token of an earlier sign-in: nothing is done, and what was typed is given back."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.unit.captive_portal.admin.conftest import Officer

TYPED = {
    "name": "โรงเรียน <b>ก</b>",
    "prefix": "10.9.9.9/32",
    "secret": "a-very-secret-word",
    "csrf_token": "of-an-earlier-sign-in",
}


@pytest.mark.parametrize(
    ("language", "told"),
    [("en", "This page was open too long"), ("th", "หน้านี้เปิดค้างไว้นานเกินไป")],
)
def test_a_stale_form_is_not_carried_out_and_gives_back_what_was_typed(
    admin: Officer, language: str, told: str
) -> None:
    answer = admin.client.post("/nas/new", data=TYPED, headers={"Accept-Language": language})
    assert answer.status_code == 400
    assert told in answer.text
    assert "โรงเรียน &lt;b&gt;ก&lt;/b&gt;" in answer.text and "10.9.9.9/32" in answer.text
    assert TYPED["secret"] not in answer.text and TYPED["csrf_token"] not in answer.text
    assert "<form" not in answer.text.partition("<h1")[2].partition("</main")[0]
    assert "10.9.9.9" not in admin.get("/nas/").text


def test_an_officer_who_was_signed_out_meanwhile_keeps_the_texts_too(admin: Officer) -> None:
    with admin.client.session_transaction() as session:
        session["seen_at"] = 1.0
    answer = admin.client.post("/nas/new", data=TYPED, headers={"Accept-Language": "en"})
    assert (answer.status_code, TYPED["prefix"] in answer.text) == (400, True)


@pytest.mark.parametrize("place", ["same-site", "cross-site"])
def test_a_page_elsewhere_puts_no_words_on_the_portals_page(admin: Officer, place: str) -> None:
    answer = admin.client.post("/nas/new", data=TYPED, headers={"Sec-Fetch-Site": place})
    assert (answer.status_code, TYPED["prefix"] in answer.text) == (400, False)
    for own in ("same-origin", "none"):  # "none": the person had the browser send it again
        answer = admin.client.post("/nas/new", data=TYPED, headers={"Sec-Fetch-Site": own})
        assert (answer.status_code, TYPED["prefix"] in answer.text) == (400, True)


def test_a_form_of_another_site_is_shown_nothing_of_what_it_sent(app: Flask) -> None:
    answer = app.test_client().post("/nas/new", data=TYPED, headers={"Accept-Language": "en"})
    assert answer.status_code == 400
    assert TYPED["prefix"] not in answer.text
    assert "This page cannot be used any more" in answer.text
