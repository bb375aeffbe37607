"""The page that says which test proves what: each of them is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "acceptance-accountability.md"
_FILE = re.compile(r"`((?:unit|integration|clients|vectors|bench)/[\w/]+\.py)`")
_NAME = re.compile(r"`(test_\w+)`")


def path_of(name: str) -> Path:
    return ROOT / name if name.startswith("bench/") else ROOT / "tests" / name


def test_every_test_that_the_page_of_accountability_names_is_there() -> None:
    seen = 0
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        named = _FILE.findall(line)
        texts = [path_of(name).read_text(encoding="utf-8") for name in named]
        for name in _NAME.findall(line):
            seen += 1
            assert any(f"def {name}(" in text for text in texts), (name, named)
        if line.startswith("| ") and not line.startswith("| asked"):
            assert named or "[integrity]" in line, line
    assert seen > 30
