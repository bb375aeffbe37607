"""How answers of look-ups are printed; nothing here reads anything.

Imports nothing heavy at the top: a look at the flows of one address must start fast.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from common.counting import counted
from yuenyan.commands.options import NUMBER, refuse_together

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
CASE = click.option("--case", "case", default="", metavar="TEXT", help="The case it is for.")
REASON = click.option("--reason", default="", metavar="TEXT", help="Why it is asked.")
APPROVAL = click.option(
    "--approval",
    type=NUMBER,
    metavar="ID",
    help="Of a second officer, for this question.",
)
ASK_APPROVAL = click.option(
    "--ask-approval", is_flag=True, help="Ask a second officer to unlock this; prints its ID."
)


def refuse_contradictions(
    *, ask_approval: bool, approval: int | None, as_csv: bool = False, pseudonyms: bool = False
) -> None:
    """UsageError for options of a look-up of which one would be left unheard."""
    asking = ("--ask-approval", ask_approval)
    for other in (("--approval", approval), ("--csv", as_csv), ("--pseudonyms", pseudonyms)):
        refuse_together(asking, other)
    refuse_together(("--approval", approval), ("--pseudonyms", pseudonyms))


def print_waiting(number: int, *, as_json: bool) -> None:
    """The number of the request that waits for a second officer."""
    if as_json:
        print_answer_json({"approval": number, "state": "waiting"})
        return
    click.echo(f"request {number} waits for a second officer; then use: --approval {number}")


OUTCOMES = {
    "single": "One account had it.",
    "ambiguous": "Several may have had it; the records cannot tell which.",
    "none": "Nobody had it: the records are complete for that time and name no one.",
    "gap": "Not known: records for that time are missing.",
}


UNKNOWN = "Somebody had it of whom the records name no one: no session of this address is known."
"""Said for `none` where it was seen which inside address had it."""


def print_answer_json(answer: Mapping[str, Any]) -> None:
    """One JSON document. Not by commands.tables, whose imports take as long as the reading."""
    click.echo(json.dumps(answer, ensure_ascii=False, indent=2))


def print_asked(what: str, interpretation: Mapping[str, str]) -> None:
    """The question as it was understood, in both calendars and UTC, before it is answered."""
    click.echo(f"Asked: {what}")
    for key in ("thai", "western", "utc", "note"):
        if interpretation[key]:
            click.echo(f"  {interpretation[key]}")


def print_candidates(answer: Mapping[str, Any]) -> None:
    """Outcome, who it may have been, and what the answer rests on."""
    from yuenyan.commands.tables import print_table

    nameless = answer.get("nameless", ())
    said = UNKNOWN if nameless and answer["outcome"] == "none" else OUTCOMES[answer["outcome"]]
    click.echo(f"[{answer['confidentiality']}] {said}")
    if nameless:
        print_table(
            ("inside address", "port", "from", "to"),
            [
                (one["inside_address"], one["inside_port"], one["from"], one["to"])
                for one in nameless
            ],
        )
        for one in nameless:
            for record in one["evidence"]:
                click.echo(f"  {record}")
    if answer["candidates"]:
        print_table(
            ("account", "name", "mac", "inside address", "port", "nas", "from", "to"),
            [
                (
                    one["account"] or one["user_name"] or one.get("pseudonym"),
                    one["full_name"],
                    one["mac"],
                    one["inside_address"],
                    one["inside_port"],
                    one["nas"],
                    one["from"],
                    one["to"] or f"open, last heard {one['last_heard_at']}",
                )
                for one in answer["candidates"]
            ],
        )
        for one in answer["candidates"]:
            for record in one["evidence"]:
                click.echo(f"  {record}")
    limits = answer["tolerance"]
    if limits["ambiguous_from_seconds"] is not None:
        click.echo(
            f"It stops being single at a tolerance of {limits['ambiguous_from_seconds']:g} s."
        )
    elif limits["looked_to_seconds"] is not None and answer["outcome"] == "single":
        click.echo(f"It stays single up to a tolerance of {limits['looked_to_seconds']:g} s.")
    click.echo(f"Clock error reckoned with: {answer['clock_error_ms']} ms.")
    print_gaps(answer["gaps"])
    for sentence in answer["sentences"].values():
        click.echo(sentence)
    for warning in answer["warnings"][1:]:
        click.echo(warning)


def print_person(answer: Mapping[str, Any]) -> None:
    """What a person had, as tables."""
    from yuenyan.commands.tables import print_table

    click.echo(f"[{answer['confidentiality']}] {counted(len(answer['sessions']), 'session')}")
    print_table(
        ("from", "to", "mac", "addresses", "nas", "session"),
        [
            (
                one["from"],
                one["to"] or f"open, last heard {one['last_heard_at']}",
                one["mac"],
                ", ".join(one["addresses"]),
                one["nas"],
                one["session_id"],
            )
            for one in answer["sessions"]
        ],
    )
    for name, rows in (("mac", answer["devices"]), ("nas", answer["places"])):
        click.echo("")
        print_table(
            ("device" if name == "mac" else "place", "sessions", "first", "last"),
            [(one[name], one["sessions"], one["first"], one["last"]) for one in rows],
        )
    print_gaps(answer["gaps"])
    for sentence in answer["sentences"].values():
        click.echo(sentence)
    if answer["truncated"]:
        click.echo("There are more sessions than are shown; ask for a shorter period.")


def print_gaps(gaps: list[dict[str, Any]]) -> None:
    """What is missing, if anything."""
    if not gaps:
        return
    from yuenyan.commands.tables import print_table

    click.echo("Missing, or perhaps missing:")
    print_table(
        ("kind", "from", "to", "lost", "reason", "source"),
        [
            (gap["kind"], gap["from"], gap["to"], gap["lost"], gap["reason"], gap["source"])
            for gap in gaps
        ],
    )
