"""The Flask application of the public portal. Only wires: no migration, no key is made here."""

from __future__ import annotations

from flask import Flask, Response, make_response, render_template

from captive_portal.public import (
    connect,
    detection,
    forgotten,
    guests,
    join,
    join_certificates,
    login,
    notice,
    opennds,
    opennds_authmon,
    registration,
    registration_steps,
    released,
    roster,
    rules,
    status,
    throttle,
    visits,
    voucher,
)
from captive_portal.public.own import contact, data, desk, devices, password, sessions
from captive_portal.public.site import EXTENSION, Portal, StaleVisit
from captive_portal.vendors.controller import share_threads
from captive_portal.web.dates import format_data, format_date, format_duration, format_moment
from captive_portal.web.errors import init_error_pages
from captive_portal.web.i18n import current_language, gettext, init_languages
from captive_portal.web.input_checks import init_input_checks
from captive_portal.web.security_headers import init_security_headers
from common.net import find_mac, format_mac
from identity.office import Office

MAXIMUM_FORM_OCTETS = 64 << 10
"""The largest form here is the registration, some hundreds of octets."""

_PARTS = (
    visits,
    login,
    voucher,
    released,
    registration,
    registration_steps,
    roster,
    guests,
    notice,
    connect,
    status,
    join,
    join_certificates,
    forgotten,
    rules,
    sessions,
    devices,
    password,
    data,
    opennds,
    opennds_authmon,
    detection,
)


def create_app(office: Office) -> Flask:
    """The public portal of `office`.

    Raises:
        ConfigError: `yuenyan init` has not made the portal's key.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAXIMUM_FORM_OCTETS
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    portal = Portal.open(office)
    app.extensions[EXTENSION] = portal
    zone = office.config.site.timezone
    throttle.init_limits(app)
    share_threads(office.config.portal.threads)
    opennds.init_reports(app)
    init_input_checks(app)
    init_languages(app, office.config.site.languages, zone)
    init_security_headers(app)
    init_error_pages(app, "error.html")
    app.register_error_handler(StaleVisit, _stale_visit)
    app.context_processor(portal.page_values)
    app.context_processor(desk.page_values)
    app.jinja_env.filters.update(
        moment=lambda value: format_moment(value, current_language(), zone),
        date=lambda value: format_date(value, current_language(), zone),
        duration=lambda value: format_duration(value, current_language()),
        data_size=format_data,
        mac=format_mac,
        mac_or_text=_mac_or_text,
    )
    detection.init_capture(app)
    join.init_links(app)
    for part in _PARTS:
        app.register_blueprint(part.pages)
    app.register_blueprint(contact.mailbox_pages)
    app.register_blueprint(contact.mobile_pages)
    return app


def _mac_or_text(station: str) -> str:
    mac = find_mac(station)
    return format_mac(mac) if mac is not None else station


def _stale_visit(_error: StaleVisit) -> Response:
    text = render_template(
        "error.html",
        title=gettext("This sign-in page is too old"),
        advice=gettext("Switch Wi-Fi off and on again. A fresh sign-in page then opens by itself."),
    )
    return make_response(text, 400)
