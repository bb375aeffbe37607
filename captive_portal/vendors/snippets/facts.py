"""What a snippet is made of: where this server is, and what is registered of the equipment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from identity.domain.dynamic import UNREACHABLE
from identity.domain.sessions import INTERIM_SECONDS

SECRET = "SHARED-SECRET"  # noqa: S105 - stands where the secret goes
SERVER = "RADIUS-SERVER"
PORTAL = "https://PORTAL-HOST"

_COA_1700 = frozenset({"cisco", "meraki"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A registered network device and the site it belongs to."""

    name: str
    vendor: str
    portal_url: str
    """`…/p/NAME/`."""
    server: str
    """Where RADIUS is."""
    auth_port: int
    acct_port: int
    secret: str = field(default=SECRET, repr=False)
    login_url: str = ""
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    coa_port: int | None = None
    """None: as its make does."""

    @property
    def portal_host(self) -> str:
        """What visitors must reach before they are let in."""
        netloc = urlsplit(self.portal_url).netloc
        return re.sub(r":\d+\Z", "", netloc)

    @property
    def portal_path(self) -> str:
        """The portal's address after its host."""
        return urlsplit(self.portal_url).path

    @property
    def dynamic_port(self) -> int:
        """Where Disconnect- and CoA-Requests will be sent; 0 where none are."""
        if self.coa_port is not None:
            return self.coa_port
        if self.vendor in UNREACHABLE:
            return 0
        return 1700 if self.vendor in _COA_1700 else 3799

    @property
    def interim_minutes(self) -> int:
        """How often it shall report."""
        return INTERIM_SECONDS // 60

    def get(self, name: str, default: str) -> str:
        """A setting that is no secret, or a text that stands for it."""
        return self.settings.get(name) or default


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """What is printed, and files that go onto the equipment as they are."""

    text: str = field(repr=False)
    files: Mapping[str, str] = field(default_factory=dict)
