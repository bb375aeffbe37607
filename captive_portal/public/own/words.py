"""What people read about their own sessions and data."""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

from identity.domain.dynamic import State
from identity.domain.registers import Right
from identity.domain.registers import State as RegisterState
from identity.services.own_sessions import Ended

_ = lazy_gettext

OUTCOMES: Mapping[State, LazyString] = {
    State.QUEUED: _("Signing out; the network has not answered yet."),
    State.ACKED: _("Signed out."),
    State.NAKKED: _("The network refused to end it. Switch the device's Wi-Fi off instead."),
    State.TIMED_OUT: _("The network did not answer. Switch the device's Wi-Fi off instead."),
    State.UNSUPPORTED: _("This network cannot end it. Switch the device's Wi-Fi off instead."),
    State.FAILED: _("It could not be ended. Please tell the staff."),
}

ENDS: Mapping[Ended, LazyString] = {
    Ended.BY_DEVICE: _("the device left the network"),
    Ended.IDLE: _("not used for a while"),
    Ended.TIME_UP: _("its time was up"),
    Ended.BY_NETWORK: _("signed out by you, by the staff or by a rule"),
    Ended.EQUIPMENT: _("the network's equipment restarted or failed"),
    Ended.MOVED: _("went on from another place"),
    Ended.UNHEARD: _("no end was reported; last heard of then"),
    Ended.UNKNOWN: _("ended"),
}

KINDS: Mapping[str, LazyString] = {
    "account": _("Name, user name, class, how to reach you"),
    "mailbox": _("E-mail address and mobile number for a forgotten password"),
    "guardian_consents": _("Consent of your guardian"),
    "api_tokens": _("Tokens of programs that ask in your name"),
    "registrations": _("Your registration"),
    "devices": _("Devices registered in your name"),
    "device_names": _("Names you gave your devices; devices of your voucher"),
    "certificates": _("Certificates made out to you"),
    "logins": _("Sign-ins, accepted and refused"),
    "sessions": _("Connections: when, where, how much"),
    "addresses": _("Addresses your devices had"),
    "usage": _("Data and time used each day"),
    "accepted": _("Rules and notices you accepted"),
    "requests": _("Your requests about your data"),
}

RIGHTS: Mapping[Right, LazyString] = {
    Right.ACCESS: _("See my data"),
    Right.CORRECT: _("Correct something"),
    Right.ERASE: _("Delete something"),
    Right.COPY: _("A copy with the older records"),
    Right.OBJECT: _("Object to a use of my data"),
    Right.RESTRICT: _("Stop a use of my data for now"),
    Right.MOVE: _("Hand my data to somebody else"),
    Right.COMPLAIN: _("Complain"),
}

REQUEST_STATES: Mapping[RegisterState, LazyString] = {
    RegisterState.OPEN: _("being looked at"),
    RegisterState.APPROVED: _("approved"),
    RegisterState.REFUSED: _("not approved"),
    RegisterState.DONE: _("finished"),
}

MEANS: Mapping[str, LazyString] = {
    "export": _("a file of evidence"),
    "lookup": _("a look-up"),
}


def describe_end(ended: Ended) -> str:
    """How a session ended; nothing for one that has not."""
    return str(ENDS[ended]) if ended in ENDS else ""
