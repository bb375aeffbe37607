"""Reading names at the command line: who has the shell is on record, and who agreed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from common.errors import Refused
from identity.services import audit, unlocking
from traffic.lookup.asking import Asked
from yuenyan.commands.console import Operator, operator
from yuenyan.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """That these names may be read, with what is to be noted of it."""

    noted: Mapping[str, str | int | bool | None] = field(default_factory=dict)


def permit(context: Context, asked: Asked, approval: int | None) -> Permit:
    """Leave to read the names behind a question now.

    Without `[lookup] second_person` whoever has the shell has it; with it an approval of
    another officer for exactly this question is needed.

    Raises:
        Refused: there is no such approval; the attempt is on record.
        NotFound: there is no request of that number.
    """
    who = operator()
    if not context.config.lookup.second_person and approval is None:
        return Permit(noted=who.noted)
    try:
        if approval is None:
            raise Refused(
                "names are shown only after a second officer agreed: run this again with"
                " --ask-approval, and with --approval ID once it is approved in the admin portal"
                " (or with --pseudonyms)"
            )
        with context.office.database.write() as session:
            found = unlocking.use(session, context.office, approval, _wish(asked, context, who))
    except Refused as refusal:
        with context.office.database.write() as session:
            audit.record(
                session,
                context.office.clock(),
                context.actor,
                "lookup:denied",
                asked.kind.value,
                case=asked.case,
                reason=asked.reason,
                question=unlocking.spell(asked.tree),
                why=str(refusal),
                **who.noted,
            )
        raise
    return Permit(noted={**who.noted, "approval": approval, "approved_by": found.decided_by})


def ask_approval(context: Context, asked: Asked) -> int:
    """Put the wish to read these names on record; the number it can be used under."""
    with context.office.database.write() as session:
        wish = _wish(asked, context, operator())
        return unlocking.request(session, context.office, wish).id


def _wish(asked: Asked, context: Context, who: Operator) -> unlocking.Wish:
    return unlocking.Wish(
        kind=asked.kind.value,
        question=asked.tree,
        case=asked.case,
        reason=asked.reason,
        asker=context.actor,
        os_user=who.name,
    )
