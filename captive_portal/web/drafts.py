"""Drafts that an office may begin with; nothing of them is in force before it is published."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent / "drafts_text"


def draft_rules(language: str) -> str:
    """A draft of the rules of use; in English where there is none in that language."""
    path = _FOLDER / f"rules.{language}.txt"
    return (path if path.exists() else _FOLDER / "rules.en.txt").read_text(encoding="utf-8")
