"""A short official document as blocks, and the two forms it is written in: text and HTML.

The text is there to be edited, the HTML to be printed as it is. Pure; what the documents say is
`letters`' work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True)
class Title:
    """The heading of the document, centred."""

    text: str


@dataclass(frozen=True, slots=True)
class Fields:
    """Lines of a label and what stands beside it; a value may have several lines."""

    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Aside:
    """Lines that stand on the right: sender and date."""

    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text with its first line indented."""

    text: str


@dataclass(frozen=True, slots=True)
class Heading:
    """A small heading inside the document."""

    text: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A ruled table."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    empty: int = 0
    """Empty rows at the end, to be filled in by hand."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Where somebody signs."""

    closing: str
    name: str
    position: str


Block = Title | Fields | Aside | Paragraph | Heading | Grid | Signature

DOTS = "." * 40
"""What is to be filled in by hand."""

_INDENT = " " * 40

# Laksaman is the free descendant of the fonts of official letters. Those must not be named here,
# not even after it: Debian's fontconfig then shrinks Laksaman's letters onto each other.
_STYLE = """
@page { size: A4; margin: 2.5cm 2cm 2cm 3cm; @bottom-right { content: counter(page) "/"
  counter(pages); font: 10pt "Laksaman", sans-serif; } }
@page wide { size: A4 landscape; margin: 1.5cm; }
body { font: 12pt/1.5 "Laksaman", "Norasi",
  "Garuda", "Noto Serif Thai", serif; color: #000; margin: 0; }
body.wide { page: wide; font-size: 11pt; }
h1 { font-size: 1.5em; text-align: center; margin: 0 0 .4em; }
h2 { font-size: 1em; margin: .6em 0 .1em; }
p { margin: .3em 0; text-indent: 2.5cm; overflow-wrap: anywhere; }
dl { margin: .2em 0; } dl div { display: flex; }
dt { flex: none; width: 3.6cm; font-weight: bold; } .wide dt { width: 5.5cm; }
dd { margin: 0; flex: 1; white-space: pre-line; overflow-wrap: anywhere; }
.aside { margin: 0 0 .3em 50%; white-space: pre-line; }
table { border-collapse: collapse; width: 100%; margin: .4em 0; font-size: .92em; }
th, td { border: .5pt solid #000; padding: .15em .35em; vertical-align: top; text-align: left;
  overflow-wrap: anywhere; }
tr { break-inside: avoid; } tr.empty td { height: 1.9em; }
.sign { margin: 1em 0 0 45%; text-align: center; break-inside: avoid; }
.sign .room { height: 2.2em; }
"""


def to_text(blocks: Sequence[Block]) -> str:
    """Plain text, one idea a line, in UTF-8."""
    return "\n\n".join(filter(None, (_text(block) for block in blocks))) + "\n"


def _text(block: Block) -> str:
    match block:
        case Title(text) | Heading(text):
            return text
        case Fields(pairs):
            return "\n".join(f"{label}  {value}" for label, value in pairs)
        case Aside(lines):
            return "\n".join(_INDENT + line for line in lines)
        case Paragraph(text):
            return " " * 10 + text
        case Grid(headings, rows, empty):
            shown = [
                "\n".join(
                    f"  {heading}: {cell or DOTS}"
                    for heading, cell in zip(headings, row, strict=True)
                )
                for row in [*rows, *[("",) * len(headings)] * empty]
            ]
            return "\n\n".join(shown)
        case Signature(closing, name, position):
            told = [closing, "", f"(ลงชื่อ) {DOTS}", f"({name or DOTS})", position or DOTS]
            return "\n".join(_INDENT + line if line else "" for line in told)


def to_html(blocks: Sequence[Block], title: str, *, wide: bool = False) -> str:
    """One HTML file that needs no other, ready to be printed on A4."""
    body = "\n".join(_html(block) for block in blocks)
    look = ' class="wide"' if wide else ""
    return (
        f'<!doctype html>\n<html lang="th"><head><meta charset="utf-8"><title>{escape(title)}'
        f"</title><style>{_STYLE}</style></head><body{look}>\n{body}\n</body></html>\n"
    )


def _html(block: Block) -> str:
    match block:
        case Title(text):
            return f"<h1>{escape(text)}</h1>"
        case Heading(text):
            return f"<h2>{escape(text)}</h2>"
        case Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case Fields(pairs):
            lines = "".join(
                f"<div><dt>{escape(label)}</dt><dd>{escape(value)}</dd></div>"
                for label, value in pairs
            )
            return f"<dl>{lines}</dl>"
        case Aside(lines):
            return f'<div class="aside">{escape(chr(10).join(lines))}</div>'
        case Grid(headings, rows, empty):
            head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
            body = "".join(
                f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
            )
            body += f'<tr class="empty">{"<td></td>" * len(headings)}</tr>' * empty
            return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        case Signature(closing, name, position):
            return (
                f'<div class="sign">{escape(closing)}<div class="room"></div>'
                f"(ลงชื่อ) {DOTS}<br>({escape(name or DOTS)})<br>{escape(position or DOTS)}</div>"
            )
