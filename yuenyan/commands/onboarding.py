"""`yuenyan onboarding`: profiles for devices, as files, and whether they would work."""

from __future__ import annotations

from pathlib import Path

import click

from common.errors import UsageError
from identity.onboarding.kinds import kinds_of, write
from identity.pki.folder import replace_file
from identity.services import onboarding, people
from yuenyan.checkup.finding import Level
from yuenyan.checkup.onboarding import check_onboarding
from yuenyan.commands.console import note_reading
from yuenyan.commands.findings import finding_trees, print_finding
from yuenyan.commands.tables import print_json
from yuenyan.context import Context


@click.group("onboarding")
def onboarding_command() -> None:
    """What sets phones and computers up for the school's 802.1X network; docs/onboarding.md."""


@onboarding_command.command("export")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", required=True,
    help="A folder; files of the same names in it are replaced.",
)  # fmt: skip
@click.option("--user", "username", metavar="NAME", help="With the name of this account in them.")
@click.option(
    "--language", type=click.Choice(["th", "en"]), default="th", show_default=True,
    help="Of texts that a file holds in one language only.",
)  # fmt: skip
@click.pass_obj
def onboarding_export(context: Context, out: Path, username: str | None, language: str) -> None:
    """Write the profile of every system. None of them holds a password."""
    if username is None:
        profile = onboarding.public_profile(context.config)
    else:
        with context.database.read() as session:
            account = people.get(session, username)
            profile = onboarding.profile_of(session, context.config, account)
        note_reading(context, "onboarding:exported", profile.username)
    signing = onboarding.signing_pair(context.config)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for kind in kinds_of(profile):
            made = write(profile, kind, signing=signing, language=language)
            replace_file(out / made.name, made.content, 0o644)
            click.echo(f"wrote {out / made.name}")
    except OSError as problem:
        raise UsageError(f"cannot write into {out}: {problem.strerror}") from problem
    if signing is None:
        click.echo("the .mobileconfig is not signed; see: yuenyan onboarding check", err=True)


@onboarding_command.command("check")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def onboarding_check(context: Context, as_json: bool) -> None:
    """Would devices that are set up now get in? Exit code 1 when they would not."""
    findings = list(check_onboarding(context.config))
    if as_json:
        print_json(finding_trees(findings))
    else:
        for one in findings:
            print_finding(one, names_check=False)
    if any(one.level is Level.ERROR for one in findings):
        raise click.exceptions.Exit(1)
