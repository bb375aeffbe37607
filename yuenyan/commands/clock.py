"""`yuenyan clock`: how right this machine's clock and those of the equipment are."""

from __future__ import annotations

import platform
from typing import Any

import click

from common.clock import utc_now
from traffic.clock.equipment import SENTENCE
from traffic.clock.history import ClockStatus, read_status
from traffic.clock.sampling import store_sample, take_sample
from yuenyan.checkup.clocks import ADVICE, equipment_is_proven, own_finding
from yuenyan.commands.tables import moment, print_fields, print_json, print_table
from yuenyan.context import Context

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("clock")
def clock_command() -> None:
    """How right this machine's clock is, by chrony or by NTP servers; and the equipment's."""


@clock_command.command("status")
@_JSON
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """The newest sample. Exit code 1 when the clock is not shown to be right."""
    config = context.config
    found = read_status(config, utc_now())
    if as_json:
        print_json(tree_of(found, config.site.timezone))
    else:
        _print(context, found)
    if found.alarm is not None:
        raise click.exceptions.Exit(1)


@clock_command.command("sample")
@_JSON
@click.pass_context
def sample(ctx: click.Context, as_json: bool) -> None:
    """Measure now, store it in the archive, and show it."""
    context: Context = ctx.obj
    config = context.config
    taken = take_sample(config.clock, context.database, utc_now())
    store_sample(config, platform.node(), taken)
    ctx.invoke(status, as_json=as_json)


def tree_of(found: ClockStatus, zone: str) -> dict[str, Any]:
    """The JSON of `clock status`."""
    own = found.own
    return {
        "at": moment(found.at, zone),
        "proven_within_limit": found.proven,
        "alarm": found.alarm,
        "limit_ms": found.limit_us / 1000,
        "state": None if own is None else str(own.state),
        "method": None if own is None else own.method,
        "source": None if own is None else own.source or None,
        "stratum": None if own is None else own.stratum,
        "offset_us": None if own is None else own.offset_us,
        "error_us": None if own is None else own.error_us,
        "bound_us": None if own is None else own.bound_us,
        "root_distance_us": None if own is None else own.root_distance_us,
        "believed": [] if own is None else list(own.believed),
        "wrong": [] if own is None else list(own.wrong),
        "servers": list(found.servers),
        "steps": [{"at": moment(at, zone), "step_us": step} for at, step in found.steps],
        "equipment": [
            {**one, "proven_within_limit": equipment_is_proven(one, found.limit_us)}
            for one in found.equipment
        ],
        "equipment_note": SENTENCE,
    }


def _print(context: Context, found: ClockStatus) -> None:
    config, own = context.config, found.own
    finding = own_finding(config, found)
    click.echo(finding.what[0].upper() + finding.what[1:])
    if found.alarm is not None:
        click.echo(f"→ {ADVICE.get(found.alarm, 'look at the servers below')}")
    if own is not None:
        print_fields(
            {
                "measured_at": moment(found.at, config.site.timezone),
                "state": own.state,
                "by": own.method,
                "source": own.source,
                "stratum": own.stratum,
                "offset": _ms(own.offset_us),
                "error": _ms(own.error_us),
                "root_distance": _ms(own.root_distance_us),
                "outvoted": ", ".join(own.wrong),
            }
        )
    if found.servers:
        print_table(
            ("server", "state", "stratum", "offset", "error", "why"),
            [
                (
                    one["source"],
                    one["state"],
                    one["stratum"],
                    _ms(one["offset_us"]),
                    _ms(one["error_us"]),
                    one.get("reason"),
                )
                for one in found.servers
            ],
        )
    if found.equipment:
        print_table(
            ("equipment", "judged by", "offset", "error", "proven", "seen"),
            [
                (
                    one["source"],
                    one.get("by"),
                    _ms(one["offset_us"]),
                    _ms(one["error_us"]),
                    equipment_is_proven(one, found.limit_us),
                    one.get("judged") or one.get("reason"),
                )
                for one in found.equipment
            ],
        )
        click.echo(SENTENCE)
    for at, step_us in found.steps:
        click.echo(
            f"The clock was set by {step_us / 1000:.1f} ms at {moment(at, config.site.timezone)}"
        )


def _ms(value: int | None) -> str | None:
    return None if value is None else f"{value / 1000:.3f} ms"
