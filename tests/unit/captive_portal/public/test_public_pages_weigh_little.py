"""Weight, headers, languages and markup of every page."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from tests.unit.captive_portal.public.conftest import HERE, Visitor

BUDGET_OCTETS = 30_000
PAGES = (
    "/",
    "/voucher",
    "/register",
    "/registration/",
    "/notice",
    "/status",
    "/guests",
    "/nowhere",
    "/forgot",
    "/reset",
)


class Markup(HTMLParser):
    """Collects what a browser would fetch, the ids, and what refers to them."""

    void = frozenset({"meta", "link", "input", "br", "path"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.refers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in self.void:
            self.open.append(tag)
        if tag in ("script", "img", "iframe") and values.get("src"):
            self.loads.append(str(values["src"]))
        if tag == "link":
            self.loads.append(str(values["href"]))
        if values.get("id"):
            self.ids.append(str(values["id"]))
        for name in ("for", "aria-describedby"):
            self.refers += str(values.get(name) or "").split()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        return

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["th", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_one_small_answer_and_loads_nothing(
    reader: Visitor, path: str, language: str
) -> None:
    answer = reader.get(f"{path}?lang={language}")
    assert len(answer.data) <= BUDGET_OCTETS
    markup = Markup(answer.text)
    assert markup.open == []
    assert [load for load in markup.loads if not load.startswith("data:")] == []
    assert "@import" not in answer.text and "url(" not in answer.text
    assert len(markup.ids) == len(set(markup.ids))
    assert set(markup.refers) <= set(markup.ids)
    assert f'<html lang="{language}">' in answer.text


@pytest.mark.parametrize("path", [*PAGES, "/healthz", "/generate_204", "/captive-portal/api"])
def test_every_answer_carries_the_closed_headers(reader: Visitor, path: str) -> None:
    headers = reader.get(path).headers
    policy = headers["Content-Security-Policy"]
    for directive in (
        "default-src 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ):
        assert directive in policy.split("; ")
    assert "unsafe" not in policy and "http:" not in policy and "*" not in policy
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in headers["Cache-Control"]


def test_the_style_sheet_carries_the_nonce_of_its_answer(reader: Visitor) -> None:
    first, second = reader.get("/"), reader.get("/")
    nonce = re.search(r'<style nonce="([\w-]+)">', first.text)
    assert nonce is not None
    assert f"'nonce-{nonce[1]}'" in first.headers["Content-Security-Policy"]
    assert nonce[1] not in second.text


def test_the_help_line_and_its_links_are_on_every_page(
    make_visitor: Callable[..., Visitor],
) -> None:
    visitor = make_visitor(help_line="Room 12, tel. 045 123 456")
    for path in PAGES:
        text = visitor.get(path).text
        footer = text[text.index("<footer") :]
        assert 'Room 12, tel. <span class="tel">045 123 456</span>' in footer, path
        assert 'href="/"' in footer and 'href="/notice"' in footer, path


@pytest.mark.parametrize(
    ("path", "accepted", "cookie", "language"),
    [
        pytest.param("/", "", "", "th", id="thai-first"),
        pytest.param("/", "de", "", "th", id="unknown-language"),
        pytest.param("/", "en-US,en;q=0.9,th;q=0.8", "", "en", id="browser-prefers-english"),
        pytest.param("/?lang=en", "th", "", "en", id="link-beats-browser"),
        pytest.param("/?lang=th", "en", "lang=en", "th", id="link-beats-cookie"),
        pytest.param("/", "th", "lang=en", "en", id="cookie-beats-browser"),
        pytest.param("/?lang=xx", "en", "lang=yy", "en", id="nonsense-is-ignored"),
    ],
)
def test_language(reader: Visitor, path: str, accepted: str, cookie: str, language: str) -> None:
    headers = {"Accept-Language": accepted, "Cookie": cookie}
    text = reader.get(path, headers={key: value for key, value in headers.items() if value}).text
    assert f'<html lang="{language}">' in text


def test_the_language_of_a_link_is_kept_without_cookies(reader: Visitor) -> None:
    text = reader.get("/?lang=en").text
    assert 'action="/?lang=en"' in text and 'href="/register?lang=en"' in text
    assert 'href="/?lang=th"' in text


def test_fields_help_phones_to_fill_them_in(reader: Visitor) -> None:
    text = reader.get("/").text
    for part in (
        'autocomplete="username"',
        'autocomplete="current-password"',
        'autocapitalize="none"',
        'autocorrect="off"',
        'inputmode="email"',
    ):
        assert part in text
    assert 'autocomplete="one-time-code"' in reader.get("/voucher").text
    assert 'autocomplete="new-password"' in reader.get("/register").text


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("get", "/nowhere", 404, "Page not found"),
        ("post", "/notice", 405, "cannot be used any more"),
        ("post", "/", 413, "Too much was sent"),
    ],
)
def test_error_pages_say_what_to_do(
    reader: Visitor, method: str, path: str, status: int, text: str
) -> None:
    if method == "get":
        answer = reader.get(f"{path}?lang=en")
    else:
        answer = reader.post(f"{path}?lang=en", username="x" * 70_000)
    assert answer.status_code == status
    assert text in answer.text and "first page" in answer.text


def test_a_fault_of_ours_shows_nothing_of_itself(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from captive_portal.public import status

    def fail(*_arguments: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(status, "session_of", fail)
    answer = visitor.get("/status?lang=en")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text and "secret detail" not in answer.text


def test_a_strangers_forwarded_address_changes_nothing(reader: Visitor) -> None:
    forged = {"X-Forwarded-For": "198.51.100.1"}
    text = reader.get("/", headers=forged).text
    token = text.split('form_token" value="')[1].split('"')[0]
    assert reader.post("/", form_token=token).status_code == 422, HERE
