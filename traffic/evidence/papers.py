"""One paper as items: text to edit, HTML to print, PDF where this machine can make it."""

from __future__ import annotations

from collections.abc import Sequence

from traffic.evidence.documents import Block, to_html, to_text
from traffic.evidence.printing import to_pdf


def paper_items(
    name: str, blocks: Sequence[Block], title: str, *, wide: bool = False
) -> dict[str, bytes]:
    """`name` with .txt, .html and perhaps .pdf, and their octets."""
    html = to_html(blocks, title, wide=wide)
    pdf = to_pdf(html)
    items = {f"{name}.txt": to_text(blocks).encode(), f"{name}.html": html.encode()}
    return items if pdf is None else {**items, f"{name}.pdf": pdf}
