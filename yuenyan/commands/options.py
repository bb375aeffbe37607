"""Helpers of several command groups: numbers of rows, secrets from standard input, time zones."""

from __future__ import annotations

import sys

import click

from common.errors import UsageError

NUMBER = click.IntRange(1, 2**31 - 1)
"""What the database counts: a greater one is no row's, and SQLite could not even be asked."""


def secret_from_stdin(what: str) -> str:
    """One line from standard input without its line end; asks aloud when it is a terminal.

    Raises:
        UsageError: nothing came.
    """
    if sys.stdin.isatty():
        print(f"{what}: ", end="", file=sys.stderr, flush=True)
    value = sys.stdin.readline().rstrip("\r\n")
    if not value:
        raise UsageError(f"give the {what} on standard input, one line")
    return value
