"""`yuenyan doctor`: what is wrong and what to do. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import click

from common.config import Config
from common.counting import counted
from yuenyan.checkup import (
    answers,
    certificates,
    clocks,
    directories,
    evidence,
    gateway,
    integrity,
    machine,
    messages,
    onboarding,
    ports,
    registers,
    retention,
    rights,
    roaming,
    roles,
    site,
    store,
)
from yuenyan.checkup.finding import Finding, Level
from yuenyan.commands.findings import finding_trees, print_finding
from yuenyan.commands.tables import print_json
from yuenyan.context import Context
from yuenyan.lost import has_database

CHECKS: tuple[Callable[[Config], Iterator[Finding]], ...] = (
    site.check_configuration,
    rights.check_rights,
    site.check_exporters,
    site.check_streams,
    machine.check_disk,
    site.check_keys,
    site.check_database,
    certificates.check_certificates,
    onboarding.check_onboarding,
    roaming.check_roaming,
    directories.check_directories,
    site.check_archive,
    integrity.check_integrity,
    store.check_store,
    retention.check_retention,
    evidence.check_evidence,
    machine.check_clock,
    clocks.check_clocks,
    registers.check_registers,
    roles.check_roles,
    messages.check_messages,
    messages.check_mail,
    ports.check_ports,
    answers.check_answers,
    machine.check_password_costs,
    gateway.check_gateway,
)

BOX_CHECKS = (machine.check_disk, machine.check_clock, gateway.check_gateway)
"""Of a gateway that stands alone: it has no database, no portal and no archive."""


def checks_of(config: Config) -> tuple[Callable[[Config], Iterator[Finding]], ...]:
    """What is to be looked at on this machine."""
    try:
        is_box = config.gateway.is_configured and not has_database(config)
    except PermissionError:
        is_box = False  # a database that may not even be seen is one
    return BOX_CHECKS if is_box else CHECKS


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def doctor_command(context: Context, as_json: bool) -> None:
    """Look at everything Yuenyan needs. Exit code 1 when something is an error.

    What you may not read is an error, too, and named; everything else is looked at all the same.
    """
    config = context.config
    findings = []
    for check in checks_of(config):
        for finding in rights.look(check, config):
            findings.append(finding)
            if not as_json:
                print_finding(finding)  # at once: one that waits for a server is seen to be at work
    counts = {level: sum(finding.level is level for finding in findings) for level in Level}
    if as_json:
        print_json(
            {
                "findings": finding_trees(findings),
                **{level.value: number for level, number in counts.items()},
            }
        )
    else:
        click.echo(
            f"{counted(counts[Level.ERROR], 'error')}, {counted(counts[Level.WARN], 'warning')}"
        )
    if counts[Level.ERROR]:
        raise click.exceptions.Exit(1)
