"""Turns a printable page into PDF where WeasyPrint and Pango are installed.

Without them there is the HTML, which any browser prints. Nothing is fetched.
"""

from __future__ import annotations

from typing import Any, NoReturn

from common.pdf_text import true_text

NO_PDF = (
    "no PDF was made (pip install 'yuenyan[pdf]', apt-get install libpango-1.0-0 "
    "libpangoft2-1.0-0 libharfbuzz-subset0 fonts-thai-tlwg); print the .html files instead"
)


def to_pdf(html: str) -> bytes | None:
    """The page as PDF, or None when this machine cannot make any."""
    try:
        import weasyprint
    except (ImportError, OSError):
        # OSError: the Python part is there, but not the library it loads.
        return None
    page: Any = weasyprint.HTML(string=html, url_fetcher=_refuse)
    written: bytes = page.write_pdf(finisher=true_text)
    return written


def can_print() -> bool:
    """Whether this machine can make PDF."""
    try:
        import weasyprint  # noqa: F401
    except (ImportError, OSError):
        return False
    return True


def _refuse(url: str, *_more: Any, **_named: Any) -> NoReturn:
    raise ValueError(f"a document of evidence loads nothing from outside: {url}")
