"""Thousands of slips in one PDF, in seconds.

WeasyPrint lays out what all slips of a sheet have in common, once, with Thai shaped by HarfBuzz.
That card becomes a form of the PDF that every page refers to; each slip then costs its code, in a
font that every reader has, and its QR code as a bitmap of one bit a module.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

from captive_portal.slips.layouts import MONOSPACED_WIDTH, Box, Layout
from captive_portal.slips.rendering import bare_cards_html
from captive_portal.slips.wording import Sheet
from captive_portal.web import qr
from common.errors import Refused
from common.pdf_text import true_text

NO_PDF = (
    "no PDF was made (pip install 'yuenyan[pdf]', apt-get install libpango-1.0-0 "
    "libpangoft2-1.0-0 libharfbuzz-subset0 fonts-thai-tlwg); print the HTML instead"
)
_POINTS_A_MM = 72 / 25.4
_QUIET_MODULES = 4
"""ISO/IEC 18004: scanners need four light modules around the code."""


def slips_pdf(parts: Sequence[tuple[Sheet, Sequence[str]]], layout: Layout) -> bytes:
    """One PDF with the slips of these sheets, each sheet on pages of its own.

    Raises:
        Refused: this machine cannot make PDF; the message says what is missing.
    """
    try:
        import pydyf
        import weasyprint
        from weasyprint.urls import URLFetcher
    except (ImportError, OSError) as error:
        # OSError: the Python part is there, but not the library it loads.
        raise Refused(NO_PDF) from error
    html = bare_cards_html([sheet for sheet, _ in parts], layout)
    # The logo is a data: address; nothing is fetched from outside.
    fetcher = URLFetcher(allowed_protocols=("data",), fail_on_errors=True)
    document = weasyprint.HTML(string=html, url_fetcher=fetcher).render()
    written = io.BytesIO()

    def finish(document: Any, pdf: Any) -> None:
        true_text(document, pdf)
        _fill(pydyf, pdf, parts, layout)

    document.write_pdf(written, finisher=finish)
    return written.getvalue()


def _fill(
    pydyf: Any, pdf: Any, parts: Sequence[tuple[Sheet, Sequence[str]]], layout: Layout
) -> None:
    """Turn the pages that were laid out into forms, and put the slips on pages of paper."""
    cards = [pdf.objects[number] for number in pdf.pages["Kids"][::3]]
    pdf.pages["Kids"], pdf.pages["Count"] = pydyf.Array([]), 0
    font = pydyf.Dictionary({"Type": "/Font", "Subtype": "/Type1", "BaseFont": "/Courier-Bold"})
    pdf.add_object(font)
    for card, (sheet, codes) in zip(cards, parts, strict=True):
        content = _object(pdf, card["Contents"])
        content.extra = {
            "Type": "/XObject",
            "Subtype": "/Form",
            "BBox": card["MediaBox"],
            "Resources": card["Resources"],
        }
        content.compress = True
        resources = pydyf.Dictionary(
            {
                "XObject": pydyf.Dictionary({"card": content.reference}),
                "Font": pydyf.Dictionary({"code": font.reference}),
            }
        )
        pdf.add_object(resources)
        for start in range(0, len(codes), layout.on_page):
            stream = pydyf.Stream(
                list(_page(sheet, codes[start : start + layout.on_page], layout)), compress=True
            )
            pdf.add_object(stream)
            pdf.add_page(
                pydyf.Dictionary(
                    {
                        "Type": "/Page",
                        "Parent": pdf.pages.reference,
                        "MediaBox": pydyf.Array(
                            [0, 0, _points(layout.page_width), _points(layout.page_height)]
                        ),
                        "Contents": stream.reference,
                        "Resources": resources.reference,
                    }
                )
            )


def _object(pdf: Any, reference: bytes) -> Any:
    """What an indirect reference such as `7 0 R` leads to."""
    return pdf.objects[int(reference.split()[0])]


def _page(sheet: Sheet, codes: Sequence[str], layout: Layout) -> Iterator[bytes]:
    """The operators of one page."""
    height = layout.page_height
    yield b"0.4 w"
    for x, y, to_x, to_y in layout.crop_marks():
        yield (
            f"{_points(x)} {_points(height - y)} m {_points(to_x)} {_points(height - to_y)} l S"
        ).encode()
    for place, code in enumerate(codes):
        x, y = layout.corner(place)
        bottom = height - y - layout.card_height
        yield f"q 1 0 0 1 {_points(x)} {_points(bottom)} cm /card Do".encode()
        yield _code(code, layout)
        yield _bitmap(sheet.login(code), layout.login, layout.card_height)
        yield b"Q"


def _code(code: str, layout: Layout) -> bytes:
    """The code on its line; it holds letters, digits and hyphens only."""
    assert code.replace("-", "").isalnum() and code.isascii()
    box, size = layout.code, layout.code_size(len(code))
    x = box.x * _POINTS_A_MM
    if layout.is_centred:
        x += (box.width * _POINTS_A_MM - size * MONOSPACED_WIDTH * len(code)) / 2
    middle = (layout.card_height - box.y - box.height / 2) * _POINTS_A_MM
    baseline = middle - size * 0.28  # half the height of Courier's capitals
    return f"BT /code {size} Tf {x:.2f} {baseline:.2f} Td ({code}) Tj ET".encode()


def _bitmap(text: str, box: Box, card_height: float) -> bytes:
    """A QR code as an inline image: a bit a module, which no viewer smooths."""
    rows = qr.modules(text)
    side = len(rows)
    module = box.width / (side + 2 * _QUIET_MODULES)
    width = _points(module * side)
    x = _points(box.x + module * _QUIET_MODULES)
    y = _points(card_height - box.y - box.height + module * _QUIET_MODULES)
    octets = -(-side // 8)
    bits = "".join(_bits(row, octets) for row in rows)
    return (
        f"q {width} 0 0 {width} {x} {y} cm "
        f"BI /W {side} /H {side} /IM true /BPC 1 /D [1 0] /F /AHx ID {bits}> EI Q"
    ).encode()


def _bits(row: Sequence[bool], octets: int) -> str:
    """A row of modules as hex digits, filled up to whole octets."""
    text = "".join("1" if dark else "0" for dark in row).ljust(octets * 8, "0")
    return f"{int(text, 2):0{octets * 2}x}"


def _points(millimetres: float) -> float:
    return round(millimetres * _POINTS_A_MM, 3)
