"""`yuenyan flows --address … --json`, when everything about it is plain.

Reads the words of that one command, or leaves them to `yuenyan.cli`, which reads all of them and
says what is wrong with them. Loads nothing that takes time.
"""

from __future__ import annotations

from common import config_known
from common.errors import NetAccessError
from traffic.lookup.at_once import NotPlain, PlainQuestion, answer_at_once
from yuenyan.commands.console import operator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

ACTOR = "command-line"
"""Who reads at the console, for the record; `noted` says more."""

DEFAULT_LIMIT = 100_000
"""Flows in one answer; beyond it the answer says that it was cut."""

_VALUES = ("--address", "--from", "--to", "--case", "--reason", "--limit", "--offset")


def answer(words: Sequence[str], *, is_last: bool = False) -> Sequence[bytes] | None:
    """What the command `words` prints, in pieces; None: it is not for here, and nothing was done.

    Args:
        is_last: the process ends with it.
    """
    try:
        "".join(words).encode()  # or what is printed could not be
        named, options = _options(words)
        known = config_known.find(named)
        if known is None:
            return None
        question = PlainQuestion(
            options["--address"],
            options["--from"],
            options["--to"],
            options["--case"],
            options["--reason"],
            _number(options.get("--limit"), DEFAULT_LIMIT, 1),
            _number(options.get("--offset"), 0, 0),
        )
        return answer_at_once(known, question, ACTOR, operator().noted, is_last=is_last)
    except (NotPlain, NetAccessError, OSError, ArithmeticError, LookupError, ValueError, TypeError):
        # The last is for what somebody altered. Whoever reads the whole command does it all
        # again, and says what went wrong.
        return None


def _options(words: Sequence[str]) -> tuple[str | None, dict[str, str]]:
    """(the configuration that was named, option -> its word)."""
    named, position = None, 0
    if words[:1] == ["--config"]:
        named, position = words[1], 2
    if words[position : position + 1] != ["flows"]:
        raise NotPlain
    position += 1
    options: dict[str, str] = {}
    while position < len(words):
        name, equals, value = words[position].partition("=")
        position += 1
        if name == "--json" and not equals:
            value = "json"
        elif name not in _VALUES:
            raise NotPlain
        elif not equals:
            if position == len(words):
                raise NotPlain
            value = words[position]
            position += 1
        if name in options:
            raise NotPlain
        options[name] = value
    if "--json" not in options:
        raise NotPlain
    return named, options


def _number(word: str | None, default: int, least: int) -> int:
    if word is None:
        return default
    if not (word.isascii() and word.isdigit() and len(word) < 10) or int(word) < least:
        raise NotPlain
    return int(word)
