"""The words officers read for states, reasons and refusals, in their language.

Codes stay in the database; a code without words here is shown as it is. The refusals of
`identity.services` are English sentences for the console, so the ones an officer can cause
are recognised and said again in the officer's language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString

from captive_portal.admin.audit_words import ACTIONS as ACTIONS
from captive_portal.admin.gateway_words import REFUSALS as GATEWAYS
from captive_portal.admin.lookup_words import LOOKUP_KINDS as LOOKUP_KINDS
from captive_portal.admin.lookup_words import LOOKUP_WARNINGS as LOOKUP_WARNINGS
from captive_portal.admin.lookup_words import REFUSALS as TOLD_APART
from captive_portal.admin.lookup_words import STATION_OUTCOMES as STATION_OUTCOMES
from captive_portal.admin.lookup_words import UNLOCK_STATES as UNLOCK_STATES
from captive_portal.admin.refusal_words import OF_ONE_PART
from captive_portal.admin.registration_words import REFUSALS as REGISTRATION_REFUSALS
from captive_portal.admin.token_words import TOKEN_STATES as TOKEN_STATES
from captive_portal.admin.voucher_words import VOUCHER_REFUSALS
from common.errors import NetAccessError
from identity.domain.access import Reason

Words = Mapping[str, LazyString]

_ = lazy_gettext

REASONS: Words = {
    "ok": _("Let in"),
    "unknown_account": _("There is no account with this name; check the spelling"),
    "wrong_password": _("The password was wrong"),
    "no_password": _("The account has no password yet; set one"),
    "suspended": _("The account is suspended; an admin can enable it"),
    "password_to_be_changed": _(
        "The password was given by somebody else and is to be changed on the portal page first"
    ),
    "expired": _("The account has expired"),
    "guardian_consent_missing": _("The consent of a guardian is needed and not recorded"),
    "not_a_login": _("This is a device's account; nobody can sign in with it"),
    "unknown_device": _("This device is not registered"),
    "sent_to_portal": _("The device is not known and was sent to the portal page"),
    "mac_mismatch": _("The name and the device do not belong together"),
    "no_calling_station_id": _("The access point did not say which device asked"),
    "method_needs_recoverable_secret": _(
        "The device asked by a method (CHAP or MS-CHAP) that this account's password is not "
        "stored for; use EAP-TTLS/PAP, or store the password in recoverable form"
    ),
    "token_spent": _("The one-time pass of the portal had been used; sign in again"),
    "token_expired": _("The one-time pass of the portal came too late; sign in again"),
    "token_for_another_device_or_nas": _(
        "The one-time pass of the portal was for another device or access point"
    ),
    "device_of_another_account": _("Somebody else is signed in on this device"),
    "voucher_unknown": _("There is no voucher with this code"),
    "voucher_expired": _("The voucher's time is over"),
    "voucher_revoked": _("The voucher was revoked"),
    "voucher_used_up": _("The voucher's time, data or sign-ins are used up"),
    "voucher_not_valid_yet": _("The voucher is not valid yet"),
    "voucher_for_another_place": _("The voucher is for another place or Wi-Fi"),
    "voucher_device_limit": _("The voucher is in use on as many devices as it allows"),
    "simultaneous_limit": _("The account is connected on as many devices as its role allows"),
    "method_unsupported": _("The device asked by a method this server does not offer"),
    "bad_request": _("The access point's request was incomplete"),
    "several_proofs": _("The access point sent two passwords or two names in one request"),
    "name_not_readable": _("The user name holds a character that no name may have"),
    "home_server_refused": _("The institution the name belongs to refused the login"),
    "backend_unavailable": _("The database or directory did not answer; try again"),
    "eap_protocol_error": _("The device sent something that does not belong into an EAP login"),
    "eap_no_common_method": _("The device asked for no EAP method that this server offers"),
    "eap_conversation_lost": _("The login was broken off half-way; the device begins again"),
    "tls_failed": _("Device and server could not agree on an encrypted tunnel (TLS)"),
    "certificate_refused": _("The certificate of the device was not accepted"),
    "certificate_revoked": _("The certificate of the device was revoked"),
    "certificate_of_no_account": _("The certificate of the device names no account"),
    "quota_used_up": _("The account has used up its data or time"),
    "disk_full": _("The disk is full and the site lets nobody new in then"),
    "outside_hours": _("The role may not use the network at this hour"),
    "directory_ambiguous": _("The directory has several entries of this name; none is certain"),
    "directory_no_role": _("The directory knows this person, but none of their groups has a role"),
    "directory_disabled": _("The directory has disabled this person's account, or it has expired"),
    "directory_entry_gone": _("The directory does not have this person any more"),
    "directory_password_expired": _("The password has to be changed in the directory first"),
    "directory_other_person": _("This name belonged to somebody else of the directory before"),
    "too_many_attempts": _("Too many wrong passwords came; the device has to wait a little"),
}

METHODS: Words = {
    "pap": _("password (PAP)"),
    "chap": _("password (CHAP)"),
    "mac": _("MAC address"),
    "token": _("one-time pass"),
    "voucher": _("voucher"),
    "portal": _("portal page"),
    "mschap": _("password (MS-CHAP)"),
    "mschapv2": _("password (MS-CHAPv2)"),
    "eap": _("EAP, method not agreed"),
    "eap-ttls": _("password in a tunnel (EAP-TTLS)"),
    "eap-peap": _("password in a tunnel (PEAP)"),
    "eap-tls": _("certificate (EAP-TLS)"),
    "eap-pwd": _("password (EAP-PWD)"),
    "eap-md5": _("password (EAP-MD5)"),
    "eap-gtc": _("password (EAP-GTC)"),
    "eap-mschapv2": _("password (EAP-MSCHAPv2)"),
    "eap-teap": _("tunnel (TEAP)"),
    "proxy": _("another institution's server"),
}

OUTCOMES: Words = {
    "accept": _("accepted"),
    "reject": _("refused"),
    "portal": _("sent to the portal"),
}


def login_result(outcome: str, reason: str) -> str:
    """The outcome as people see it: who is shown the portal page has not been refused."""
    return "portal" if reason == Reason.SENT_TO_PORTAL else outcome


ACCOUNT_STATES: Words = {
    "active": _("active"),
    "suspended": _("suspended"),
    "expired": _("expired"),
}

SIGNINGS: Words = {
    "always": _("always sent"),
    "sometimes": _("sometimes missing"),
    "never": _("never sent"),
    "unknown": _("not seen yet"),
}

STRENGTHS: Words = {
    "known": _("from a manual"),
    "short": _("too short"),
    "simple": _("too simple"),
    "fair": _("fair"),
    "strong": _("strong"),
    "tls": _("protected by TLS"),
}

TRANSPORTS: Words = {"udp": _("UDP"), "radsec": _("RadSec"), "udp+radsec": _("UDP and RadSec")}

REGISTRATION_STATES: Words = {
    "draft": _("not finished"),
    "contact_verified": _("contact proven"),
    "pending": _("waiting"),
    "active": _("approved"),
    "suspended": _("suspended"),
    "expired": _("expired"),
    "rejected": _("rejected"),
}

VOUCHER_STATES: Words = {
    "unused": _("unused"),
    "active": _("in use"),
    "exhausted": _("used up"),
    "expired": _("expired"),
    "revoked": _("revoked"),
}

EXHAUSTED_BY: Words = {
    "time": _("time used up"),
    "data": _("data used up"),
    "uses": _("sign-ins used up"),
}

VALIDITIES: Words = {
    "from_first_use": _("minutes from the first use"),
    "from_creation": _("minutes from the issue"),
    "fixed_window": _("from one day to another"),
    "minutes_of_use": _("minutes of being connected"),
}

GUESS_LANES: Words = {
    "strong": _("long codes"),
    "weak": _("short codes and codes of digits"),
}

KINDS: Words = {"person": _("person"), "guest": _("guest"), "device": _("device")}

ROLES: Words = {
    "staff": _("staff"),
    "student": _("student"),
    "guest": _("guest"),
    "device": _("device"),
    "provisional": _("until a code is read"),
}

WAYS: Words = {
    "closed": _("nobody registers"),
    "approval": _("an officer approves"),
    "sponsor": _("the host who is visited agrees"),
    "mail-code": _("a code by e-mail"),
    "sms-code": _("a code by SMS"),
    "roster": _("the roster of the school"),
}

MESSAGE_STATES: Words = {
    "waiting": _("waiting to be sent"),
    "sent": _("sent"),
    "failed": _("failed"),
    "late": _("too late, not sent"),
}

LEVELS: Words = {
    "admin": _("administrator"),
    "custodian": _("custodian of the traffic data"),
    "coordinator": _("coordinator for the authorities"),
    "auditor": _("auditor"),
    "school": _("officer of the school"),
    "approver": _("approver"),
    "voucher-desk": _("voucher desk"),
    "help-desk": _("help desk"),
    "executive": _("executive"),
}

RECOVERABLE: Words = {
    "none": _("nothing: logins that send the password work (TTLS/PAP, GTC, the portal)"),
    "nt-hash": _("its NT hash, for MS-CHAP"),
    "password": _("the password itself, for CHAP and MS-CHAP"),
}

PROOFINGS: Words = {
    "roster": _("from the roster"),
    "in_person": _("in person"),
    "sponsor": _("by a sponsor"),
    "operator": _("entered by an operator"),
    "directory": _("from the directory"),
}

TERMINATE_CAUSES: Words = {
    "1": _("The user signed off"),
    "2": _("The connection was lost"),
    "3": _("The connection was lost"),
    "4": _("Idle for too long"),
    "5": _("The session time was used up"),
    "6": _("Disconnected by an administrator"),
    "7": _("The access point restarted"),
    "8": _("Fault at the port"),
    "9": _("Fault at the access point"),
    "10": _("The access point ended it"),
    "11": _("The access point restarted"),
    "15": _("The service was not available"),
    "17": _("User error"),
    "18": _("The host ended it"),
    "19": _("The device switched network"),
    "20": _("Signed in again"),
    "21": _("The port was switched off"),
    "22": _("The port was switched off"),
}
"""Acct-Terminate-Cause, RFC 2866 section 5.10 and RFC 3580 section 2."""

CUSTODY_STEPS: Words = {
    "created": _("made"),
    "approved": _("approved to be handed over"),
    "handed_over": _("handed over"),
    "copied": _("copied"),
    "returned": _("given back"),
    "destroyed": _("destroyed"),
}

CUSTODY_REFUSALS: Words = {
    "MADE_BY_EXPORT": _("Only an export makes the first step."),
    "DESTROYED": _("The exhibit was destroyed; nothing can happen to it any more."),
    "NOT_APPROVED": _("Nobody has approved that it is handed over; enter the approval first."),
    "NOT_HANDED_OVER": _("It was handed over to nobody, so nobody can give it back."),
}

CUSTODY_FIELDS: Words = {
    "person": _("Person"),
    "officer_id": _("Number of the officer's card"),
    "document": _("Number of the document"),
    "note": _("Note"),
}

HOLD_STATES: Words = {
    "in force": _("in force"),
    "ending": _("in force, over soon"),
    "over": _("over"),
    "ended": _("ended early"),
}

GAP_REASONS: Words = {
    "sequence": _("records lost on the way (sequence numbers)"),
    "socket": _("records lost at the receiving socket"),
    "restart": _("the exporter began anew; records of before may be lost"),
    "not_running": _("the service was not running"),
    "undecodable": _("records nobody could decode"),
    "pending": _("records that have come in and are not in the archive yet"),
    "let_go": _("records of others were let go when their time was over"),
    "silent": _("equipment that used to send its log fell silent"),
    "sampled": _("equipment lists its translations now and then; others may have come and gone"),
}

LOOKUP_OUTCOMES: Words = {
    "single": _("One account held this address"),
    "ambiguous": _("Several accounts could have held this address"),
    "none": _("Nobody held this address at that time"),
    "gap": _("Records are missing for that time; nobody can say"),
}

GAP_KINDS: Words = {"flow": _("traffic records"), "radius": _("RADIUS")}

_REFUSALS: tuple[tuple[re.Pattern[str], LazyString], ...] = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        *REGISTRATION_REFUSALS,
        (
            r"there is already an account '(?P<name>.+)'",
            _("The user name %(name)s is taken; choose another."),
        ),
        (
            r"records may be held for two years",
            _("Records may be kept for two years from their entry at most; choose an earlier day."),
        ),
        (
            r"the text is missing in this language: (?P<language>\w+)",
            _("The text is missing in this language: %(language)s."),
        ),
        (r"a text has at most", _("The text is too long.")),
        (r"what has changed is said in", _("Say in fewer words what has changed.")),
        (r"name the version like", _("Name the version like 2569-1.")),
        (
            r"version '(?P<name>.+)' was published before",
            _("Version %(name)s was published before; give the new one a new name."),
        ),
        (r"the hold would be over already", _("That day is past; choose a later one.")),
        (r"the period of a hold ends before", _("The last day lies before the first.")),
        (r"a hold covers an account, an address", _("Give a user name or an address, not both.")),
        (
            r"(?P<name>.+) cannot approve a hold",
            _("%(name)s cannot approve this; name an active custodian, coordinator or auditor."),
        ),
        (
            r"nobody approves the own hold",
            _("Nobody approves the own order; name another officer."),
        ),
        (r"hold \d+ was ended", _("This order was ended before.")),
        (r"say why the hold ends", _("Say why it ends, such as the number of the letter.")),
        (r"(?P<name>\S+) was anonymised", _("This account was anonymised; add a new one.")),
        (
            r"the password of .+ is kept in (?P<where>[^;]+);",
            _("The password is kept in %(where)s; change it there."),
        ),
        (r"'(?P<name>.+)' is a MAC address", _("%(name)s is a MAC address, not a user name.")),
        (
            r"'(?P<name>.+)' looks like a voucher code",
            _("%(name)s looks like a voucher code; choose another user name."),
        ),
        (
            r"'(?P<name>.+)' is a name the system uses",
            _("%(name)s is a name the system uses itself; choose another user name."),
        ),
        (r"a user name is needed", _("Enter a user name.")),
        (r"a user name may have at most", _("The user name is too long.")),
        (
            r"a user name may hold no spaces",
            _("A user name may hold no spaces or control characters."),
        ),
        (
            r"use a password of at least (?P<count>\d+) characters",
            _("Use a password of at least %(count)s characters."),
        ),
        (r"a password may have at most 128", _("The password is too long (128 octets at most).")),
        (r"a password may hold no line break", _("A password may hold no line break.")),
        (r"a password is needed", _("Enter a password.")),
        (r"there is no role '(?P<name>.+?)'", _("There is no role %(name)s.")),
        (r"there is no organisation '(?P<name>.+?)'", _("There is no organisation %(name)s.")),
        (r"there is no account '(?P<name>.+)'", _("There is no account %(name)s.")),
        (
            r"(?P<name>\S+) expired on \S+ set a later expiry",
            _("%(name)s has expired; set a later expiry first."),
        ),
        (
            r"a registration that is (?P<state>\w+) cannot become",
            _("Somebody has decided this registration already."),
        ),
        (
            r"the user name (?P<name>.+) was taken meanwhile",
            _("The user name %(name)s was taken meanwhile; reject this registration."),
        ),
        (r"only a person can approve", _("Only a person's account can approve.")),
        (r"vouchers need a person", _("Only a person's account can issue vouchers.")),
        (
            r"may not grant the role '(?P<name>.+?)'",
            _("You may not grant the role %(name)s; an administrator can allow it."),
        ),
        (
            r"belongs to another organisation",
            _("This registration is decided by another organisation."),
        ),
        (
            r"the vouchers of sheet \d+ were issued elsewhere",
            _("Another organisation issued these vouchers; its officers print and revoke them."),
        ),
        (r"--(?P<name>[a-z-]+) must be (?P<range>\S+)", _("%(name)s: from %(range)s.")),
        (
            r"--(?P<name>[a-z-]+) is 1\.\.200 octets",
            _("%(name)s: at most 200 octets, without control characters."),
        ),
        (
            r"'(?P<value>.*)' is no VLAN",
            _("%(value)s is no VLAN; write them like: 20, 30, untagged 40."),
        ),
        (
            r"write hours like",
            _("Write hours like: mon-fri 07:30-17:00; sat 08:00-12:00."),
        ),
        (r"the CoA port is", _("The port is a number from 1 to 65535; 0 means none.")),
        (r"what a NAS sends has at most", _("At most 100 octets.")),
        (r"is no approver", _("This account is no approver.")),
        (r"(?P<name>\S+) has no password$", _("%(name)s has no password.")),
        (
            r"is no role name",
            _("A role name holds letters, digits, - and _, 60 at most."),
        ),
        (r"there is already a role '(?P<name>.+)'", _("There is a role %(name)s already.")),
        (
            r"there is already a NAS with the name (?P<value>.+)",
            _("There is already a network device named %(value)s."),
        ),
        (
            r"there is already a NAS with the prefix (?P<value>.+)",
            _("There is already a network device at %(value)s."),
        ),
        (
            r"(?P<name>.+) has the RadSec identity (?P<value>.+) already",
            _("%(name)s has the certificate name %(value)s already."),
        ),
        (
            r"a pre-shared key for TLS has",
            _("The secret of a device that comes over TLS has at least 16 characters."),
        ),
        (
            r"a RadSec identity (is|holds)",
            _("Write the one name that stands in the device's certificate."),
        ),
        (
            r"'(?P<value>.+)' is not a network prefix",
            _("%(value)s is not a network prefix; write it like 10.1.0.0/24 or 10.1.0.7."),
        ),
        (r"a NAS needs a name", _("Enter a name of at most 100 characters.")),
        (r"a shared secret has", _("A shared secret has 1 to 253 octets; 16 or more is good.")),
        (
            r"the login address of a NAS",
            _("The sign-in address starts with http:// or https://."),
        ),
        (
            r"the number of vouchers must be (?P<range>\S+)",
            _("The number of vouchers must be %(range)s."),
        ),
        *VOUCHER_REFUSALS,
        (r"the tolerance must be", _("The tolerance is 0 seconds to 7 days.")),
        (r"'(?P<value>.+)' is not a time", _("%(value)s is not a time.")),
        (
            r"'(?P<value>.+)' is not an IP address",
            _("%(value)s is not an IP address; write it like 203.0.113.7."),
        ),
    )
)


def word(words: Words, code: Any) -> str:
    """The words for a code, or the code itself when nobody wrote any."""
    found = words.get(str(code))
    return str(found) if found is not None else str(code if code is not None else "")


def explain(error: NetAccessError) -> str:
    """What an officer reads for a refusal of a service."""
    text = str(error)
    return say_again((*TOLD_APART, *OF_ONE_PART, *_REFUSALS, *GATEWAYS), text) or str(
        gettext("Not done: %(detail)s", detail=text)
    )


def say_again(table: Iterable[tuple[re.Pattern[str], LazyString]], text: str) -> str:
    """The words of the first pattern that knows `text`; empty when none does."""
    for pattern, words in table:
        match = pattern.search(text)
        if match is not None:
            return str(words) % match.groupdict() if match.groupdict() else str(words)
    return ""
