"""What the documents name is there: pages, files, commands and their options."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from yuenyan.cli import cli

_ROOT = Path(__file__).parents[3]
_DOCUMENTS = (
    *(_ROOT / name for name in ("README.md", "CONTRIBUTING.md", "deploy/yuenyan.example.toml")),
    *sorted((_ROOT / "docs").rglob("*.md")),
)
"""Not the changelog, which tells of commands that were."""

_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_FILE = re.compile(r"`([a-z_]+/[\w./-]+\.(?:py|sh|md|toml|sql|conf))`")
_COMMAND = re.compile(r"(?:^|[`(]|&& |; |\| )(?:yuenyan|\$Y) ([a-z][^`\n|<>#]*)", re.M)
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_SHORT = ("radius_server/", "traffic/", "tests/")
"""Where the architecture's page, some decisions and the tables of tests begin their paths."""


@pytest.mark.parametrize("path", _DOCUMENTS, ids=lambda path: str(path.relative_to(_ROOT)))
def test_every_page_and_file_that_a_document_names_is_there(path: Path) -> None:
    text = path.read_text("utf-8")
    links = [one for one in _LINK.findall(text) if "://" not in one]
    gone = [one for one in links if not (path.parent / one).exists()]
    gone += [
        one
        for one in _FILE.findall(text)
        if not any((_ROOT / begin / one).exists() for begin in ("", *_SHORT))
    ]
    assert gone == []


@pytest.mark.parametrize("path", _DOCUMENTS, ids=lambda path: str(path.relative_to(_ROOT)))
def test_every_command_and_option_that_a_document_names_is_there(path: Path) -> None:
    said = _COMMAND.findall(path.read_text("utf-8"))
    assert [one for one in said if not _is_there(one)] == []


def test_a_command_that_is_not_there_is_noticed() -> None:
    assert _is_there("archive store push --all")
    assert not _is_there("archive store pull")
    assert not _is_there("archive store push --hard")
    assert _COMMAND.findall("run `yuenyan doctor` and\nyuenyan nas list  # all") == [
        "doctor",
        "nas list  ",
    ]


def _is_there(said: str) -> bool:
    """Whether the words begin with a command of ours, and it has the options among them."""
    found: click.Command = cli
    for word in said.split():
        if not isinstance(found, click.Group):
            break
        further = found.get_command(click.Context(found), word)
        if further is None:
            return not re.fullmatch(r"[a-z][a-z-]*[.,:;]?", word)
        found = further
    known = {name for one in found.params for name in (*one.opts, *one.secondary_opts)}
    return set(_OPTION.findall(said)) <= known | {"--help", "--config"}
