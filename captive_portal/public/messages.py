"""What a visitor reads when a login is refused: what to do, never which half was wrong."""

from __future__ import annotations

from captive_portal.web.i18n import gettext
from identity.domain.access import Denied, Reason, Unavailable

_SECRETIVE = {
    Reason.UNKNOWN_ACCOUNT,
    Reason.WRONG_PASSWORD,
    Reason.NO_PASSWORD,
    Reason.NOT_A_LOGIN,
}
_USELESS_CODE = {
    Reason.VOUCHER_UNKNOWN,
    Reason.VOUCHER_EXPIRED,
    Reason.VOUCHER_REVOKED,
    Reason.VOUCHER_EXHAUSTED,
}
"""One sentence for all of them: a guesser must not learn that a code once was good."""


def is_wrong_password(decision: Denied) -> bool:
    """Whether the refusal must not tell if the account exists."""
    return decision.reason in _SECRETIVE


def refusal_text(decision: Denied | Unavailable) -> str:
    """The sentence for a refused login or voucher."""
    if isinstance(decision, Unavailable):
        return gettext("The system is not ready. Please try again in a minute.")
    if decision.reason == Reason.SUSPENDED:
        return gettext("This account is suspended. Please ask the person in charge.")
    if decision.reason == Reason.EXPIRED:
        return gettext("This account has expired. Please ask the person in charge to renew it.")
    if decision.reason == Reason.NO_CONSENT:
        return no_consent_text()
    if decision.reason == Reason.VOUCHER_DEVICES:
        return gettext(
            "This code is already used on as many devices as it allows. Please ask for another."
        )
    if decision.reason == Reason.DISK_FULL:
        return gettext(
            "Nobody new can be let in at the moment: the system has no room for its records. "
            "Please tell the person in charge."
        )
    if decision.reason == Reason.VOUCHER_EARLY:
        return gettext("This code is not valid yet. Its slip says from when on.")
    if decision.reason == Reason.VOUCHER_ELSEWHERE:
        return gettext(
            "This code is for another place. Connect to the Wi-Fi named on the slip, then open "
            "this page again."
        )
    if decision.reason == Reason.OUTSIDE_HOURS:
        return gettext("The network is closed at this hour. Please come back when it is open.")
    if decision.reason in _USELESS_CODE:
        return gettext(
            "This code cannot be used: it is mistyped or no longer valid. "
            "Please check it, or ask for a new one."
        )
    return gettext("The user name or password is not right. Please check both and try again.")


def no_consent_text() -> str:
    """What a pupil reads whose guardian has not agreed."""
    return gettext(
        "Your school does not have your guardian's consent yet. "
        "Please ask your class teacher for the form."
    )


def has_thai_letters(text: str) -> bool:
    """Whether the keyboard was left on Thai; Thai digits and the baht sign do not count."""
    return any("\u0e01" <= letter <= "\u0e3a" or "\u0e40" <= letter <= "\u0e4e" for letter in text)


def keyboard_hint() -> str:
    """What to do about a keyboard left on Thai."""
    return gettext("Thai letters were typed. Switch the keyboard to English and try again.")
