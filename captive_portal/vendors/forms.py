"""What makes have in common that take a form from the browser at their registered address."""

from __future__ import annotations

from collections.abc import Sequence

from captive_portal.vendors.profile import BrowserStep, Gateway, Setting


class ByForm:
    """A make that needs its sign-in address and, unless it says so, nothing else."""

    settings: Sequence[Setting] = ()

    def can_hand_over(self, gateway: Gateway) -> bool:
        """With its sign-in address, such as docs/gateways.md has for each make."""
        return bool(gateway.login_url)


def form(url: str, *fields: tuple[str, str]) -> BrowserStep:
    """A form that the page sends by itself, in this order."""
    return BrowserStep(method="post", url=url, fields=fields)
