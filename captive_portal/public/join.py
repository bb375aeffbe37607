"""`/join`: set a phone or computer up once, so that nobody types a password each time.

Everybody may see the page: CA, names and networks are no secret. With a sign-in, or with the
signed text that a sign-in has made, the files hold the user name. Never a password.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Flask, abort, make_response, render_template, request
from markupsafe import Markup, escape
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from captive_portal.public.join_device import System, device_of
from captive_portal.public.sign_ins import Holder, holder, sign_in_text
from captive_portal.public.site import page, portal, public_root
from captive_portal.web import qr
from captive_portal.web.i18n import current_language, gettext
from captive_portal.web.join_tokens import JoinToken
from common.errors import NetAccessError
from common.logging import get_logger
from db.models import Account
from identity.onboarding import android, apple
from identity.onboarding.kinds import Kind, kinds_of, write
from identity.onboarding.profile import Profile, fingerprint
from identity.services import onboarding, own_certificates
from identity.services.login import snapshot

pages = Blueprint("join", __name__)

_SHORT = 20
"""Letters that fit into a line of the narrowest phone."""

TOKEN = "t"  # noqa: S105 - the name of a field


class StaleLink(BadRequest):
    """The signed text in the address is forged, broken, too old, or its account may not log in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """Whose device is set up, and by what."""

    profile: Profile
    account: Account | None
    token: str
    """The signed text that files are fetched with; empty for everybody's."""
    why_not: str = ""
    """Signed in, but with an account that no device can log in with; the reason."""


@pages.get("/join")
def show() -> Response:
    """The instruction for the system that asks, and those of all others below it."""
    joining = current_joining()
    device = device_of(request.user_agent.string)
    address = f"{public_root()}{page_without_visit(joining.token)}"
    return make_response(
        render_template(
            "join.html",
            device=device,
            others=[one for one in System if one is not device.system],
            system_names=_SYSTEM_NAMES,
            typed=f"{public_root().partition('://')[2]}/join",
            code=qr.svg(address, gettext("The address of this page for another device")),
            manual=android.settings(joining.profile),
            fingerprint=fingerprint,
            certificates=_certificates_link(),
            **page_parts(joining),
        )
    )


@pages.get("/join/file/<kind>")
def download(kind: str) -> Response:
    """One file, with the name and type that its system wants."""
    joining = current_joining()
    if kind not in set(Kind) or Kind(kind) not in kinds_of(joining.profile):
        abort(404)
    signing = onboarding.signing_pair(portal().office.config)
    made = write(joining.profile, Kind(kind), signing=signing, language=current_language())
    response = make_response(made.content)
    response.content_type = made.mime
    # An iPhone puts what is attached among its files, where nobody looks for it to install it.
    place = "inline" if made.mime == apple.MIME else "attachment"
    response.headers["Content-Disposition"] = f'{place}; filename="{made.name}"'
    return response


def init_links(app: Flask) -> None:
    """Let any page show the way here."""
    app.jinja_env.globals["join_address"] = join_address
    app.jinja_env.globals["join_networks"] = _networks
    app.register_error_handler(StaleLink, _stale_link)


def join_address() -> str:
    """The address of this page for whoever is signed in; empty where it would be of no use."""
    current = holder()
    if current is None or not portal().office.config.onboarding.is_on:
        return ""
    return "" if why_not_of(current) else page("join.show", s=sign_in_text())


def current_joining() -> Joining:
    """What this request is about; 404 where the site hands out no profiles.

    Raises:
        StaleLink: its signed text is of no use any more.
    """
    office = portal().office
    if not office.config.onboarding.is_on:
        abort(404)
    token = _token()
    current = holder() if token is None else None
    why_not = why_not_of(current) if current is not None else ""
    try:
        if token is not None:
            return joining_of(token)
        if current is not None and not why_not:
            return joining_of(JoinToken(current.account.id))
        public = onboarding.public_profile(office.config)
        return Joining(profile=public, account=None, token="", why_not=why_not)
    except NetAccessError as error:
        get_logger(__name__).error("onboarding_unusable", reason=str(error))
        abort(503)


def joining_of(token: JoinToken) -> Joining:
    """What a signed text is about.

    Raises:
        StaleLink: its account may not log in, or its file waits no longer.
        Refused: the account cannot log in from a device.
    """
    office = portal().office
    with office.database.read() as session:
        account = session.get(Account, token.account_id)
        if account is None or snapshot(session, account).refusal(office.clock()) is not None:
            raise StaleLink
        profile = onboarding.profile_of(session, office.config, account)
        if token.file_key:
            file = own_certificates.file_of(session, office, account.id, token.file_key)
            if file is None:
                raise StaleLink
            profile = onboarding.with_certificate(profile, file)
    return Joining(profile=profile, account=account, token=portal().join_tokens.make(token))


def _token() -> JoinToken | None:
    text = request.args.get(TOKEN, "")
    if not text:
        return None
    read = portal().join_tokens.read(text)
    if read is None:
        raise StaleLink
    return read


def page_parts(joining: Joining) -> dict[str, object]:
    """What every page about a profile shows."""
    kept = {TOKEN: joining.token} if joining.token else {}
    return {
        "joining": joining,
        "profile": joining.profile,
        "networks": _names(joining.profile.ssids),
        "file": lambda kind: page("join.download", kind=kind, **kept),
        "kinds": kinds_of(joining.profile),
        "s": sign_in_text(),
    }


def page_without_visit(token: str) -> str:
    """The path to this page as another device opens it: short enough to scan."""
    return f"/join?{TOKEN}={token}" if token else "/join"


def _certificates_link() -> str:
    current = holder()
    if current is None or not own_certificates.may_have(portal().office, current.account):
        return ""
    return "" if why_not_of(current) else page("join_certificates.show", s=sign_in_text())


def why_not_of(current: Holder) -> str:
    """Why no device can log in with this account; empty when one can."""
    office = portal().office
    with office.database.read() as session:
        if onboarding.methods_of(session, office.config, current.account):
            return ""
        if onboarding.has_password(session, current.account):
            return gettext("This account cannot be used by devices yet. Ask the staff.")
    return gettext(
        "A voucher works on the sign-in page only. To set a device up you need an account with"
        " a password."
    )


def _networks() -> str:
    return _names(portal().office.config.onboarding.ssids)


def _names(ssids: tuple[str, ...]) -> str:
    """The networks for a sentence; a short name stays in one line, so that it can be compared."""
    keep = Markup('<span class="nb">{}</span>')
    parts = (keep.format(one) if len(one) <= _SHORT else escape(one) for one in ssids)
    return Markup(", ").join(parts) or gettext("by cable")


def _stale_link(_error: StaleLink) -> Response:
    text = render_template(
        "error.html",
        title=gettext("This link is too old"),
        advice=gettext("A link to set a device up works for an hour. Sign in and open it anew."),
    )
    return make_response(text, 400)


_SYSTEM_NAMES = {
    System.ANDROID: "Android",
    System.IOS: "iPhone, iPad",
    System.WINDOWS: "Windows",
    System.MACOS: "Mac",
    System.CHROMEOS: "Chromebook",
    System.LINUX: "Linux",
}
