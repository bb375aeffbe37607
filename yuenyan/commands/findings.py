"""How findings of check-ups are printed: for people at once, for scripts as one document."""

from __future__ import annotations

from collections.abc import Sequence

import click

from common.printable import printable
from yuenyan.checkup.finding import Finding, Level

_MARKS = {Level.OK: "ok   ", Level.WARN: "warn ", Level.ERROR: "ERROR"}


def print_finding(finding: Finding, *, names_check: bool = True) -> None:
    """One finding and what would mend it; servers may have said something in it."""
    check = f"{finding.check}: " if names_check else ""
    click.echo(printable(f"{_MARKS[finding.level]} {check}{finding.what}"))
    if finding.todo:
        click.echo(printable(f"      → {finding.todo}"))


def finding_trees(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """The JSON of findings."""
    return [
        {"level": one.level, "check": one.check, "what": one.what, "todo": one.todo}
        for one in findings
    ]
