"""What is wrong with a new password, said beside its field; for every page that takes one."""

from __future__ import annotations

from captive_portal.public.site import portal
from captive_portal.web.i18n import gettext
from common.errors import UsageError


def new_password_problems(password: str, again: str) -> dict[str, str]:
    """The problems of a new password that was typed twice, by field; none when it is good."""
    if not password:
        return {"password": gettext("Choose a password.")}
    minimum = portal().office.config.passwords.minimum_length
    if len(password) < minimum:
        return {
            "password": gettext("Use a password of at least %(count)s characters.", count=minimum)
        }
    try:
        portal().office.passwords.check_strength(password)
    except UsageError:
        return {"password": gettext("This password is too long or holds a line break.")}
    if password != again:
        return {"password_again": gettext("The two passwords are not the same.")}
    return {}
