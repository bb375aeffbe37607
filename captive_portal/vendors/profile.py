"""What a make of gateway has to tell the portal. One module a make fills this in.

Nothing here asks the network or a database. A redirect is unsigned with most makes, so of its
query only what identifies the visitor is kept, and a nonce that goes back to where it came
from; the network device and its addresses are always the registered ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, Protocol

from identity.domain.central import Caught


def _none() -> Mapping[str, str]:
    return MappingProxyType({})


def _unsealed(_text: str) -> Caught | None:
    return None


class Tested(StrEnum):
    """How far a make's profile is proven; shown to the officer."""

    FIXTURE = "fixture"
    """Against requests as the maker documents them or as they were captured."""
    PROGRAM = "program"
    """With the real program in `make test`."""
    UNTESTED = "untested"
    """Written from documents; no device of the kind has met it."""


class Outcome(StrEnum):
    """Why the gateway sends the browser."""

    NEW = "new"
    ALREADY = "already"
    """The device is online."""
    REFUSED = "refused"
    """RADIUS or the gateway said no to the last try."""
    SILENT = "silent"
    """RADIUS did not answer the gateway, or too late."""
    LEFT = "left"
    """The device has been signed out."""


class Forged(ValueError):  # noqa: N818 - what it says of the redirect
    """A redirect whose signature is missing or wrong, or whose values cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A registered network device, as far as handing a visitor over concerns it."""

    id: int
    name: str
    vendor: str
    login_url: str
    """Registered; empty where the make has another way or nobody has set it."""
    settings: Mapping[str, str] = field(default_factory=_none, repr=False)
    """What an officer has set for it, such as keys and a controller's address."""
    portal_url: str = ""
    """Our own address of it, `…/p/NAME/`, to which it sends browsers."""
    controller_networks: Sequence[str] = ()
    """Where controllers are, as the configuration says: this server's own addresses only there."""
    unseal: Callable[[str], Caught | None] = field(default=_unsealed, repr=False)
    """Opens what our RADIUS server has sealed for this device; None for anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What a redirect told. Nothing in it is proven, except by a signature where a make has one."""

    mac: str = ""
    """Twelve hex digits, or empty."""
    ip: str = ""
    from_ip: bool = False
    """Whether `ip` must be, and if empty is, the address the browser comes from: for makes that
    let in an address which a redirect names that nobody signs."""
    ip_if_own: bool = False
    """Whether `ip` is dropped unless the browser comes from it: for makes that do without."""
    ssid: str = ""
    ap_mac: str = ""
    url: str = ""
    """What the visitor wanted to open, as the gateway told it; not yet checked."""
    language: str = ""
    outcome: Outcome = Outcome.NEW
    reason: str = ""
    """Of a refusal: a Reply-Message or the make's own code."""
    carried: Mapping[str, str] = field(default_factory=_none)
    """What the hand-over needs back, such as a challenge. It travels in a signed, public text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What lets one proven visitor in."""

    username: str
    token: str
    """Good once, for two minutes, for this device and network device (identity.services.tokens)."""
    destination: str
    """Our status page, to which the gateway shall send the browser back."""
    session_seconds: int | None = None
    down_kbps: int | None = None
    up_kbps: int | None = None
    quota_octets: int | None = None


NOBODY = Entry(username="", token="", destination="")
"""For a step that is only looked at: making one asks nobody anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserStep:
    """The browser goes to the gateway, by a link or a form."""

    method: Literal["get", "post"]
    url: str
    """Built from registered settings only."""
    fields: Sequence[tuple[str, str]] = field(default=(), repr=False)
    names_device: bool = False
    """Whether the fields say which device comes in, instead of the gateway seeing it."""
    granted_to: str | None = None
    """As of a `ServerStep`."""


class Completion(StrEnum):
    """How a call to a controller ended."""

    GRANTED = "granted"
    NOT_YET = "not_yet"
    """The controller does not see the device yet: ask again in a few seconds."""
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStep:
    """Our server calls the controller, whose address is registered. `run` blocks for seconds."""

    run: Callable[[], Completion]
    granted_to: str | None = None
    """The device that is let in where the make asks nobody else: the portal counts and records it.
    None where RADIUS is asked, which does both."""


class Kind(StrEnum):
    """What a setting may hold (captive_portal.vendors.settings checks it)."""

    TEXT = "text"
    """One line."""
    URL = "url"
    MACS = "macs"
    """Addresses of access points, with commas between."""
    SSIDS = "ssids"
    """Names of Wi-Fi networks, with commas between."""
    PEM = "pem"
    """Certificates of authorities."""
    PIN = "pin"
    """SHA-256 of one certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchStep:
    """The gateway asks us every few seconds whom to let in; the page waits meanwhile."""

    key: str
    """By which it knows the visitor."""
    carried: str
    """What it brings back about this session ever after."""
    names_device: bool = True
    """The key is of one device, whoever opens the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskAgainStep:
    """The gateway has asked RADIUS for the device, and is told to ask again; the page waits."""

    caught: Caught
    ends: bool = False
    """It is told to end the connection; the device comes back by itself."""
    names_device: bool = True
    """The device is the one that was caught, whoever opens the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One thing an officer sets for a network device of this make."""

    name: str
    is_secret: bool = False
    required: bool = False
    help: str = ""
    kind: Kind = Kind.TEXT
    choices: Sequence[str] = ()
    """The words it may be; empty where it is free."""
    shortest: int = 0
    """Characters it has at least; for keys that protect a hand-over."""
    default: str = ""
    modes: Sequence[str] = ()
    """Values of the setting `mode` it belongs to; empty for all."""


Step = BrowserStep | ServerStep | FetchStep | AskAgainStep
"""What lets a visitor in."""


def names_device(step: Step) -> bool:
    """Whether the step says which device comes in, so that it matters who opens its page."""
    return isinstance(step, ServerStep) or step.names_device


class Vendor(Protocol):
    """One make. Its name is its name in identity.domain.vendors."""

    name: str
    tested: Tested
    settings: Sequence[Setting]

    def read(self, query: Mapping[str, str], raw_query: str, gateway: Gateway) -> Arrival:
        """Read a redirect.

        Args:
            query: its parameters, decoded, the first of each name.
            raw_query: the octets as they came, for makes that sign them.

        Raises:
            Forged: the make signs and this is not signed right.
        """
        ...

    def can_hand_over(self, gateway: Gateway) -> bool:
        """Whether `gateway` has all that `step` needs."""
        ...

    def step(self, arrival: Arrival, gateway: Gateway, entry: Entry) -> Step:
        """What lets the visitor in; `arrival` is as `read` made it, with only its carried part.

        Raises:
            Forged: nothing is carried of what the make needs back.
        """
        ...
