"""What every page of the portal shares: office, signer, limits, the visit of this request."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import cast
from urllib.parse import urlsplit

from flask import current_app, g, request, url_for
from werkzeug.exceptions import BadRequest

from captive_portal.public.arrivals import Arrivals
from captive_portal.web.client_address import TrustedProxies
from captive_portal.web.csrf import FIELD, FormTokens
from captive_portal.web.i18n import prefer_language
from captive_portal.web.join_tokens import JoinTokens
from captive_portal.web.limits import FailureLimits
from captive_portal.web.links import is_plain_name
from captive_portal.web.telephone import unbroken
from captive_portal.web.tokens import LONGEST_TEXT, Signer, Visit
from common.disk import Gate
from common.secret import read_secret_text
from identity.office import Office
from identity.services import page_counts

EXTENSION = "yuenyan_portal"
KEY_FILE = "portal-session.key"
VISIT_FIELD = "visit"
NO_VISIT = Visit()


class StaleVisit(BadRequest):
    """The visit in the address is forged, broken or too old."""


@dataclass(frozen=True, slots=True)
class Portal:
    """The parts of one portal process."""

    office: Office
    signer: Signer
    form_tokens: FormTokens
    join_tokens: JoinTokens
    limits: FailureLimits
    proxies: TrustedProxies
    gate: Gate
    """Closed while the disk is full and the site lets nobody new in then."""
    arrivals: Arrivals

    @classmethod
    def open(cls, office: Office) -> Portal:
        """The portal of `office`; ConfigError when `yuenyan init` has not made its key."""
        key = read_secret_text(office.config.keys_dir / KEY_FILE).strip()
        return cls(
            office=office,
            signer=Signer(key),
            form_tokens=FormTokens(key),
            join_tokens=JoinTokens(key),
            limits=FailureLimits(partial(page_counts.add, office)),
            proxies=TrustedProxies.of(office.config.portal.trusted_proxies),
            gate=Gate(office.config.data_dir, office.config.archive.disk_full),
            arrivals=Arrivals(),
        )

    def page_values(self) -> dict[str, object]:
        """What every template gets."""
        return {
            "site_name": self.office.config.site.name,
            "help_line": unbroken(self.office.config.portal.help_line),
            "form_token": form_token,
            "page": page,
            "other_language": other_language,
        }


def portal() -> Portal:
    """The portal that answers this request."""
    return cast("Portal", current_app.extensions[EXTENSION])


def client_address() -> str:
    """The address of the visitor's device."""
    return portal().proxies.client_address(request)


def visit() -> Visit:
    """Where the gateway says the visitor came from; an empty visit when no gateway did.

    A forged or outdated visit ends the request with an error page: going on without it
    would let somebody sign in whom the gateway then does not let through.
    """
    found: Visit | None = g.get("visit")
    if found is None:
        text = request.args.get(VISIT_FIELD, "")
        read = portal().signer.read_visit(text) if text else NO_VISIT
        if read is None:
            raise StaleVisit
        found = g.visit = read
        g.visit_text = text
        if found.language:
            prefer_language(found.language)
    return found


def set_visit(new: Visit) -> None:
    """Let the links of this answer carry `new`; a page to go back to only where there is room."""
    text = portal().signer.sign_visit(new)
    if len(text) > LONGEST_TEXT:
        new = replace(new, url="")
        text = portal().signer.sign_visit(new)
    g.visit = new
    g.visit_text = text


def page(endpoint: str, **values: str) -> str:
    """The address of a page of ours that keeps the visit and the language chosen."""
    kept = {VISIT_FIELD: g.get("visit_text", ""), "lang": request.args.get("lang", "")}
    wanted = {key: text for key, text in {**kept, **values}.items() if text}
    return url_for(endpoint, **wanted)


def other_language(language: str) -> str:
    """This page, or the first one after a form, in another language."""
    asked = {key: text for key, text in request.args.items() if is_plain_name(key)}
    values: dict[str, str] = {**asked, **(request.view_args or {})}
    values.pop(VISIT_FIELD, None)
    values["lang"] = language
    if request.routing_exception is not None or request.endpoint is None:
        return page("login.form", lang=language)
    return page(request.endpoint, **values)


def public_root() -> str:
    """The portal's own address without a slash at the end."""
    configured = portal().office.config.portal.public_url.rstrip("/")
    if configured:
        return configured
    scheme = "https" if portal().proxies.is_https(request) else "http"
    return f"{scheme}://{request.host}"


def form_token() -> str:
    """The hidden token of a form on this page."""
    return portal().form_tokens.make(client_address())


def form_is_ours() -> bool:
    """Whether the form that was sent came from a page of ours, made for this device.

    Many may share its address, and then each gets tokens that are good for all of them. So a
    browser that says that another site's page sends the form is believed.
    """
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return False
    return portal().form_tokens.is_good(request.form.get(FIELD, ""), client_address())


def safe_return_url(text: str) -> str:
    """`text` when it is a plain web address to go back to, else the empty text.

    Only http and https, no user name in it, no control characters or white space.
    """
    if not text or len(text) > 2000 or not text.isprintable() or " " in text or "\\" in text:
        return ""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return ""
    return text
