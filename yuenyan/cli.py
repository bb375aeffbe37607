"""`yuenyan`: every command, loaded only when it is called, so that each starts fast.

Exit codes: 0 done, 1 refused or not found, 2 usage or configuration, 3 a back end is down.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from common.errors import BackendUnavailable, NetAccessError, NoTables
from common.owners import other_owner
from yuenyan.context import Context

if TYPE_CHECKING:
    from common.config import Config

_COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("yuenyan.commands.init", "make data directory, keys, database and first admin"),
    "serve": ("yuenyan.commands.serve", "run every process under one supervisor"),
    "radius": ("yuenyan.commands.serve", "run the RADIUS server alone"),
    "portal": ("yuenyan.commands.serve", "run the public portal alone"),
    "admin": ("yuenyan.commands.serve", "run the admin portal alone"),
    "collector": ("yuenyan.commands.serve", "run the flow collector alone"),
    "housekeeper": ("yuenyan.commands.serve", "run the housekeeper alone"),
    "gateway": ("yuenyan.commands.serve", "run our own gateway, without its privileged half"),
    "gateway-helper": (
        "yuenyan.commands.gateway_kernel",
        "run the gateway's privileged half: nftables, rates, neighbours",
    ),
    "gateway-natlog": (
        "yuenyan.commands.gateway_kernel",
        "tell the collector of the gateway's translations by IPFIX",
    ),
    "gateway-dnsmasq": (
        "yuenyan.commands.gateway_kernel",
        "print dnsmasq's configuration for the gateway's inside",
    ),
    "user": ("yuenyan.commands.people", "people: add, import, show, enable, disable"),
    "officer": ("yuenyan.commands.officer", "staff of the admin portal: grant, revoke, list"),
    "token": ("yuenyan.commands.tokens", "tokens of programs at the API: create, list, revoke"),
    "consent": ("yuenyan.commands.consent", "consent of guardians: add, import, withdraw, list"),
    "device": ("yuenyan.commands.people", "devices known by MAC address"),
    "org": ("yuenyan.commands.organisation", "the office and its schools"),
    "role": ("yuenyan.commands.organisation", "roles and what they grant"),
    "nas": ("yuenyan.commands.network", "access points, switches and gateways"),
    "cert": ("yuenyan.commands.cert", "certificates of the server, of accounts and of NAS"),
    "onboarding": ("yuenyan.commands.onboarding", "profiles that set devices up: export, check"),
    "directory": ("yuenyan.commands.directory", "LDAP and Active Directory: list, test, relink"),
    "message": ("yuenyan.commands.messages", "letters and short messages: whether they went"),
    "voucher": ("yuenyan.commands.vouchers", "issue, print, extend and revoke vouchers"),
    "proxy": ("yuenyan.commands.proxy", "foreign realms and what is owed to their home servers"),
    "session": ("yuenyan.commands.network", "who is and was connected"),
    "login": ("yuenyan.commands.logins", "who was let in or refused, and why"),
    "lookup": ("yuenyan.commands.lookup", "who was behind an address or device at a time"),
    "flows": ("yuenyan.commands.flows", "the flows of a person, address or session"),
    "evidence": ("yuenyan.commands.evidence", "give out evidence, check it, its custody register"),
    "clock": ("yuenyan.commands.clock", "how right the clocks are: status, sample"),
    "request": ("yuenyan.commands.registers", "requests of officials and their due dates"),
    "incident": ("yuenyan.commands.incidents", "breaches of personal data: 72 hours, who, draft"),
    "abuse": ("yuenyan.commands.registers", "complaints and take-down notices"),
    "subject": ("yuenyan.commands.subjects", "requests of people about their own data; export it"),
    "notice": (
        "yuenyan.commands.notice",
        "rules of use and notices by version, and who accepted which",
    ),
    "compliance": ("yuenyan.commands.compliance", "each duty with its evidence; RoPA; statistics"),
    "archive": ("yuenyan.commands.archive", "state, verification, sealing, proofs and retention"),
    "hold": ("yuenyan.commands.hold", "orders that records be kept beyond retention"),
    "doctor": ("yuenyan.commands.doctor", "what is wrong and what to do"),
}


_BROKEN_PIPE = 141
"""What a shell shows of a program that a closed pipe has ended."""

_WITHOUT_SITE = (
    *("init", "doctor", "collector", "gateway"),
    *("gateway-helper", "gateway-natlog", "gateway-dnsmasq"),
)
"""One makes it, one says what is missing, and others run on machines of their own."""

_BRISK = ("lookup", "flows")
"""Read, answer and are over, and most of their time they load: they collect no garbage, and when
their answer is out they end without taking everything apart piece by piece."""


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[name]
        command: click.Command = getattr(
            importlib.import_module(module), f"{name.replace('-', '_')}_command"
        )
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            result = super().invoke(ctx)
            return _BRISK if result is None and ctx.invoked_subcommand in _BRISK else result
        except NoTables as error:
            raise ctx.obj.explain(error) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "config_file", metavar="FILE", help="Configuration; see deploy/.")
@click.version_option(package_name="yuenyan")
@click.pass_context
def cli(ctx: click.Context, config_file: str | None) -> None:
    """RADIUS, captive portal, identity and accountability for schools.

    Exit codes: 0 done; 1 refused or not found; 2 wrong usage or configuration; 3 a back end
    (database, directory, disk) does not answer.
    """
    if ctx.invoked_subcommand not in _BRISK:
        gc.enable()  # see main
    from common import config as configuration  # not at the top: --help needs none

    config = configuration.load(configuration.locate(config_file))
    _note_configuration(config)
    ctx.obj = Context(config, needs_site=ctx.invoked_subcommand not in _WITHOUT_SITE)
    ctx.call_on_close(ctx.obj.close)


def _note_configuration(config: Config) -> None:
    """For the commands that are over before a configuration could be read."""
    from common import config_known
    from traffic.archive.inside import Inside

    config_known.remember(config, Inside(config.collector.inside).digest)


def main(*, is_last: bool = False) -> None:
    """Entry point: turn every error of ours into one sentence and its exit code.

    Args:
        is_last: the process ends with it.
    """
    if is_last:
        gc.disable()  # until it is known whether the command is over soon
    try:
        # click gives the code of an Exit back instead of raising it; commands return None.
        result = cli.main(standalone_mode=False)
        if result is _BRISK:
            for stream in filter(None, (sys.stdout, sys.stderr)):  # None: it was closed before
                stream.flush()
            if is_last:
                os._exit(0)
            sys.exit(0)
        sys.exit(result or 0)
    except SystemExit:
        if type(sys.stdout).__name__ == "_PacifyFlushWrapper":
            sys.exit(_BROKEN_PIPE)  # click ends with 1, which is "refused" here
        raise
    except (click.Abort, click.ClickException, NetAccessError, OSError, UnicodeError) as error:
        end_with(error)


def _complain(text: str) -> None:
    """What went wrong, in which a server or a file may have had its word."""
    from common.printable import printable

    click.echo(f"yuenyan: {printable(text)}", err=True)


def end_with(error: Exception) -> NoReturn:
    """Say in one sentence what `error` is, and end with its exit code."""
    match error:
        case click.Abort():
            sys.exit(130)
        case click.ClickException():
            error.show()
            sys.exit(2)
        case (
            PermissionError(filename=str(name))
            | NetAccessError(__cause__=PermissionError(filename=str(name)))
        ) if (owner := other_owner(name)) is not None:
            click.echo(f"yuenyan: {name} may not be read or written: run it as {owner}", err=True)
            sys.exit(getattr(error, "exit_code", BackendUnavailable.exit_code))
        case BackendUnavailable(advice=str(advice)) if advice:
            _complain(f"{error}; {advice}")
            sys.exit(error.exit_code)
        case NetAccessError():
            _complain(str(error))
            sys.exit(error.exit_code)
        case BrokenPipeError():
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(_BROKEN_PIPE)
        case UnicodeDecodeError():
            click.echo("yuenyan: a file that was read is no text in UTF-8", err=True)
            sys.exit(2)
        case UnicodeEncodeError():
            click.echo(
                "yuenyan: a text is not UTF-8, or the terminal takes none; set LANG=C.UTF-8",
                err=True,
            )
            sys.exit(2)
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            click.echo(f"yuenyan: the system refused: {where}{error.strerror or error}", err=True)
            sys.exit(3)
    raise error


if __name__ == "__main__":
    main(is_last=True)
