"""The words of the registers: what they are called, what stands in them, what may be done."""

from __future__ import annotations

import re

from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString

from captive_portal.admin import words
from captive_portal.admin.words import Words
from common.errors import NetAccessError

_ = lazy_gettext

REGISTERS: Words = {
    "request": _("Requests of officials"),
    "subject": _("Requests about own data"),
    "incident": _("Breaches of personal data"),
    "abuse": _("Complaints and take-down notices"),
}

LEADS: Words = {
    "request": _(
        "Every request is entered, also one that shows no basis. Nothing leaves without an approved"
        " request that names its basis and its period."
    ),
    "subject": _("Answered within 30 days. Write down how you made sure that it is them."),
    "incident": _(
        "72 hours run from when the office came to know of it. yuenyan incident draft makes the"
        " list of affected people and a draft of the report."
    ),
    "abuse": _("What was complained of, what was done about it, and when."),
}

FIELDS: Words = {
    "office": _("Office that asks"),
    "officer": _("Officer (name and position)"),
    "officer_id": _("Number of the card or warrant"),
    "basis": _("Legal basis"),
    "basis_text": _("Which other act or court"),
    "document_number": _("Number of their letter"),
    "scope": _("What it is about"),
    "from_at": _("Begin of the period"),
    "to_at": _("End of the period"),
    "about": _("Accounts, addresses or devices (one a line)"),
    "person": _("Who asks"),
    "account": _("User name"),
    "right": _("What is asked"),
    "contact": _("Contact"),
    "identity_check": _("How the identity was checked"),
    "risk": _("Risk to the people concerned"),
    "data_kinds": _("Which data"),
    "measures": _("What was done about it"),
    "complainant": _("Who complains or orders"),
    "notice": _("On what it rests"),
    "target": _("Address, page or account complained of"),
}

CHOICES: Words = {
    "s18-1": _("Computer Crime Act s.18(1): questions, statements, documents"),
    "s18-2": _("Computer Crime Act s.18(2): traffic data"),
    "s18-3": _("Computer Crime Act s.18(3): user data kept under s.26"),
    "court-order": _("order of a court"),
    "other-act": _("another act"),
    "none": _("none was shown"),
    "access": _("see what is held"),
    "copy": _("a copy"),
    "correct": _("correction"),
    "erase": _("erasure"),
    "object": _("objection"),
    "restrict": _("restriction of use"),
    "move": _("transfer to somebody else"),
    "complain": _("complaint"),
    "unknown": _("not judged yet"),
    "unlikely": _("unlikely"),
    "risk": _("there is a risk"),
    "high": _("high"),
    "complaint": _("complaint"),
    "s15-notice": _("notice under Computer Crime Act s.15"),
    "s20-order": _("order under Computer Crime Act s.20"),
    "other": _("something else"),
}

STATES: Words = {
    "open": _("not decided"),
    "approved": _("approved, not delivered"),
    "refused": _("refused, not answered"),
    "done": _("done"),
}

ACTIONS: Words = {
    "added": _("entered"),
    "noted": _("note"),
    "approved": _("approved"),
    "refused": _("refused"),
    "exported": _("evidence exported"),
    "delivered": _("delivered"),
    "reported": _("reported or answered"),
    "told": _("told the people concerned"),
    "acted": _("something was done"),
    "closed": _("closed"),
}

STEPS: Words = {
    "noted": _("Write a note"),
    "approved": _("Approve"),
    "refused": _("Refuse"),
    "delivered": _("Delivered"),
    "reported": _("Reported or answered"),
    "told": _("Told the people concerned"),
    "acted": _("Something was done"),
    "closed": _("Close"),
}

CLOCK: Words = {
    "never_measured": _("never measured"),
    "not_measured_lately": _("not measured for two hours"),
    "local_clock": _("it has no source but its own clock"),
    "nobody_to_ask": _("neither chrony nor servers to ask"),
    "no_server_answered": _("no time server answered"),
    "one_server_only": _("only one time server answered"),
    "servers_disagree": _("the time servers disagree"),
    "chrony_unsynchronised": _("chrony has no source"),
    "beyond_limit": _("its error is beyond the limit"),
    "not_synchronised": _("not synchronised"),
}

_REFUSALS: tuple[tuple[re.Pattern[str], LazyString], ...] = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"cannot be approved: it names no legal basis", _("It names no legal basis.")),
        (
            r"cannot be approved: it does not say which other act",
            _("Write which other act or court it rests on."),
        ),
        (r"cannot be approved: it has no officer id", _("The number of the card is missing.")),
        (r"cannot be approved: it has no document", _("The number of their letter is missing.")),
        (
            r"cannot be approved: it has no period",
            _("It has no period: what is not asked for must not leave."),
        ),
        (
            r"cannot be approved: it does not say how the identity",
            _("Write how the identity of who asks was checked."),
        ),
        (r"it is due within (?P<low>\d+) to (?P<high>\d+) days", _("%(low)s to %(high)s days.")),
        (r"cannot have been received in the future", _("That time has not come yet.")),
        (r"the period ends before it begins", _("The period ends before it begins.")),
        (r"say why, or what", _("Say what was done, or why.")),
        (r"say to whom", _("Say to whom.")),
        (r"give the hash of what was delivered", _("Give the SHA-256 of what was delivered.")),
        (r"a SHA-256 has", _("A SHA-256 has 64 digits, 0-9 and a-f.")),
        (r"there is no account '(?P<name>.+)'", _("There is no account %(name)s.")),
        (r"only what is .+ can be", _("Somebody has gone on with it meanwhile.")),
    )
)
_MISSING = re.compile(r"^(?P<name>[a-z ]+) is missing$")


def word(table: str, code: str) -> str:
    """The words for a code of one of the tables here."""
    return words.word(globals()[table], code)


def explain(error: NetAccessError) -> str:
    """What an officer reads for a refusal of the registers."""
    text = str(error)
    missing = _MISSING.match(text)
    if missing is not None:
        name = word("FIELDS", missing["name"].replace(" ", "_"))
        return str(gettext("Please fill in: %(name)s", name=name))
    return words.say_again(_REFUSALS, text) or words.explain(error)
