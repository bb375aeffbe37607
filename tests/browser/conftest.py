"""Live portals as real processes, and Debian's Chromium as a phone.

`portal` and `admin_portal` are the addresses of running servers on loopback; `phone` makes
browser contexts that write down every request, so a test can say which hosts were asked.
"""

from __future__ import annotations

import http.client
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Response, sync_playwright

from common import config as configuration
from tests import prepared
from tests.conftest import Site, free_port, wait_until
from tests.integration.radius_site import command
from tests.programs import require

SCREENSHOTS = Path(__file__).parents[2] / "artefacts" / "screenshots"
PICTURES = bool(os.environ.get("YUENYAN_TEST_ALL") or os.environ.get("YUENYAN_PICTURES"))
"""Whether pages are kept as pictures, some 300 of them: nothing is checked by it."""

CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_START_SECONDS = 30.0


@pytest.fixture
def live_site(site: Site) -> Site:
    """`site`, with a port of its own for each portal in its configuration file."""
    text = site.config_file.read_text(encoding="utf-8")
    for section in ("portal", "admin"):
        text = text.replace(
            f'[{section}]\nlisten = "127.0.0.1:0"',
            f'[{section}]\nlisten = "127.0.0.1:{free_port()}"',
        )
    text = text.replace('name = "Test school"', 'name = "โรงเรียนบ้านหนองน้ำใส"')
    site.config_file.write_text(text, encoding="utf-8")
    return Site(site.config_file, configuration.load(site.config_file))


@contextmanager
def running(site: Site, process: str, listen: str) -> Iterator[str]:
    """The address of `yuenyan <process>` while it runs; it must stop cleanly on SIGTERM."""
    log = site.config_file.with_name(f"{process}.log")
    with log.open("wb") as stream:
        server = prepared.start(process, command(site, process), stream)
    try:
        wait_until(
            lambda: server.poll() is not None or _answers(listen),
            _START_SECONDS,
            f"yuenyan {process} does not answer on {listen}",
        )
        assert server.poll() is None, log.read_text(encoding="utf-8")
        yield f"http://{listen}"
    finally:
        server.terminate()
        exit_code = server.wait(30)
    assert exit_code == 0, log.read_text(encoding="utf-8")


def _answers(listen: str) -> bool:
    connection = http.client.HTTPConnection(listen, timeout=2)
    try:
        connection.request("GET", "/")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


@pytest.fixture
def portal(live_site: Site) -> Iterator[str]:
    """The address of a running public portal of `live_site`."""
    with running(live_site, "portal", live_site.config.portal.listen) as address:
        yield address


@pytest.fixture
def admin_portal(live_site: Site) -> Iterator[str]:
    """The address of a running admin portal of `live_site`."""
    with running(live_site, "admin", live_site.config.admin.listen) as address:
        yield address


@pytest.fixture(scope="session")
def driver() -> Iterator[Playwright]:
    """What drives browsers; there can be one of it in a process."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(driver: Playwright) -> Iterator[Browser]:
    """Debian's Chromium, headless, with a profile of its own."""
    program = require("chromium", "chromium")
    browser = driver.chromium.launch(executable_path=program, args=CHROMIUM_OPTIONS)
    yield browser
    browser.close()


@dataclass(slots=True)
class Phone:
    """One browser context and everything it was answered."""

    context: BrowserContext
    page: Page
    answers: list[Response] = field(default_factory=list)

    def hosts(self) -> set[str]:
        """Every host that was asked for anything."""
        parts = (urlsplit(answer.url) for answer in self.answers)
        return {part.netloc for part in parts if part.scheme in ("http", "https")}

    def overflow(self) -> int:
        """By how many CSS pixels the page is wider than the screen; 0 is right."""
        width: int = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return width

    def screenshot(self, name: str) -> None:
        """Keep the whole page as a picture for people to look at, where they are wanted."""
        keep_picture(self.page, name)


def keep_picture(page: Page, name: str) -> None:
    """The whole page as a file for people to look at, where they are wanted."""
    if PICTURES:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


@pytest.fixture
def phone(chromium: Browser) -> Iterator[Callable[..., Phone]]:
    """Makes phones: `phone(width=320, language="en", script=False, dark=True)`."""
    contexts: list[BrowserContext] = []

    def make(
        *,
        width: int = 375,
        height: int = 740,
        language: str = "th",
        script: bool = True,
        dark: bool = False,
        **options: Any,
    ) -> Phone:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            locale={"th": "th-TH", "en": "en-GB"}[language],
            java_script_enabled=script,
            color_scheme="dark" if dark else "light",
            is_mobile=width < 600,
            has_touch=width < 600,
            **options,
        )
        contexts.append(context)
        made = Phone(context, context.new_page())

        # Playwright marks the handlers it is given, which a built-in method does not allow.
        def note(answer: Response) -> None:
            made.answers.append(answer)

        made.page.on("response", note)
        return made

    yield make
    for context in contexts:
        context.close()
