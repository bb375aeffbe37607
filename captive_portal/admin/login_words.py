"""What is told about one login step by step, and what to do: the words for each code.

A step of `auth_event.trace` is `STAGE:CODE` or `STAGE:NAME=VALUE`. The portal and
`yuenyan login` use these words; nothing here knows how a login is decided.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

from captive_portal.admin.tls_words import NO_CERTIFICATE, TOO_OLD

_ = lazy_gettext

_BOUND = _("What was proven inside is bound to the tunnel; nobody is in between")

STEPS: Mapping[str, LazyString] = {
    "eap:identity": _("The device announced itself as %(value)s"),
    "eap:method": _("Device and server agreed on the method %(value)s"),
    "eap:violation": _("The device broke a rule of EAP: %(value)s"),
    "eap:abandoned": _(
        "The device heard our proof and went away: the password it was given is not the stored one"
    ),
    "eap:unanswered": _("The device said nothing more; after a minute the login was given up"),
    "eap:nak": _("The device declined and asked for: %(value)s"),
    "tls:version": _("The tunnel uses %(value)s"),
    "tls:resumed": _("The device went on with its earlier tunnel; rights were checked again"),
    "tls:error": _("The tunnel failed: %(value)s"),
    "tls:certificate": _("The server did not accept the certificate of the device: %(value)s"),
    "certificate:serial": _("The certificate has the serial number %(value)s"),
    "certificate:issuer": _("It is about one of its issuers, %(value)s"),
    "certificate:unreadable": _("The certificate cannot be read"),
    "certificate:name": _("The certificate names %(value)s"),
    "certificate:names": _("No account has a name that stands in the certificate: %(value)s"),
    "certificate:ambiguous": _("The certificate names several accounts; none is certain"),
    "ocsp:good": _("The issuer says that the certificate is good"),
    "ocsp:revoked": _("The issuer says that the certificate was revoked"),
    "ocsp:unknown": _("The issuer says that it knows no such certificate"),
    "ocsp:not_named": _("The certificate does not name whom to ask whether it is still good"),
    "ocsp:not_usable": _("The certificate names whom to ask about it by an address of no use here"),
    "ocsp:no_issuer": _("The issuer of the certificate is not known, so nobody can be asked"),
    "inner:identity": _("Inside the tunnel the user is %(value)s"),
    "inner:unreadable": _("The name inside the tunnel is %(value)s; nothing was looked up by it"),
    "inner:resumed": _("The device went on with the earlier login of %(value)s"),
    "inner:nak": _("Inside the tunnel the device declined and asked for: %(value)s"),
    "inner:method": _("Inside the tunnel they agreed on the method %(value)s"),
    "teap:user": _("The device proves who its user is"),
    "teap:machine": _("The device proves which machine it is"),
    "teap:user_missing": _(
        "The device names no user; perhaps nobody has signed in on it since it was started"
    ),
    "teap:machine_missing": _("The device does not say which machine it is"),
    "teap:machine_not_apart": _(
        "For the machine a password was given; beside a user only its certificate counts"
    ),
    "teap:user_not_apart": _("User and machine came to one and the same account"),
    "teap:cryptobinding": _BOUND,
    "teap:peer_refused": _("The device ended the login itself: %(value)s"),
    "teap:unknown_tlv": _("The device demanded something the server does not know: %(value)s"),
    "peap:cryptobinding": _BOUND,
    "peap:cryptobinding_wrong": _(
        "The device is not at the other end of the tunnel: somebody may be in between"
    ),
    "peap:peer_refused": _("The device ended the login itself"),
    "portal:granted": _("The portal told the gateway to let %(value)s in"),
    "central:sent_to_portal": _(
        "The controller was told to send the device to the portal page and nowhere else"
    ),
    "central:address_too_long": _("The address of the portal page is too long for the controller"),
    "central:no_redirect_acl": _("Its network device sends nobody on: redirect_acl is not set"),
    "central:no_ssids": _("Its network device sends nobody on: ssids is not set"),
    "central:no_public_url": _("Nobody is sent on: the portal does not know its own address"),
    "central:ssid_untold": _("The controller did not say which Wi-Fi network the device is on"),
    "central:other_ssid": _("The Wi-Fi network of the device is none that is sent to the portal"),
    "proxy:realm": _("The name belongs to the institution %(value)s"),
    "proxy:server": _("The server %(value)s was asked"),
    "proxy:accept": _("The other institution accepted the login"),
    "proxy:reject": _("The other institution refused the login"),
    "proxy:name": _("The other institution knows the user as %(value)s"),
    "proxy:cui": _("The other institution calls the person %(value)s, the same at every login"),
    "proxy:loop": _("The request had been here before: it goes in circles between servers"),
    "proxy:hops": _("The request had gone through too many servers"),
    "proxy:misspelt": _("What stands behind the @ cannot be the name of an institution"),
    "proxy:timeout": _("The server of the other institution did not answer"),
    "directory:proven": _("The directory %(value)s confirmed the password"),
    "directory:from_memory": _(
        "The directory %(value)s did not answer; it had confirmed this password lately"
    ),
    "directory:not_from_memory": _(
        "The directory %(value)s did not answer, and this is not the password it confirmed last"
    ),
    "directory:unreachable": _("The directory %(value)s could not be asked"),
    "directory:not_found": _("Neither an account here nor an entry in %(value)s has this name"),
    "directory:other_spelling": _(
        "The directory %(value)s has this name in another spelling only, which must be typed"
    ),
    "directory:found_twice": _("The directory %(value)s has several entries of this name"),
    "directory:wrong_password": _("The directory %(value)s did not accept the password"),
    "directory:locked": _(
        "The directory %(value)s has locked the account after too many wrong passwords"
    ),
    "directory:disabled": _("The account is disabled in the directory %(value)s"),
    "directory:expired": _("The account has expired in the directory %(value)s"),
    "directory:password_expired": _(
        "The directory %(value)s wants a new password before it lets the person in"
    ),
    "directory:no_role": _("The person is in none of the groups that have a role in %(value)s"),
    "directory:role_missing": _("A group of the person has the role %(value)s, which is not there"),
    "directory:gone": _("The entry of the person is no longer in the directory %(value)s"),
    "directory:not_configured": _("The account came from %(value)s, which is not configured now"),
    "directory:other_person": _(
        "The name belongs to another entry of %(value)s than when the account was made"
    ),
    "directory:keeps_password": _(
        "The password is kept in the directory %(value)s alone; this method would need it here"
    ),
    "request:too_much": _("One request carried: %(value)s; none of it was looked at"),
    "throttle:account_device": _("This device tried this account with a wrong password too often"),
    "throttle:device": _("This device tried too many wrong passwords, whatever the account"),
    "throttle:nas": _("Too many passwords are being checked for this access point at once"),
    "quota:day": _("The quota of the day is used up"),
    "quota:week": _("The quota of the week is used up"),
    "quota:month": _("The quota of the month is used up"),
    "quota:data": _("The quota of data is used up"),
    "quota:time": _("The quota of time is used up"),
}
"""By stage and name; a value is filled in as it stands in the trace."""

INNER = _("Inside the tunnel %(value)s logged in by %(method)s")
"""`inner:pap=alice` and the like."""

METHOD_NAMES: Mapping[str, str] = {
    "ttls": "EAP-TTLS",
    "peap": "PEAP",
    "tls": "EAP-TLS",
    "pwd": "EAP-PWD",
    "md5": "EAP-MD5",
    "gtc": "EAP-GTC",
    "teap": "TEAP",
    "pap": "PAP",
    "chap": "CHAP",
    "mschap": "MS-CHAP",
    "mschapv2": "MS-CHAPv2",
    "eap-md5": "EAP-MD5",
    "eap-gtc": "EAP-GTC",
    "eap-mschapv2": "EAP-MSCHAPv2",
    "eap-tls": "EAP-TLS",
    "password": "Basic-Password-Auth",
    "4": "EAP-MD5",
    "6": "EAP-GTC",
    "13": "EAP-TLS",
    "21": "EAP-TTLS",
    "25": "PEAP",
    "26": "EAP-MSCHAPv2",
    "52": "EAP-PWD",
    "55": "TEAP",
}
"""These are names, the same in every language; the numbers are IANA's EAP method types."""

_DISTRUST = _("The device does not trust the certificate of our server")

ALERTS: Mapping[str, LazyString] = {
    "unknown_ca": _DISTRUST,
    "bad_certificate": _DISTRUST,
    "certificate_unknown": _DISTRUST,
    "unsupported_certificate": _("The device cannot use the certificate of our server"),
    "certificate_expired": _("The device holds the certificate of our server for expired"),
    "certificate_revoked": _("The device holds the certificate of our server for revoked"),
    "unrecognized_name": _("The device expects another name in the certificate of our server"),
    "access_denied": _("The device or its user declined the server"),
    "user_cancelled": _("The user broke the login off"),
    "close_notify": _("The device ended the tunnel"),
    "handshake_failure": TOO_OLD,
    "insufficient_security": TOO_OLD,
    "protocol_version": TOO_OLD,
    "inappropriate_fallback": TOO_OLD,
    "certificate_required": NO_CERTIFICATE,
    "decrypt_error": _("Device and server do not find each other's encryption right"),
    "bad_certificate_status_response": _(
        "The device demands a proof with our certificate (OCSP stapling) that is not sent here"
    ),
    "internal_error": _(
        "The device reported a fault of its own; wpa_supplicant (Linux) says so, too, "
        "when the certificate of our server bears another name than it expects"
    ),
}
"""Alerts of RFC 8446 section 6 that the device sent, as OpenSSL spells them."""

ALERT = _("The device broke the tunnel off with the TLS alert %(value)s")

_AGAIN = _("Let the user sign in again on the portal page; the pass is good once, for two minutes.")
_NEW_VOUCHER = _("Hand out another voucher if the guest may still use the network.")
_TUNNEL = _(
    "Choose EAP-TTLS with PAP, or PEAP with GTC, in the Wi-Fi settings of the device; "
    "then the password stays as it is."
)
_PROFILE = _(
    "Install the Wi-Fi profile of this site on the device; it brings the certificate "
    "authority and the name of the server along."
)
_CLOCK = _("Look at date and time of the device; a wrong clock makes every certificate invalid.")
_SERVER_CERTIFICATE = _("Look whether the certificate of the server is still good: yuenyan doctor.")
_NEW_CERTIFICATE = _("Issue a new certificate for the device: yuenyan cert.")
_EQUIPMENT = _("Look at the RADIUS settings of the access point, and update its firmware.")
_UPDATE = _("Update the device; what is too old for TLS 1.2 cannot log in safely.")

ADVICE: Mapping[str, tuple[LazyString, ...]] = {
    "ok": (),
    "unknown_account": (
        _("Compare the spelling with the list of people; a space or the other keyboard slips in."),
        _("Who has no account yet is added under People, or applies on the portal page."),
    ),
    "wrong_password": (
        _("Let the user type the password again; look at capitals and the keyboard language."),
        _("Let the device forget this Wi-Fi and join anew; it may have kept an old password."),
        _("If the password is forgotten, set a new one on the page of the account."),
    ),
    "no_password": (_("Set a password on the page of the account and tell it to the user."),),
    "suspended": (
        _("Ask who suspended the account and why; the audit trail names them."),
        _("If the person may use the network again, enable it on the page of the account."),
    ),
    "password_to_be_changed": (
        _("Let the user sign in on the portal page and choose a password of their own there."),
        _("If that cannot be, set [passwords] unchanged_by_radius = keep."),
    ),
    "guardian_consent_missing": (
        _("Have a guardian sign the form, then record it under Consent of guardians."),
        _("If the role needs none after all, say so on the page of the role."),
    ),
    "expired": (
        _("If the person still belongs here, give the account a later last day."),
        _("A guest may apply again on the portal page."),
    ),
    "not_a_login": (_("Sign in with the account of a person; a device's lets in that device."),),
    "unknown_device": (
        _("Register the device: yuenyan device add MAC --role ROLE --owner NAME."),
        _(
            "A phone or computer with a private address is not known by it, which is normal: let "
            "its user sign in on the portal page or with 802.1X."
        ),
    ),
    "sent_to_portal": (
        _(
            "This is what every device meets first; nothing needs to be done until its user "
            "cannot sign in there."
        ),
        _(
            "If devices do not reach the page, look at the redirect list on the controller: it "
            "must let DNS and the portal through."
        ),
    ),
    "mac_mismatch": (
        _("Set the access point to send the MAC address of the device as the user name."),
        _("If this goes on, somebody may be copying the address of another device."),
    ),
    "no_calling_station_id": (
        _("Switch Calling-Station-Id on in the RADIUS settings of the access point."),
    ),
    "method_needs_recoverable_secret": (
        _TUNNEL,
        _(
            "If the equipment can do nothing else, store the password in recoverable form: "
            "yuenyan user password NAME --recoverable nt-hash."
        ),
    ),
    "token_spent": (_AGAIN,),
    "token_expired": (
        _AGAIN,
        _("If this happens often, the gateway answers slowly or its clock is wrong."),
    ),
    "token_for_another_device_or_nas": (
        _AGAIN,
        _("The page must be opened on the device that shall get on line."),
    ),
    "device_of_another_account": (
        _("Let whoever is signed in on the device sign out, or end their connection."),
        _("If this goes on, somebody may be naming the device of another person."),
    ),
    "voucher_unknown": (
        _("Compare the code with the slip, letter by letter."),
        _("Look whether the slip is of this school and its sheet was not revoked."),
    ),
    "voucher_expired": (_NEW_VOUCHER,),
    "voucher_revoked": (_NEW_VOUCHER,),
    "voucher_used_up": (
        _("Extend the voucher on the page of its sheet if the guest may go on."),
        _NEW_VOUCHER,
    ),
    "voucher_not_valid_yet": (_("The slip says from when on it is valid."),),
    "voucher_for_another_place": (
        _("The page of its sheet says where it is valid: a network device, a school or a Wi-Fi."),
    ),
    "voucher_device_limit": (_("Sign another device of this voucher off first."), _NEW_VOUCHER),
    "simultaneous_limit": (
        _("Sign a device off that is not in use; Connections shows which are on line."),
        _("If the number is too small for the role: yuenyan role set ROLE --simultaneous N."),
    ),
    "method_unsupported": (
        _TUNNEL,
        _("Which methods the server offers stands in its configuration: [eap] methods."),
    ),
    "bad_request": (_EQUIPMENT,),
    "several_proofs": (
        _EQUIPMENT,
        _("A password is changed on the portal page, not while a device logs in."),
    ),
    "name_not_readable": (
        _("Let the user type the name anew; a copied one may bring invisible characters along."),
        _("If nobody typed such a name, the device is broken or somebody tries the server."),
    ),
    "home_server_refused": (
        _("Only the institution the name belongs to can say why; ask its help desk."),
    ),
    "backend_unavailable": (
        _("Let the user try again; nothing is wrong with the password."),
        _("If it goes on, ask the server what is wrong: yuenyan doctor."),
    ),
    "eap_protocol_error": (
        _("Let the user try again; if only this device fails, update it."),
        _("If many devices fail at one access point, update its firmware."),
    ),
    "eap_no_common_method": (
        _TUNNEL,
        _("Which methods the server offers stands in its configuration: [eap] methods."),
    ),
    "eap_conversation_lost": (
        _("Once in a while this is nothing: the device begins again by itself."),
        _("If it happens often in one place, packets get lost between access point and server."),
        _("Perhaps the device shows a question about a certificate that nobody answers."),
    ),
    "tls_failed": (_PROFILE, _CLOCK, _SERVER_CERTIFICATE),
    "certificate_refused": (
        _("Look whether the certificate was issued here and is still valid."),
        _NEW_CERTIFICATE,
        _CLOCK,
    ),
    "certificate_revoked": (
        _("Ask why it was revoked; the device may have been lost or stolen."),
        _("If it is in the right hands again, issue a new certificate: yuenyan cert."),
    ),
    "certificate_of_no_account": (
        _("The certificate must carry the user name of an account as its alternative name."),
        _NEW_CERTIFICATE,
    ),
    "directory_ambiguous": (
        _("Let the administrator of the directory give each person a name of their own."),
        _("Or narrow base_dn or user_filter of the directory, so that one entry is left."),
    ),
    "directory_no_role": (
        _("Put the person into a group of the directory that has a role here."),
        _("Or give the group a role: [directory.NAME.groups]; or set default_role."),
        _("What is found for a person: yuenyan directory test NAME --user USER."),
    ),
    "directory_disabled": (
        _("Ask the administrator of the directory; enabled there, the person gets in at once."),
    ),
    "directory_entry_gone": (
        _("Ask the administrator of the directory whether the person has left or was renamed."),
        _("If many are missing at once, base_dn or a permission was changed: yuenyan doctor."),
    ),
    "directory_password_expired": (
        _("Let the user change the password where the directory wants it, then log in again."),
    ),
    "directory_other_person": (
        _("If it is the same person with a new entry: yuenyan directory relink USER."),
        _("If it is another person, give the entry another name: past sessions stay with the old."),
    ),
    "quota_used_up": (
        _("The quota begins anew with the next day, week or month."),
        _("If it is too small for the role: yuenyan role set ROLE --quota-mb-day N."),
    ),
    "outside_hours": (
        _("Try again within the hours of the role."),
        _("If the hours are wrong, change them for the role: yuenyan role set ROLE."),
    ),
    "disk_full": (
        _("Make room on the server's disk: yuenyan doctor says how full it is."),
        _('To warn only, set disk_full = "warn" under [archive] and restart.'),
    ),
    "too_many_attempts": (
        _("Wait a minute, then type the password once, with care."),
        _("If nobody was typing, a device keeps an old password: let it forget this Wi-Fi."),
        _("Other devices of the same account are not kept waiting."),
    ),
}
"""What to do, the likeliest first, by reason."""

ALERT_ADVICE: Mapping[str, tuple[LazyString, ...]] = {
    **dict.fromkeys(
        ("unknown_ca", "bad_certificate", "certificate_unknown", "unrecognized_name"),
        (_PROFILE, _SERVER_CERTIFICATE),
    ),
    "certificate_expired": (_CLOCK, _SERVER_CERTIFICATE),
    "certificate_revoked": (_SERVER_CERTIFICATE,),
    "unsupported_certificate": (_UPDATE, _SERVER_CERTIFICATE),
    **dict.fromkeys(("access_denied", "user_cancelled", "close_notify"), (_PROFILE,)),
    **dict.fromkeys(
        (
            "handshake_failure",
            "insufficient_security",
            "protocol_version",
            "inappropriate_fallback",
        ),
        (_UPDATE,),
    ),
    "certificate_required": (_NEW_CERTIFICATE,),
    "bad_certificate_status_response": (
        _("Switch the demand for OCSP off in the Wi-Fi settings of the device."),
    ),
    "internal_error": (_PROFILE, _SERVER_CERTIFICATE),
}
"""What to do when the device sent this alert, instead of what the reason alone suggests."""

STEP_ADVICE: Mapping[str, tuple[LazyString, ...]] = {
    "central:address_too_long": (
        _("Give the network device a shorter name, or the portal a shorter address."),
    ),
    "central:no_redirect_acl": (_("Set it: yuenyan nas portal NAME --set redirect_acl=LIST."),),
    "central:no_ssids": (
        _("Name the Wi-Fi networks that it redirects: yuenyan nas portal NAME --set ssids=NAME."),
    ),
    "central:no_public_url": (_("Set [portal] public_url, then restart the server."),),
    "central:ssid_untold": (
        _("Let the controller send the address of the access point and the SSID: see the snippet."),
    ),
    "central:other_ssid": (
        _("Register the device: yuenyan device add MAC --role ROLE --owner NAME."),
        _("If the controller redirects this network too, add it: yuenyan nas portal NAME."),
    ),
    "directory:role_missing": (
        _("Add the role with what it grants: yuenyan role set %(value)s."),
        _("Or give the group a role that is there: [directory.NAME.groups] or default_role."),
    ),
}
"""What to do when the trace has this step, instead of what the reason alone suggests."""

ASKED = _("The access point %(nas)s asked for the device %(station)s")
ASKED_SOMEWHERE = _("The access point %(nas)s asked without naming the device")
ASKED_BY_PORTAL = _("Somebody asked on the portal page")
NAMED = _("The name was %(name)s, the method: %(method)s")
ACCOUNT = _("The name belongs to the account %(account)s of %(full_name)s, role %(role)s")
ACCOUNT_ALONE = _("The name belongs to the account %(account)s, role %(role)s")
STATE_NOW = _("The account is now: %(state)s")
NO_ACCOUNT = _("No account was found for this name")
LET_IN = _("Let in")
