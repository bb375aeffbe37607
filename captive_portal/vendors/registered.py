"""A registered network device as its make's profile sees it."""

from __future__ import annotations

from functools import partial

from captive_portal.vendors.profile import Gateway
from db.models import NasClient
from identity.domain.central import Caught, open_sealed
from identity.office import Office
from identity.services.nas_portal import portal_settings


def gateway_from(office: Office, nas: NasClient, portal_url: str = "") -> Gateway:
    """`nas` with its settings.

    Args:
        portal_url: where it sends browsers; empty where nobody is sent.
    """
    return Gateway(
        id=nas.id,
        name=nas.name,
        vendor=nas.vendor,
        login_url=nas.login_url or "",
        settings=portal_settings(office, nas),
        portal_url=portal_url,
        controller_networks=office.config.portal.controller_networks,
        unseal=partial(_unseal, office, nas.id),
    )


def _unseal(office: Office, nas_client_id: int, text: str) -> Caught | None:
    return open_sealed(office.vault.redirect_key, nas_client_id, text, office.clock())
