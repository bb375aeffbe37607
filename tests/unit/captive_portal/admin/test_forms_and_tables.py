"""What holds for every template of the admin portal: hints are read out, tables can be scrolled."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import captive_portal.admin

TEMPLATES = sorted((Path(captive_portal.admin.__file__).parent / "templates").glob("*.html"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.stem))
def test_a_hint_beside_a_field_is_read_out_with_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    described = set(re.findall(r'aria-describedby="([^"]+)"', text))
    for field in re.findall(r'<p class="field.*?</p>', text, re.DOTALL):
        for hint in re.findall(r'<small class="hint"[^>]*>', field):
            name = re.search(r'id="([^"]+)"', hint)
            # parts.html names them by the field, in a variable.
            assert name is not None and (name[1] in described or "field.id" in name[1]), field


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.stem))
def test_a_table_that_is_wider_than_the_screen_is_scrolled_by_keys(path: Path) -> None:
    for box in re.findall(r'<div class="scroll"[^>]*>', path.read_text(encoding="utf-8")):
        assert 'tabindex="0" role="region" aria-label=' in box
