"""How a connection without a stop ended, and how one is known that no accounting tells of."""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

_ = lazy_gettext

CLOSE_CAUSES: Mapping[str, LazyString] = {
    "nas_restarted": _("The access point restarted"),
    "silent": _("No more reports came"),
    "disconnected": _("Disconnected by the system"),
    "not_on_nas": _("The access point knew of no such connection"),
    "granted_time_over": _("The time it was let in for was over"),
    "not_let_in": _("The network did not let the device in"),
    "granted_to_another": _("Somebody else signed in on the same device"),
}

KNOWN_BY: Mapping[str, LazyString] = {
    "call": _("no accounting: the controller let it in when the portal called"),
    "link": _("no accounting: the portal gave the link; nobody confirmed it"),
}
"""identity.domain.granting.Basis"""
