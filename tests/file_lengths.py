"""Fails when a Python file has more than 500 lines and does not say why.

A reason is a comment among the first 20 lines: `# long file: because …`.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = (
    "common",
    "db",
    "identity",
    "radius_server",
    "traffic",
    "captive_portal",
    "yuenyan",
    "tests",
    "bench",
    "deploy",
)
LONGEST = 500
MARK = "# long file: "
GENERATED = ROOT / "db" / "migrations" / "versions"
"""Alembic writes these; one change of the schema is one file, whatever its length."""


def is_excused(lines: list[str]) -> bool:
    """Whether the file states a reason for its length."""
    return any(line.startswith(MARK) and len(line.strip()) > len(MARK) + 10 for line in lines[:20])


def main() -> int:
    """The exit code: 1 when a file is too long without a reason."""
    too_long = []
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        if path.is_relative_to(GENERATED):
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > LONGEST and not is_excused(lines):
            name = path.relative_to(ROOT)
            too_long.append(f"{name}: {len(lines)} lines; split it, or say '{MARK}…' on top")
    print("\n".join(too_long) or f"no file has more than {LONGEST} lines without a reason")
    return 1 if too_long else 0


if __name__ == "__main__":
    sys.exit(main())
