"""Accounts with names that look alike, and with names that few can type. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from common.config import Config
from common.counting import counted
from identity.services.alike import Alike, find_alike
from yuenyan.checkup.finding import Finding, warn

_SHOWN = 5
_KEEP = (
    "let {stays} stay, which is found however it is typed (a new password, if the person does not"
    " know it: yuenyan user password), then: yuenyan user disable {goes}"
)
_ANEW = (
    "if somebody cannot log in: make the account anew (yuenyan user add, the name typed as usual),"
    " then: yuenyan user disable {goes}"
)


def check_names(config: Config, session: Session) -> Iterator[Finding]:
    """Name active accounts that look alike, each in letters that a shell reads unmistakably."""
    found = find_alike(session)
    twins = {name: accounts for name, accounts in found.items() if len(accounts) > 1}
    for name, accounts in list(twins.items())[:_SHOWN]:
        told = "; ".join(_told(config, one) for one in accounts)
        yield warn(
            "names",
            f"{counted(len(accounts), 'account looks', 'accounts look')} like {name}: {told}",
            _todo(accounts),
        )
    if len(twins) > _SHOWN:
        yield warn(
            "names", f"{len(twins) - _SHOWN} more names are stored twice", "mend those above first"
        )
    alone = [accounts[0] for accounts in found.values() if len(accounts) == 1]
    if alone:
        shown = ", ".join(one.username for one in alone[:_SHOWN])
        yield warn(
            "names",
            counted(len(alone), "account has", "accounts have")
            + " the marks of its letters in an order that is not found when they are typed in"
            f" another: {shown}{', …' if len(alone) > _SHOWN else ''}",
            _todo(alone[:1]),
        )


def spelled(name: str) -> str:
    """`name` for bash, with every letter outside ASCII by its number: `$'\\u0e01'`."""
    letters = [
        letter
        if letter.isascii() and letter.isprintable() and letter not in "\\'"
        else f"\\u{ord(letter):04x}"
        if ord(letter) < 1 << 16
        else f"\\U{ord(letter):08x}"
        for letter in name
    ]
    return f"$'{''.join(letters)}'"


def _told(config: Config, one: Alike) -> str:
    login = "no login in the log"
    if one.last_login_at is not None:
        login = f"last login {_day(config, one.last_login_at)}"
    return f"{spelled(one.username)} (made {_day(config, one.created_at)}, {login})"


def _day(config: Config, moment: datetime) -> str:
    return moment.astimezone(ZoneInfo(config.site.timezone)).date().isoformat()


def _todo(accounts: Sequence[Alike]) -> str:
    goes = spelled(next(one.username for one in accounts if not one.is_composed))
    for one in accounts:
        if one.is_composed:
            return _KEEP.format(stays=spelled(one.username), goes=goes)
    return _ANEW.format(goes=goes)
