"""A voucher code as this portal puts it to identity: from which device, address and gateway.

Wrong codes are counted there, in the database, together with those that RADIUS sees.
"""

from __future__ import annotations

from captive_portal.public.site import client_address, portal, visit
from captive_portal.public.visits import nas_of_visit
from captive_portal.web.i18n import gettext
from captive_portal.web.limits import site_of
from identity.domain.access import Decision, Denied
from identity.services import voucher_guard
from identity.services.login import check_voucher, examine_voucher, guesser_of


def redeem_here(code: str) -> Decision:
    """What this code comes to for the visitor."""
    nas = nas_of_visit()
    return check_voucher(
        portal().office,
        code,
        visit().mac or None,
        nas_client_id=nas.id if nas else None,
        ssid=visit().ssid,
        address=site_of(client_address()),
    )


def wait_text(code: str) -> str:
    """What to tell somebody who must wait; the same for a right code and a wrong one."""
    nas = nas_of_visit()
    guesser = guesser_of(
        code, visit().mac or None, nas.id if nas else None, site_of(client_address())
    )
    office = portal().office
    with office.database.read() as session:
        seconds = voucher_guard.standing(session, guesser, office.clock()).wait_seconds
    return gettext(
        "Too many attempts. Please wait %(minutes)s minutes, then try again.",
        minutes=max(1, -(-seconds // 60)),
    )


def examine_here(code: str) -> Denied | None:
    """Why this code is not good here, guesses counted as ever; None when it is."""
    nas = nas_of_visit()
    return examine_voucher(
        portal().office,
        code,
        visit().mac or None,
        nas_client_id=nas.id if nas else None,
        ssid=visit().ssid,
        address=site_of(client_address()),
    )
