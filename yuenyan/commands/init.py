"""`yuenyan init`."""

from __future__ import annotations

import click

from common.errors import UsageError
from yuenyan.commands.options import secret_from_stdin
from yuenyan.context import Context


@click.command("init")
@click.option("--admin", metavar="NAME", help="Make this the first administrator.")
@click.option("--admin-password-stdin", is_flag=True, help="Read the password, one line.")
@click.option(
    "--empty-database",
    is_flag=True,
    help="Make an empty database although there is an archive whose database is gone.",
)
@click.option(
    "--new-vault-key",
    is_flag=True,
    help="Make another vault key although the one of the database is gone: what it sealed is lost.",
)
@click.option(
    "--new-authority",
    is_flag=True,
    help="Make another certificate authority although the one that devices know is gone.",
)
@click.pass_obj
def init_command(
    context: Context,
    admin: str | None,
    admin_password_stdin: bool,
    empty_database: bool,
    new_vault_key: bool,
    new_authority: bool,
) -> None:
    """Make data directory, keys, database, lab certificates and the first administrator.

    Safe to repeat: what is there stays as it is. Where there is an archive and its database is
    gone it refuses, because an empty one would hide the loss; and where the key is gone that the
    database's secrets or the archive's seals hang on, or the certificate authority.
    """
    from yuenyan.initialise import initialise

    if (admin is None) is admin_password_stdin:
        raise UsageError("give --admin NAME and --admin-password-stdin together")
    password = secret_from_stdin("admin password") if admin_password_stdin else None
    outcome = initialise(
        context.config,
        admin,
        password,
        may_be_empty=empty_database,
        may_lose_secrets=new_vault_key,
        may_lose_authority=new_authority,
    )
    for item in outcome.made:
        click.echo(f"made {item}")
    click.echo(f"ready: {context.config.data_dir}")
