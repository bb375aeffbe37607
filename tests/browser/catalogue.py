"""Every page there is, with addresses that show something on it.

`tests/unit/captive_portal/test_catalogue.py` compares this with the routes of both portals, so
that a new page cannot miss the walks that look at all of them. A name is an endpoint, and after a
comma which of its states.
"""

from __future__ import annotations

PUBLIC = {
    "login.form": "/",
    "login.form, after a refusal": "/?refused=refused",
    "login.form, signed out": "/?signed_out=1",
    "voucher.form": "/voucher",
    "registration.form": "/register",
    "registration.form, a guest": "/register?as=guest",
    "roster.form": "/register/roster",
    "registration.find": "/registration/",
    "registration.show, a code by mail": "/registration/CODE-2345",
    "registration.show, a code by SMS": "/registration/SMSC-2345",
    "registration.show, the host is asked": "/registration/HOST-2345",
    "registration.show, the staff is asked": "/registration/WAIT-2345",
    "registration.show, approved": "/registration/DONE-2345",
    "registration.show, refused": "/registration/BACK-2345",
    "registration.show, no such number": "/registration/NONE-2345",
    "notice.show": "/notice",
    "rules.show": "/rules",
    "status.show": "/status",
    "forgotten.ask": "/forgot",
    "forgotten.form": "/reset",
    "forgotten.form, the letter is on its way": "/reset?sent=1",
    "guests.listing": "/guests",
    "guests.show": "/guests/HOST-2345",
    "join.show": "/join",
    "no such page": "/nowhere",
}
"""Name -> address in the school of furnished.py, for whoever is not signed in."""

SIGNED_IN = {
    "status.show, everything on it": ("somsri", "/status"),
    "status.show, the password has changed": ("malee", "/status?changed=1"),
    "status.show, by voucher": ("voucher", "/status"),
    "guests.listing, one waits": ("somsri", "/guests"),
    "guests.show, one waits": ("somsri", "/guests/HOST-2345"),
    "own_sessions.show": ("somsri", "/me/sessions"),
    "own_sessions.show, none": ("malee", "/me/sessions"),
    "own_devices.show": ("somsri", "/me/devices"),
    "own_devices.show, by voucher": ("voucher", "/me/devices"),
    "own_password.form": ("somsri", "/me/password"),
    "own_password.form, the first one": ("wichai", "/me/password"),
    "own_mailbox.form": ("malee", "/me/mailbox"),
    "own_mailbox.form, confirmed": ("somsri", "/me/mailbox"),
    "own_mobile.form": ("malee", "/me/mobile"),
    "own_mobile.form, confirmed": ("somsri", "/me/mobile"),
    "own_data.show": ("somsri", "/me/data"),
    "rules.ask": ("wichai", "/rules/accept"),
    "rules.ask, a new version": ("malee", "/rules/accept"),
    "join.show, a teacher": ("somsri", "/join"),
    "join.show, by voucher": ("voucher", "/join"),
    "join_certificates.show": ("somsri", "/join/certificates"),
}
"""Name -> who looks, and the address; the sign-in is added to it."""

ADMIN = {
    "dashboard.show": "/",
    "registrations.queue": "/registrations/",
    "people.listing": "/people/",
    "people.show": "/people/11",
    "people.show, an approver": "/people/7",
    "people.add": "/people/new",
    "class_slips.choose": "/people/classes/",
    "vouchers.listing": "/vouchers/",
    "vouchers.show": "/vouchers/1",
    "vouchers.show_one": "/vouchers/1/voucher/1",
    "vouchers.create": "/vouchers/new",
    "sessions.listing": "/sessions/?show=all",
    "logins.listing": "/logins/",
    "logins.show": "/logins/7",
    "nas_clients.listing": "/nas/",
    "nas_settings.show": "/nas/1",
    "nas_settings.show, without a Message-Authenticator": "/nas/2",
    "nas_gateways.show": "/nas/1/gateway",
    "nas_gateways.show, by a controller": "/nas/2/gateway",
    "nas_clients.add": "/nas/new?address=10.20.9.9",
    "roles.listing": "/roles/",
    "roles.change": "/roles/1",
    "roles.add": "/roles/new",
    "registration_ways.change": "/roles/3/registration",
    "messages.listing": "/messages/",
    "texts.listing": "/texts/",
    "texts.show": "/texts/1",
    "texts.add": "/texts/new",
    "lookups.ask": "/lookup/",
    "lookups.ask, a device": "/lookup/?kind=mac",
    "lookups.ask, a person": "/lookup/?kind=person",
    "lookups.ask, traffic": "/lookup/?kind=flows",
    "unlocks.listing": "/lookup/unlocks/",
    "consents.listing": "/consents/",
    "consents.add": "/consents/new",
    "tokens.listing": "/tokens/",
    "tokens.add": "/tokens/new",
    "audit_trail.listing": "/audit/",
    "custody.listing": "/custody/",
    "custody.show": "/custody/1",
    "hold_orders.listing": "/holds/",
    "hold_orders.add": "/holds/new",
    "registers.listing": "/registers/request/?show=all",
    "registers.create": "/registers/request/new",
    "registers.show": "/registers/request/REQ-2567-0001",
    "no such page": "/nowhere",
}
"""Name -> address, in the school day that tests/browser/test_admin_pages.py seeds."""

ELSEWHERE = {
    "connect.show": "behind a form: test_accessibility, test_public_gateway",
    "visits.arrive": "sends on at once",
    "visits.arrive_at_site": "sends on at once",
    "voucher.scan": "sends on at once",
    "detection.api": "JSON (RFC 8908)",
    "detection.healthz": "one word",
    "detection.windows_redirect": "sends on at once",
    "join.download": "files for devices: test_onboarding_pages saves one",
    "api.health": "one word",
    "api.openapi": "JSON",
    "api.status": "JSON",
    "lookup_api.session": "JSON",
    "lookup_api.state": "JSON",
    "custody.form": "a file",
    "registers.first": "sends on at once",
    "registrations.show": "walked through in test_admin_pages",
    "disconnects.confirm": "walked through in test_admin_pages",
    "sign_in.form": "the first page of every walk",
    "unlocks.show": "walked through in test_admin_pages",
    "vouchers.print_sheet": "paper: test_admin_pages prints it",
    "vouchers.print_pdf": "a file",
    "vouchers.export": "a file",
    "vouchers.style": "the style sheet of printed slips",
    "class_slips.style": "the style sheet of printed slips",
    "consents.sample": "a CSV file",
    "nas_gateways.page": "a file that goes onto the equipment",
    "static": "style sheets",
}
"""Endpoints that are no page for these walks, and why."""


def endpoints() -> set[str]:
    """Every endpoint that is named here."""
    named = {name.partition(",")[0] for name in (*PUBLIC, *SIGNED_IN, *ADMIN, *ELSEWHERE)}
    return named - {"no such page"}
