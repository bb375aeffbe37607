"""`yuenyan nas portal|snippet`: how visitors are handed back to equipment, and what it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from captive_portal.vendors.places import check_controller, secrets_to_give_anew
from captive_portal.vendors.profile import Setting
from captive_portal.vendors.registered import gateway_from
from captive_portal.vendors.registry import vendor_called
from captive_portal.vendors.settings import check_changes, check_login_url, lacks
from captive_portal.vendors.snippets.registry import mark_of, snippet_for
from captive_portal.vendors.snippets.site import facts_of
from common.errors import UsageError
from db.models import NasClient
from identity.domain.vendors import GATEWAYS
from identity.office import Office
from identity.services import audit, nas
from identity.services.nas_portal import (
    change_portal_settings,
    portal_settings,
    set_login_url,
)
from yuenyan.commands.options import require_new, secret_from_stdin, write_new
from yuenyan.commands.tables import print_json, print_table
from yuenyan.context import Context

_SET = "set"


@click.command("portal")
@click.argument("name")
@click.option("--set", "given", multiple=True, metavar="KEY=VALUE", help="A setting of its make.")
@click.option(
    "--secret-stdin",
    "secrets",
    multiple=True,
    metavar="KEY",
    help="Read this setting from standard input, one line; for keys and passwords.",
)
@click.option(
    "--file", "files", multiple=True, metavar="KEY=PATH", help="A setting of several lines."
)
@click.option("--unset", "taken", multiple=True, metavar="KEY", help="Take a setting away.")
@click.option("--login-url", metavar="URL", help="Where browsers go with the token; '' is none.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def nas_portal(
    context: Context,
    name: str,
    given: Sequence[str],
    secrets: Sequence[str],
    files: Sequence[str],
    taken: Sequence[str],
    login_url: str | None,
    as_json: bool,
) -> None:
    """How the portal hands visitors back to equipment; without options, what is set.

    Which settings there are depends on the make. Keys and passwords are never shown again.
    """
    office = context.office
    if not (given or secrets or files or taken or login_url is not None):
        _show(context, name, as_json)
        return
    if as_json:
        raise UsageError("--json shows what is set; leave it out where you set something")
    with office.database.read() as session:
        make = vendor_called(nas.get(session, name).vendor)
    hidden = {one.name for one in make.settings if one.is_secret}
    changes = dict(_pair(text, "--set") for text in given)
    open_secrets = sorted(hidden & set(changes))
    if open_secrets:
        raise UsageError(
            f"{open_secrets[0]} is a secret; others could see it in the list of processes:"
            f" give it with --secret-stdin {open_secrets[0]}"
        )
    for key, path in (_pair(text, "--file") for text in files):
        try:
            changes[key] = Path(path).read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read as text: {error}") from error
    changes |= {key: secret_from_stdin(key) for key in secrets}
    changes |= dict.fromkeys(taken, "")
    _refuse_twice([*(text.partition("=")[0] for text in (*given, *files)), *secrets, *taken])
    checked = check_changes(make, changes)
    url = None if login_url is None else check_login_url(login_url)
    with office.database.write() as session:
        row = nas.get(session, name)
        before = portal_settings(office, row)
        networks = office.config.portal.controller_networks
        check_controller(make, before, checked, prefix=row.prefix, networks=networks, is_whole=True)
        dropped = secrets_to_give_anew(make, before, checked)
        checked = {**checked, **dict.fromkeys(dropped, "")}
        if checked:
            change_portal_settings(session, office, row, checked, context.actor)
        if url is not None:
            set_login_url(session, office, row, url, context.actor)
    click.echo(f"set {name}")
    _tell_lacking(office, row)
    if dropped:
        click.echo(
            f"the controller is another one now, so these secrets were taken away:"
            f" {', '.join(dropped)}; give them anew with --secret-stdin",
            err=True,
        )


def _pair(text: str, option: str) -> tuple[str, str]:
    key, found, value = text.partition("=")
    if not found or not key:
        raise UsageError(f"{option} wants KEY=VALUE, not {text!r}")
    return key, value


def _refuse_twice(keys: Sequence[str]) -> None:
    for key in keys:
        if keys.count(key) > 1:
            raise UsageError(f"{key} is given twice; say once what it shall be")


def _show(context: Context, name: str, as_json: bool) -> None:
    office = context.office
    with office.database.read() as session:
        row = nas.get(session, name)
        settings, vendor, login_url = portal_settings(office, row), row.vendor, row.login_url
    make = vendor_called(vendor)
    _tell_lacking(office, row)
    shown = {one.name: _value(one, settings) for one in make.settings}
    if as_json:
        print_json(
            {
                "name": name,
                "vendor": vendor,
                "tested": make.tested,
                "login_url": login_url,
                "settings": shown,
            }
        )
        return
    click.echo(f"{name}: {vendor} ({mark_of(vendor)})")
    click.echo(f"login-url: {login_url or '-'}")
    print_table(
        ("setting", "value", "for", "what it is"),
        (
            (one.name, shown[one.name], ", ".join(one.modes) or None, _about(one))
            for one in make.settings
        ),
    )


def _value(setting: Setting, settings: Mapping[str, str]) -> str | None:
    value = settings.get(setting.name)
    if value and (setting.is_secret or "\n" in value):
        return _SET
    return value or (f"({setting.default})" if setting.default else None)


def _about(setting: Setting) -> str:
    choices = " | ".join(setting.choices)
    words = [setting.help, f"[{choices}]" if choices else "", "needed" if setting.required else ""]
    return " ".join(word for word in words if word)


def hint_at_hand_over(office: Office, row: NasClient) -> None:
    """Say what a gateway that was just registered still lacks, beside the answer."""
    if row.vendor in GATEWAYS:
        _tell_lacking(office, row)
        click.echo(f"what is entered into it: yuenyan nas snippet {row.name}", err=True)


def _tell_lacking(office: Office, row: NasClient) -> None:
    """Say why nobody is handed over; nothing for what may be a plain access point."""
    gateway = gateway_from(office, row)
    if not (gateway.login_url or gateway.settings or row.vendor in GATEWAYS):
        return
    lacking = lacks(vendor_called(row.vendor), gateway)
    if lacking:
        click.echo(
            f"it hands no visitors over yet: {', '.join(lacking)} not set;"
            f" see: yuenyan nas portal {row.name}",
            err=True,
        )
    if not office.config.portal.public_url:
        click.echo("[portal] public_url is not set: nobody is sent to the portal", err=True)


@click.command("snippet")
@click.argument("name")
@click.option("--server", default="", metavar="HOST", help="Where it reaches RADIUS.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write all into this folder, with the pages that go onto the equipment.",
)
@click.option("--with-secret", is_flag=True, help="Put the shared secret in; it goes on record.")
@click.pass_obj
def nas_snippet(
    context: Context, name: str, server: str, out: Path | None, with_secret: bool
) -> None:
    """Print what is entered into equipment of its make, ready to copy."""
    office = context.office
    with office.database.write() as session:
        row = nas.get(session, name)
        snippet = snippet_for(facts_of(office, row, server=server, with_secret=with_secret))
        mark = mark_of(row.vendor)
        if with_secret:
            audit.record(session, office.clock(), context.actor, "nas:secret_shown", row.name)
    if out is None:
        click.echo(snippet.text, nl=False)
        for file, text in snippet.files.items():
            click.echo(f"\n--- {file} ---\n{text}", nl=False)
    else:
        if not out.is_dir():
            raise UsageError(f"there is no folder {out}; make it first")
        files = {"configuration.txt": snippet.text, **snippet.files}
        for file in files:
            require_new(out / file)
        for file, text in files.items():
            write_new(out / file, text.encode())
            click.echo(f"wrote {out / file}")
    click.echo(f"{row.vendor}: {mark}", err=True)
    _tell_lacking(office, row)
