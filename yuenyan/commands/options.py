"""Helpers of several command groups: numbers of rows, secrets, options that exclude each other."""

from __future__ import annotations

import getpass
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from common.errors import UsageError
from common.secret import write_secret_file


class _Number(click.IntRange):
    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return int(super().convert(value, param, ctx))
        except click.BadParameter:
            self.fail(f"{value!r} is no number of a list; it is a whole number from 1", param, ctx)


NUMBER = _Number(1, 2**31 - 1)
"""What the database counts: a greater one is no row's, and SQLite could not even be asked."""


def secret_from_stdin(what: str) -> str:
    """One line from standard input without its line end; a terminal is asked, and shows nothing.

    Raises:
        UsageError: nothing came.
    """
    value = line_from_stdin(what)
    if not value:
        raise UsageError(f"give the {what} on standard input, one line")
    return value


def line_from_stdin(what: str) -> str:
    """As `secret_from_stdin`, where nothing may be meant."""
    if sys.stdin is None:  # it was closed before
        return ""
    if sys.stdin.isatty():
        with suppress(EOFError):
            return getpass.getpass(f"{what}: ", sys.stderr)
        return ""
    return sys.stdin.readline().rstrip("\r\n")


def refuse_together(*given: tuple[str, object]) -> None:
    """Say so when two of these were given, (name, value), of which one would be left unheard.

    Raises:
        UsageError: more than one of the values says something.
    """
    named = [name for name, value in given if value]
    if len(named) > 1:
        raise UsageError(f"{' and '.join(named)} do not go together; give one of them")


def require_new(path: Path) -> None:
    """Say that `path` cannot be a new file before anything is read for it.

    Raises:
        UsageError: it is there already, or its folder is not.
    """
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path} is there already; name a new file")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}; make it first")


def write_new(path: Path, octets: bytes) -> None:
    """Write a file that its owner alone may read; nothing that is there is overwritten.

    What could not be written whole is taken away.

    Raises:
        UsageError: it is there already, or its folder is not.
        OSError: the system refuses; `yuenyan.cli.main` says so.
    """
    require_new(path)
    if not write_secret_file(path, octets):
        raise UsageError(f"{path} is there already; name a new file")
