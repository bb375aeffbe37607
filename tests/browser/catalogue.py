"""Every page there is, with an address that shows something on it.

`tests/unit/captive_portal/test_catalogue.py` compares this with the routes of both portals, so
that a new page cannot miss the walks that look at all of them.
"""

from __future__ import annotations

PUBLIC = {
    "login.form": "/",
    "voucher.form": "/voucher",
    "registration.form": "/register",
    "registration.find": "/registration/",
    "notice.show": "/notice",
    "status.show": "/status",
}
"""Endpoint -> address, for whoever is not signed in."""

SIGNED_IN: dict[str, str] = {"status.show": "/status"}
"""Of the public portal, for a person who is signed in; the sign-in is added to the address."""

ADMIN = {
    "dashboard.show": "/",
    "registrations.queue": "/registrations/",
    "people.listing": "/people/",
    "people.show": "/people/11",
    "people.add": "/people/new",
    "vouchers.listing": "/vouchers/",
    "vouchers.show": "/vouchers/1",
    "vouchers.create": "/vouchers/new",
    "sessions.listing": "/sessions/?show=all",
    "logins.listing": "/logins/",
    "logins.show": "/logins/7",
    "nas_clients.listing": "/nas/",
    "nas_settings.show": "/nas/1",
    "nas_clients.add": "/nas/new?address=10.20.9.9",
    "roles.listing": "/roles/",
    "roles.change": "/roles/1",
    "roles.add": "/roles/new",
    "lookups.ask": "/lookup/",
    "unlocks.listing": "/lookup/unlocks/",
    "audit_trail.listing": "/audit/",
    "custody.listing": "/custody/",
    "custody.show": "/custody/1",
    "hold_orders.listing": "/holds/",
    "hold_orders.add": "/holds/new",
    "registers.listing": "/registers/request/?show=all",
    "registers.create": "/registers/request/new",
    "registers.show": "/registers/request/REQ-2567-0001",
}
"""Endpoint -> address, in the school day that tests/browser/test_admin_pages.py seeds."""

ELSEWHERE = {
    "registration.show": "walked through in test_public_pages",
    "connect.show": "needs a gateway: test_public_gateway",
    "visits.arrive": "sends on at once",
    "voucher.scan": "sends on at once",
    "detection.api": "JSON (RFC 8908)",
    "detection.healthz": "one word",
    "detection.windows_redirect": "sends on at once",
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
    "static": "style sheets",
}
"""Endpoints that are no page for these walks, and why."""
