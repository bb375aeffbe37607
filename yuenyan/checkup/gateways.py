"""Which gateways hand nobody back, or hand back more than they should."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from captive_portal.vendors.profile import Gateway
from captive_portal.vendors.registry import vendor_called
from captive_portal.vendors.settings import MODE, NO, YES, missing, setting_of
from db.models import NasClient
from identity.office import Office
from identity.services.nas_portal import portal_settings
from yuenyan.checkup.finding import Finding, ok, warn

_CHECK = "gateways"


def check_gateways(office: Office, rows: Sequence[NasClient]) -> Iterator[Finding]:
    """What is wrong with network devices that have anything set for handing visitors back."""
    found = [
        Gateway(
            id=row.id,
            name=row.name,
            vendor=row.vendor,
            login_url=row.login_url or "",
            settings=portal_settings(office, row),
        )
        for row in rows
    ]
    gateways = [one for one in found if one.login_url or one.settings]
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
    if problems:
        yield from problems
    else:
        yield ok(_CHECK, f"{len(gateways)} can hand visitors back")


def _problems(gateway: Gateway) -> Iterator[Finding]:
    make, name = vendor_called(gateway.vendor), gateway.name
    lacking = missing(make.settings, gateway)
    if lacking:
        yield warn(
            _CHECK,
            f"{name} hands nobody back: {', '.join(lacking)} not set",
            f"see: yuenyan nas portal {name}",
        )
    elif not make.can_hand_over(gateway):
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
