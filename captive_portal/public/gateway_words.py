"""What a visitor reads when a gateway sends the browser back: what to do about it."""

from __future__ import annotations

from captive_portal.public.site import visit
from captive_portal.web.i18n import gettext

_AWAY = frozenset({"timeout", "busy", "gateway"})
"""What our own gateway says when nobody has decided; nothing is wrong with the sign-in then."""


def sent_back_text() -> str:
    """The sentence for a gateway that did not let this visit's device in."""
    if visit().carried.get("reason") in _AWAY:
        return gettext("The network's controller does not answer. Please try again in a minute.")
    return gettext("The network did not accept the sign-in. Please sign in once more.")
