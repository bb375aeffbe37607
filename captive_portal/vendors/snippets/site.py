"""The facts of a registered network device, for its snippet."""

from __future__ import annotations

from urllib.parse import quote

from captive_portal.vendors.snippets.facts import PORTAL, SECRET, SERVER, Facts
from common.net import parse_listen
from db.models import NasClient
from identity.office import Office
from identity.services.nas import secret_of
from identity.services.nas_portal import portal_settings

_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound


def facts_of(
    office: Office, row: NasClient, *, server: str = "", with_secret: bool = False
) -> Facts:
    """What is known of `row`; words in capitals stand for what nobody has said.

    Args:
        server: where the equipment reaches RADIUS; empty: as the configuration tells.
    """
    config = office.config
    host, auth_port = parse_listen(config.radius.auth[0])
    _, acct_port = parse_listen(config.radius.acct[0])
    if not server:
        server = SERVER if host in _EVERYWHERE else host
    root = config.portal.public_url.rstrip("/") or PORTAL
    secret = SECRET
    if with_secret:
        secret = secret_of(office, row).decode("utf-8", "backslashreplace")
    return Facts(
        name=row.name,
        vendor=row.vendor,
        portal_url=f"{root}/p/{quote(row.name, safe='')}/",
        server=server,
        auth_port=auth_port,
        acct_port=acct_port,
        secret=secret,
        login_url=row.login_url or "",
        settings=portal_settings(office, row),
        coa_port=row.coa_port,
    )
