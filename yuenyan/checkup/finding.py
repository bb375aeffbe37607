"""One thing that was looked at: how it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` names what was looked at, `what` says how it is, `todo` what would mend it."""

    level: Level
    check: str
    what: str
    todo: str = ""


def ok(check: str, what: str) -> Finding:
    return Finding(Level.OK, check, what)


def warn(check: str, what: str, todo: str) -> Finding:
    return Finding(Level.WARN, check, what, todo)


def error(check: str, what: str, todo: str) -> Finding:
    return Finding(Level.ERROR, check, what, todo)
