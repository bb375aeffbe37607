"""Central web authentication in the hand-over: lay the grant ready, have the controller ask again.

The page looks every two seconds whether the controller has come for it; nothing of it passes
through the browser.
"""

from __future__ import annotations

from collections.abc import Mapping

from captive_portal.public.open_visits import close_open_visit
from captive_portal.public.site import portal, visit
from captive_portal.vendors.profile import AskAgainStep, Completion
from db.models import Account
from identity.domain.access import Denied
from identity.services import central
from identity.services.central import Waiting
from identity.services.voucher_terms import place_of
from identity.services.vouchers import may_join

_COMPLETIONS: Mapping[Waiting, Completion] = {
    Waiting.WAITS: Completion.NOT_YET,
    Waiting.CAME: Completion.GRANTED,
    Waiting.REFUSED: Completion.REFUSED,
    Waiting.SILENT: Completion.UNREACHABLE,
}


def ask_again(
    step: AskAgainStep, nas_id: int, account: Account, seconds: int | None
) -> Completion | Denied:
    """How far it has come; begins it where nothing is under way.

    Args:
        seconds: how long the account may stay; None is for as long as may be.
    """
    office, here = portal().office, visit()
    with office.database.write() as session:
        how_far = central.waiting(session, nas_id, account.id, step.caught, office.clock())
        if how_far is None:
            place = place_of(session, nas_id, here.ssid)
            refused = may_join(session, office, account.id, here.mac, place)
            if refused is None:
                refused = central.offer(
                    session, office, nas_id, account, step.caught, seconds, ends=step.ends
                )
            if refused is not None:
                return refused
            close_open_visit(session)
            how_far = Waiting.WAITS
    return _COMPLETIONS[how_far]
