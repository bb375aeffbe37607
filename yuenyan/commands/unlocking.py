"""Reading names at the command line: who has the shell is on record, and who agreed.

Loads what a second officer takes where there is one: most sites have none, and a look-up waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from common.errors import NotFound, Refused
from yuenyan.commands.console import Operator, operator
from yuenyan.context import Context

if TYPE_CHECKING:
    from identity.domain.registers import Register
    from identity.services import unlocking
    from traffic.lookup.asking import Asked


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
    from identity.services import audit, unlocking

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
    from identity.services import unlocking

    with context.office.database.write() as session:
        wish = _wish(asked, context, operator())
        return unlocking.request(session, context.office, wish).id


def refuse_past_names(context: Context, target: str) -> None:
    """Refuse a list of whom past connections and logins name, where a second officer unlocks.

    Raises:
        Refused: the site has one; the attempt is on record.
    """
    if context.config.lookup.second_person:
        _deny(
            context,
            target,
            "past connections and logins name people, which a second officer unlocks: ask with"
            " yuenyan lookup --user NAME … --ask-approval (what is open now: yuenyan session list"
            " --active; one refusal: yuenyan login why NAME)",
        )


def need_request(
    context: Context, register: Register, number: str | None, account_id: int | None = None
) -> None:
    """Where a second officer unlocks, names leave by an entry that another officer approved.

    Args:
        account_id: whose the entry has to be.

    Raises:
        Refused: there is no such entry, or nobody else approved it; the attempt is on record.
        NotFound: there is no entry of that number.
    """
    if not context.config.lookup.second_person:
        return
    from identity.domain.registers import State
    from identity.services import registers

    how = "name with --request an entry of the register that another officer approved in the portal"
    if not number:
        _deny(context, register.value, f"names leave only after a second officer agreed: {how}")
    with context.database.read() as session:
        try:
            entry = registers.get_of(session, register, number)
        except NotFound as error:
            _deny(context, register.value, str(error))
        own = {context.actor, entry.entered_by, operator().name}
        approved = entry.state == State.APPROVED and entry.decided_by not in own
        other = account_id is not None and entry.account_id != account_id
    if other:
        _deny(context, number, f"{number} is about somebody else")
    if not approved:
        _deny(context, number, f"{number} is not approved, or by nobody else than the asker: {how}")


def _deny(context: Context, target: str, why: str) -> NoReturn:
    from identity.services import audit

    with context.office.database.write() as session:
        audit.record(
            session,
            context.office.clock(),
            context.actor,
            "lookup:denied",
            target,
            why=why,
            **operator().noted,
        )
    raise Refused(why)


def _wish(asked: Asked, context: Context, who: Operator) -> unlocking.Wish:
    from identity.services import unlocking

    return unlocking.Wish(
        kind=asked.kind.value,
        question=asked.tree,
        case=asked.case,
        reason=asked.reason,
        asker=context.actor,
        os_user=who.name,
    )
