"""`yuenyan directory`: what is configured, and what it says of one person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy import func, select

from common.errors import BackendUnavailable, NotFound, Refused
from db.models import DirectoryEntry, Role
from identity.directories import ORIGIN
from identity.domain.directory import Ambiguous, Answer, Entry, OtherSpelling, is_askable
from identity.domain.spellings import composed
from identity.services import directory_accounts
from identity.stores.directory import LdapDirectory
from yuenyan.commands.options import secret_from_stdin
from yuenyan.commands.tables import print_fields, print_json, print_table
from yuenyan.context import Context

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

_WHY_NOT = {
    Answer.WRONG: "the directory did not accept the password",
    Answer.LOCKED: "the directory has locked the account after too many wrong passwords",
    Answer.DISABLED: "the account is disabled in the directory",
    Answer.EXPIRED: "the account has expired in the directory",
    Answer.PASSWORD_EXPIRED: "the directory wants a new password first",
}


@click.group("directory")
def directory_command() -> None:
    """Directories (LDAP, Active Directory) whose people may log in; docs/directories.md."""


@directory_command.command("list")
@_JSON
@click.pass_obj
def directory_list(context: Context, as_json: bool) -> None:
    """Every directory in the order in which it is asked, and how many accounts came of it."""
    with context.database.read() as session:
        counts = {
            name: number
            for name, number in session.execute(
                select(DirectoryEntry.directory, func.count()).group_by(DirectoryEntry.directory)
            )
        }
    configured = context.config.directory
    found: list[dict[str, object]] = [
        {
            "name": name,
            "url": list(settings.url),
            "base_dn": settings.base_dn,
            "groups": len(settings.groups),
            "default_role": settings.default_role or None,
            "accounts": counts.get(name, 0),
        }
        for name, settings in configured.items()
    ]
    found += [
        {"name": name, "url": [], "accounts": number}
        for name, number in sorted(counts.items())
        if name not in configured
    ]
    if as_json:
        print_json(found)
        return
    print_table(
        ("name", "url", "base", "groups", "default role", "accounts"),
        (
            (
                row["name"],
                ", ".join(row["url"]) if row["url"] else "not configured now",  # type: ignore[arg-type]
                row.get("base_dn"),
                row.get("groups"),
                row.get("default_role"),
                row["accounts"],
            )
            for row in found
        ),
    )


@directory_command.command("test")
@click.argument("name")
@click.option("--user", required=True, metavar="USER", help="As the person types it.")
@click.option("--password-stdin", is_flag=True, help="Try this password too.")
@_JSON
@click.pass_obj
def directory_test(
    context: Context, name: str, user: str, password_stdin: bool, as_json: bool
) -> None:
    """Show the entry of a person, their groups and role. Changes nothing and makes no account.

    Exit code 0 when the person would get in, 1 when not (`why` says why), 3 when the directory
    could not be asked.
    """
    password = secret_from_stdin("password").encode() if password_stdin else b""
    with _opened(context, name) as directory:
        username = composed(user.strip().casefold())  # as a login asks for it
        if not is_askable(username, password or b"-"):
            raise Refused("this name or password is never sent to a directory")
        try:
            entry = directory.find(username)
        except Ambiguous as several:
            raise Refused(f"several entries have the name {user!r}; nobody is let in") from several
        except OtherSpelling as other:
            raise NotFound(
                f"{user!r} finds {other.dn}, whose name is spelt otherwise in what user_filter"
                " compares, or cannot be read there: the name must be typed as it stands there"
            ) from other
        if entry is None:
            raise NotFound(f"no entry has the name {user!r}; see user_filter and base_dn")
        told = _told(context, directory, entry, username)
        if password:
            answer = directory.prove(entry, password)
            told["password"] = answer.value
            told["gets_in"] = told["gets_in"] and answer is Answer.PROVEN
            told["why"] = told["why"] or _WHY_NOT.get(answer)
    if as_json:
        print_json(told)
    else:
        groups = told.pop("groups")
        assert isinstance(groups, list)
        print_fields({**told, "groups": "; ".join(groups) or None})
    if not told["gets_in"]:
        raise click.exceptions.Exit(1)


@directory_command.command("relink")
@click.argument("user")
@click.pass_obj
def directory_relink(context: Context, user: str) -> None:
    """Let an account follow a new entry of its name, after the old entry was made anew.

    Exit code 1 when another account holds that entry, 3 when the directory does not answer.
    """
    directory_accounts.relink(context.office, user, context.actor)
    click.echo(f"{user}: the next login ties it to the entry of that name")


def _told(
    context: Context, directory: LdapDirectory, entry: Entry, username: str
) -> dict[str, object]:
    refusal = entry.refusal(context.office.clock())
    role = directory.role_of(entry, username)
    why = None
    if refusal is not None:
        why = f"the account is {refusal} in the directory"
    elif not role:
        why = f"in none of [directory.{directory.name}.groups], and no default_role"
    elif not _has_role(context, role):
        why = f"there is no role {role} here; add it: yuenyan role set {role}"
    return {
        "directory": directory.name,
        "dn": entry.dn,
        "full_name": entry.full_name,
        "unique_id": entry.unique_id,
        "groups": [value.decode("utf-8", "replace") for value in entry.values.get("memberof", ())],
        "role": role or None,
        "held_back": refusal,
        "gets_in": why is None,
        "why": why,
    }


def _has_role(context: Context, role: str) -> bool:
    with context.database.read() as session:
        return session.scalar(select(Role.id).where(Role.name == role)) is not None


@contextmanager
def _opened(context: Context, name: str) -> Iterator[LdapDirectory]:
    settings = context.config.directory.get(name)
    if settings is None:
        known = ", ".join(context.config.directory) or "none"
        raise NotFound(f"there is no directory {name!r}; configured: {known}")
    directory = LdapDirectory(name, settings)
    try:
        yield directory
    except BackendUnavailable as error:
        if error.backend != f"{ORIGIN}{name}":
            raise
        why = str(error).removeprefix(f"{error.backend} is unavailable: ")
        click.echo(
            f"yuenyan: the directory {name} could not be asked: {why}; see: yuenyan doctor",
            err=True,
        )
        raise click.exceptions.Exit(error.exit_code) from error
    finally:
        directory.close()
