"""Plain text that an officer wrote, as HTML: paragraphs, `# headings` and `- lists`. Nothing else.

Everything is escaped: whoever may publish a text may not publish a script.
"""

from __future__ import annotations

from itertools import groupby

from markupsafe import Markup, escape


def render(text: str) -> Markup:
    """`text` as markup; an empty line ends a paragraph."""
    blocks: list[Markup] = []
    for block in "\n".join(line.strip() for line in text.splitlines()).split("\n\n"):
        for kind, lines in groupby(block.strip("\n").split("\n"), key=_kind):
            blocks.extend(_block(kind, list(lines)))
    return Markup("\n").join(blocks)


def _kind(line: str) -> str:
    return line[:2] if line[:2] in ("# ", "- ") else ""


def _block(kind: str, lines: list[str]) -> list[Markup]:
    if kind == "# ":
        return [Markup("<h2>%s</h2>") % line[2:] for line in lines]
    if kind == "- ":
        items = Markup("").join(Markup("<li>%s</li>") % line[2:] for line in lines)
        return [Markup("<ul>%s</ul>") % items]
    words = [escape(line) for line in lines if line]
    return [Markup("<p>%s</p>") % Markup("<br>").join(words)] if words else []
