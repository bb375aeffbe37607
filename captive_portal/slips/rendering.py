"""Slips as HTML: the pages a browser prints, and the bare card that the PDF is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from captive_portal.slips.layouts import Layout, style
from captive_portal.slips.wording import Sheet
from captive_portal.web import qr

_TEMPLATES = Path(__file__).parent / "templates"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True)


def style_sheet(layout: Layout) -> str:
    """All the style of the slips of a layout."""
    return f"{(_TEMPLATES / 'slips.css').read_text(encoding='utf-8')}\n{style(layout)}\n"


def sheets_html(sheet: Sheet, layout: Layout, codes: Sequence[str]) -> Iterator[Markup]:
    """The pages of these codes, each an element of its own."""
    card = _environment().get_template("card.html").module.card  # type: ignore[attr-defined]
    wifi = qr.svg(sheet.wifi, sheet.captions[0]) if sheet.wifi else ""
    marks = _marks(layout)
    for start in range(0, len(codes), layout.on_page):
        cards = [
            card(sheet, place, code, qr.svg(sheet.login(code), code), wifi)
            for place, code in enumerate(codes[start : start + layout.on_page])
        ]
        yield Markup('<section class="sheet">{}{}</section>').format(marks, Markup("").join(cards))


def bare_cards_html(sheets: Sequence[Sheet], layout: Layout) -> str:
    """One page a sheet, of the size of a card, with all that its cards have in common.

    Code and login QR are left out: they are put on afterwards.
    """
    page = f"@page {{ size: {layout.card_width}mm {layout.card_height}mm; margin: 0; }}"
    return (
        _environment()
        .get_template("cards.html")
        .render(
            title=sheets[0].title if sheets else "",
            style=Markup(f"{style_sheet(layout)}\n{page}"),  # noqa: S704 - ours alone
            sheets=[
                (sheet, qr.svg(sheet.wifi, sheet.captions[0]) if sheet.wifi else "")
                for sheet in sheets
            ],
        )
    )


def _marks(layout: Layout) -> Markup:
    lines = "".join(
        f"M{x:.2f} {y:.2f}L{to_x:.2f} {to_y:.2f}" for x, y, to_x, to_y in layout.crop_marks()
    )
    return Markup(
        '<svg class="marks" aria-hidden="true" viewBox="0 0 {} {}">'
        '<path fill="none" stroke="#000" stroke-width=".15" d="{}"/></svg>'
    ).format(layout.page_width, layout.page_height, lines)
