"""Telephone numbers in a line of text, kept whole where the line breaks."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_NUMBER = re.compile(r"(?<![\w.])\+?[0-9][0-9 -]{6,}[0-9]")


def unbroken(text: str) -> Markup:
    """`text` as HTML, each telephone number in it within an element that does not wrap."""
    made, end = Markup(""), 0
    for found in _NUMBER.finditer(text):
        made += escape(text[end : found.start()])
        made += Markup('<span class="tel">{}</span>').format(found[0])
        end = found.end()
    return made + escape(text[end:])
