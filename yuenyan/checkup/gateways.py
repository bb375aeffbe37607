"""Which gateways hand nobody back, or hand back more than they should."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import func, select

from captive_portal.vendors.generic import Generic
from captive_portal.vendors.profile import NOBODY, Arrival, Forged, Gateway, names_device
from captive_portal.vendors.registered import gateway_from
from captive_portal.vendors.registry import vendor_called
from captive_portal.vendors.settings import LOGIN_ADDRESS, MODE, NO, YES, lacks, setting_of
from db.models import NasClient, OpenVisit
from identity.domain.central import CENTRAL, Caught, CentralTerms, redirect_to
from identity.domain.vendors import GATEWAYS
from identity.office import Office
from identity.services import central
from identity.services.open_visits import LIFETIME
from yuenyan.checkup.finding import Finding, ok, warn

_CHECK = "gateways"

_PHONES_AT_ONE_ADDRESS = 3
"""In a quarter of an hour; one phone may come under two addresses of its own."""

_NAMES = 5
"""So many are named where a site may have hundreds."""

_ANY_DEVICE = "020000000001"


def check_gateways(office: Office, rows: Sequence[NasClient]) -> Iterator[Finding]:
    """What is wrong with network devices that hand visitors back, or by their make should."""
    found = [gateway_from(office, row) for row in rows]
    gateways = [one for one in found if one.login_url or one.settings or one.vendor in GATEWAYS]
    yield from _left_alone([one for one in found if one not in gateways])
    if not gateways:
        return
    problems = [problem for one in gateways for problem in _problems(one)]
    if not office.config.portal.public_url:
        problems.append(
            warn(
                _CHECK,
                "the portal does not know its own address, which gateways send visitors to",
                'set [portal] public_url = "https://…"',
            )
        )
    problems += _where_translated(office, gateways)
    problems += _too_long(office, rows)
    if problems:
        yield from problems
    else:
        yield ok(_CHECK, f"{len(gateways)} can hand visitors back")


def _too_long(office: Office, rows: Sequence[NasClient]) -> Iterator[Finding]:
    """Controllers whose redirect would not fit into an attribute, so that nobody is sent on."""
    usual = Caught(
        station=_ANY_DEVICE,
        session="0" * 24,
        calling="02-00-00-00-00-01",
        nas_address="255.255.255.255",
        source="255.255.255.255",
        issued_at=office.clock(),
    )
    for row in rows:
        terms = central.terms_of(office, row)
        if isinstance(terms, CentralTerms) and redirect_to(terms, row.id, usual) is None:
            yield warn(
                _CHECK,
                f"{row.name} sends nobody to the portal: {terms.address} is too long for it",
                "give the network device a shorter name, or the portal a shorter public_url",
            )


def _left_alone(others: Sequence[Gateway]) -> Iterator[Finding]:
    """Makes that may be gateways or plain access points, and for which nothing is set."""
    names = [one.name for one in others if vendor_called(one.vendor).name != Generic.name]
    if names:
        some = ", ".join(names[:_NAMES]) + (", …" if len(names) > _NAMES else "")
        yield ok(
            _CHECK,
            f"{len(names)} taken for plain access points, as nothing is set for visitors: {some};"
            f" where visitors sign in on a page, see: yuenyan nas portal {names[0]}",
        )


def _where_translated(office: Office, gateways: Sequence[Gateway]) -> Iterator[Finding]:
    """Makes that let in the device a page names, where the portal cannot tell devices apart."""
    naming = sorted(one.name for one in gateways if _names_device(one))
    if not naming:
        return
    with office.database.read() as session:
        shared = session.scalar(
            select(OpenVisit.address)
            .where(OpenVisit.at > office.clock() - LIFETIME)
            .group_by(OpenVisit.address)
            .having(func.count() >= _PHONES_AT_ONE_ADDRESS)
            .limit(1)
        )
    if shared is not None:
        yield warn(
            _CHECK,
            f"{', '.join(naming)}: the device that a page names is let in, and many devices reach"
            f" the portal from one address ({shared}), so one can be let in by another's sign-in",
            "let nothing translate addresses on the way to the portal, or let the make ask RADIUS"
            " (docs/gateways.md)",
        )


def _names_device(gateway: Gateway) -> bool:
    make = vendor_called(gateway.vendor)
    if lacks(make, gateway):
        return False
    try:
        return names_device(make.step(Arrival(mac=_ANY_DEVICE), gateway, NOBODY))
    except Forged:
        # It wants back what its own redirect brought; central web authentication the device, too.
        return setting_of(make.settings, gateway, MODE) == CENTRAL


def _problems(gateway: Gateway) -> Iterator[Finding]:
    make, name = vendor_called(gateway.vendor), gateway.name
    lacking = lacks(make, gateway)
    if lacking and lacking != (LOGIN_ADDRESS,):
        yield warn(
            _CHECK,
            f"{name} hands nobody back: {', '.join(lacking)} not set",
            f"see: yuenyan nas portal {name}",
        )
    elif lacking:
        yield warn(
            _CHECK,
            f"{name} hands nobody back: its sign-in address is not set",
            f"run: yuenyan nas portal {name} --login-url URL",
        )
    settings = {one.name for one in make.settings}
    if "uamsecret" in settings and not gateway.settings.get("uamsecret"):
        yield warn(
            _CHECK,
            f"nothing proves what {name} tells of a visitor",
            f"set the same uamsecret there and here: yuenyan nas portal {name}"
            " --secret-stdin uamsecret",
        )
    if setting_of(make.settings, gateway, "allow_http") == YES:
        yield warn(
            _CHECK,
            f"the key of {name} travels without TLS",
            f"run: yuenyan nas portal {name} --set allow_http=no --set tls_pin=SHA256",
        )
    if setting_of(make.settings, gateway, "check_address") == NO:
        yield warn(
            _CHECK,
            f"{name} may be told the address of somebody else",
            f"where nothing translates between: yuenyan nas portal {name} --set check_address=yes",
        )
    if setting_of(make.settings, gateway, MODE) == "click-through":
        yield warn(
            _CHECK,
            f"{name} lets in whoever knows its make's address, without signing in",
            f"let it ask RADIUS: yuenyan nas portal {name} --set mode=sign-on",
        )
