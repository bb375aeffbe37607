"""`yuenyan gateway-helper`, `gateway-natlog` and `gateway-dnsmasq`: what touches the kernel.

None of them needs a site: a school's gateway has no database.
"""

from __future__ import annotations

import os
import time

import click

from common.config import Config
from common.config_gateway import GatewayKernel
from common.errors import ConfigError
from common.logging import configure
from yuenyan.context import Context


def _settings(config: Config) -> GatewayKernel:
    settings = config.gateway.kernel
    if not settings.inside:
        raise ConfigError(
            "name the interfaces with clients, the way out, and this machine's addresses"
            " (docs/gateway.md)",
            "gateway.kernel.inside",
        )
    return settings


@click.command("gateway-helper")
@click.pass_obj
def gateway_helper_command(context: Context) -> None:
    """Run the privileged half of the gateway, as root: nftables, rates, neighbours.

    Whoever is admitted stays so while it is stopped and started. To take everything away, stop
    it and run: nft delete table inet yuenyan_gateway
    """
    from captive_portal.gateway.admissions import Admissions
    from captive_portal.gateway.machine import Machine
    from captive_portal.gateway.privileges import CAP_NET_ADMIN, CAP_NET_RAW, keep_only
    from captive_portal.gateway.verb_server import VerbServer, stop_on_signals

    settings = _settings(context.config)
    configure("gateway-helper")
    machine = Machine(settings)
    machine.start()
    admissions = Admissions(settings, machine, time.monotonic)
    admissions.start()
    server = VerbServer(settings, admissions)
    wakes = stop_on_signals(server.stop)
    try:
        server.start()
        keep_only(CAP_NET_ADMIN, CAP_NET_RAW)
        server.run(wakes)
    finally:
        server.close()


@click.command("gateway-natlog")
@click.pass_obj
def gateway_natlog_command(context: Context) -> None:
    """Tell the collector which connection went out from which address and port, by IPFIX."""
    from captive_portal.gateway.natlog import NatLog, Teller, collector_of
    from captive_portal.gateway.privileges import CAP_NET_ADMIN, keep_only
    from captive_portal.gateway.verb_server import stop_on_signals

    settings = _settings(context.config)
    configure("gateway-natlog")
    log = NatLog(settings, Teller(collector_of(settings)))
    wakes = stop_on_signals(log.stop)
    log.start()
    if os.geteuid() == 0:
        keep_only(CAP_NET_ADMIN)
    log.run(wakes)


@click.command("gateway-dnsmasq")
@click.pass_obj
def gateway_dnsmasq_command(context: Context) -> None:
    """Print dnsmasq's configuration for the inside: addresses, names, word of the portal."""
    from captive_portal.gateway.dnsmasq import dnsmasq_text

    click.echo(dnsmasq_text(_settings(context.config)), nl=False)
