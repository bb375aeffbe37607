"""`yuenyan serve` and the processes it is made of, each a command of its own."""

from __future__ import annotations

import http.client
import importlib
import os
import sys
import time
from collections.abc import Callable
from zoneinfo import ZoneInfo

import click

from common.clock import utc_now
from common.config import Config
from common.logging import configure
from common.net import parse_listen
from yuenyan.checkup.ports import require_free
from yuenyan.context import Context

PROCESSES = ("radius", "portal", "admin", "collector", "housekeeper")
"""In the order of their start; they are stopped in the opposite one."""

_OF_A_SITE = frozenset({"radius", "portal", "admin", "housekeeper"})
"""A collector may be on a machine of its own, without the database."""

_ANSWER_SECONDS = 1.0

_SETTLE_SECONDS = 1.0
"""The first lines of the log come within it; what matters stands below them."""

_SUPERVISED = "YUENYAN_SUPERVISED"
"""Set for the processes of `serve`: one that died is started again while its port is still being
left, which must not end the others."""


def processes(config: Config) -> tuple[str, ...]:
    """What `serve` starts: a gateway only where [gateway] makes this machine one."""
    return (*PROCESSES, "gateway") if config.gateway.is_configured else PROCESSES


@click.command("serve")
@click.pass_obj
def serve_command(context: Context) -> None:
    """Run RADIUS, both portals, the collector and the housekeeper under one supervisor.

    Where [gateway] is configured, our own gateway too.
    """
    from yuenyan.supervisor import Program, Supervisor

    # A site that is not set up is told so once, here, instead of by five processes.
    context.office.database.dispose()
    config = context.config
    require_free(config, processes(config))
    configure("supervisor")
    os.environ[_SUPERVISED] = "1"
    option = ["--config", str(config.source)] if config.source else []
    programs = [
        Program(name, [sys.executable, "-P", "-m", "yuenyan.cli", *option, name])
        for name in processes(config)
    ]
    raise click.exceptions.Exit(Supervisor(programs, _announcement(config)).run())


def _announcement(config: Config) -> Callable[[], bool]:
    """Prints once where the pages are, when both answer and the log of the start has gone by."""
    pages = (config.portal.listen, config.admin.listen)
    answered_at: float | None = None

    def announce() -> bool:
        nonlocal answered_at
        if answered_at is None:
            if all(_answers(listen) for listen in pages):
                answered_at = time.monotonic()
            return False
        if time.monotonic() < answered_at + _SETTLE_SECONDS:
            return False
        click.echo("\n".join(("", *summary(config), "")))
        sys.stdout.flush()
        return True

    return announce


def summary(config: Config) -> list[str]:
    """What whoever started it wants to know, in the site's time."""
    from yuenyan.checkup.site import FIRST_ADMIN_NOTE

    lines = ["Yuenyan is running."]
    for name, listen in (("portal", config.portal.listen), ("admin", config.admin.listen)):
        host, port = reachable(listen)
        lines.append(f"  {name:<7} http://{host}:{port}/")
    lines.append(f"  RADIUS  {' '.join(config.radius.auth)}, {' '.join(config.radius.acct)}")
    note = config.data_dir / FIRST_ADMIN_NOTE
    if note.exists():
        lines.append(f"  sign in with the name and password in {note}")
    here = utc_now().astimezone(ZoneInfo(config.site.timezone))
    lines.append(f"  since   {here:%Y-%m-%d %H:%M:%S} {config.site.timezone}; the log is in UTC")
    lines.append("Stop it with Ctrl-C.")
    return lines


def reachable(listen: str) -> tuple[str, int]:
    """The address at which this machine itself reaches what listens on `listen`."""
    host, port = parse_listen(listen)
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - a comparison
    return f"[{local}]" if ":" in local else local, port


def _answers(listen: str) -> bool:
    host, port = reachable(listen)
    connection = http.client.HTTPConnection(host.strip("[]"), port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _process_command(name: str, summary: str) -> click.Command:
    @click.command(name, help=summary)
    @click.pass_obj
    def command(context: Context) -> None:
        # The gateway looks for itself, behind its key files.
        if name != "gateway" and not os.environ.get(_SUPERVISED):
            if name in _OF_A_SITE:
                # What is wrong with the site is told before what is wrong with the machine.
                context.database.dispose()
            require_free(context.config, (name,))
        configure(name)
        module = importlib.import_module(f"yuenyan.processes.{name}")
        exit_code: int = module.run(context.config)
        raise click.exceptions.Exit(exit_code)

    return command


radius_command = _process_command("radius", "Run the RADIUS server alone.")
portal_command = _process_command("portal", "Run the public portal alone.")
admin_command = _process_command("admin", "Run the admin portal alone.")
collector_command = _process_command("collector", "Run the flow collector alone.")
housekeeper_command = _process_command("housekeeper", "Run the housekeeper alone.")
gateway_command = _process_command("gateway", "Run our own gateway; see docs/gateway-setup.md.")
