"""Slips with a first password, one for each pupil, on A4 pages grouped by class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from captive_portal.slips.pdf import NO_PDF
from common.errors import Refused
from common.pdf_text import true_text
from identity.services.class_passwords import Slip

ON_PAGE = 16
"""Two columns of eight, 33 mm high: a name of two lines, and a password to be read by a child."""

_TEMPLATES = Path(__file__).parent / "templates"


def password_slips(
    slips: Sequence[Slip], site: str, portal: str, language: str, wifi: str = ""
) -> Iterator[Markup]:
    """The pages, each an element of its own; a class begins on a page of its own.

    Args:
        portal: where the password is used, as it is typed; may be empty.
        wifi: the name of the Wi-Fi to join; may be empty.
    """
    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True)
    page = environment.get_template("password_page.html").module.page  # type: ignore[attr-defined]
    host = portal.removeprefix("https://").removeprefix("http://").rstrip("/")
    for (organisation, class_name), group in groupby(
        slips, key=lambda one: (one.organisation, one.class_name)
    ):
        of_class = list(group)
        pages = -(-len(of_class) // ON_PAGE)
        for number in range(pages):
            shown = of_class[number * ON_PAGE : (number + 1) * ON_PAGE]
            yield page(
                shown, organisation or site, class_name, number + 1, pages, host, language, wifi
            )


def password_style() -> str:
    """The style sheet of these pages, for a browser and for PDF."""
    return (_TEMPLATES / "passwords.css").read_text(encoding="utf-8")


def password_slips_html(
    slips: Sequence[Slip], site: str, portal: str, language: str, wifi: str = ""
) -> str:
    """All pages as a document that stands alone."""
    body = Markup("\n").join(password_slips(slips, site, portal, language, wifi))
    return (
        '<!doctype html>\n<html lang="th"><head><meta charset="utf-8"><title>Passwords</title>'
        f"<style>{password_style()}</style></head><body>\n{body}\n</body></html>\n"
    )


def password_slips_pdf(
    slips: Sequence[Slip], site: str, portal: str, language: str, wifi: str = ""
) -> bytes:
    """All pages as one PDF.

    Raises:
        Refused: this machine cannot make PDF; the message says what is missing.
    """
    try:
        import weasyprint
    except (ImportError, OSError) as error:
        raise Refused(NO_PDF) from error
    html = password_slips_html(slips, site, portal, language, wifi)
    written: bytes = weasyprint.HTML(string=html).write_pdf(finisher=true_text)
    return written
