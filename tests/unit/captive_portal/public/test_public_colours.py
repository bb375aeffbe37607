"""Contrast of the style sheet's colours, light and dark (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import captive_portal.public

STYLE = Path(captive_portal.public.__file__).parent / "templates" / "style.css"

TEXT = [
    ("ink", "card"), ("ink", "bg"), ("ink", "wash"), ("ink", "badbg"), ("ink", "goodbg"),
    ("soft", "card"), ("soft", "bg"), ("main", "card"), ("main", "bg"), ("main", "wash"),
    ("on", "main"), ("bad", "card"), ("bad", "badbg"), ("good", "goodbg"),
]  # fmt: skip
EDGES = [("line", "card"), ("main", "card"), ("bad", "card")]


def palette(scheme: str) -> dict[str, str]:
    blocks = re.findall(r":root\{([^}]*)\}", STYLE.read_text(encoding="utf-8"))
    colours = re.findall(r"--(\w+):#([0-9a-f]+)", blocks[0 if scheme == "light" else 1])
    return {name: value if len(value) == 6 else value[0] * 6 for name, value in colours}


def luminance(colour: str) -> float:
    """Relative luminance as WCAG defines it."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_edges_stand_out(scheme: str) -> None:
    colours = palette(scheme)
    weak = {
        pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2)
        for pairs, least in ((TEXT, 4.5), (EDGES, 3.0))
        for pair in pairs
        if contrast(colours[pair[0]], colours[pair[1]]) < least
    }
    assert weak == {}
