"""Where a controller may be: who may register which address, and what a change costs.

An officer of one school must not turn this server on the office's own network, nor have a secret
that somebody else has given sent to a place of their choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from captive_portal.vendors.profile import Vendor
from captive_portal.vendors.settings import NO, YES
from common.errors import Refused, UsageError

_CONTROLLER, _ALLOW_HTTP = "controller", "allow_http"
_PLACE = (_CONTROLLER, "tls_pin", "tls_ca", _ALLOW_HTTP)
"""What says where secrets go and by what the other end is known."""

Address = IPv4Address | IPv6Address


def plain_address(text: str) -> Address:
    """The address; of an IPv4 address in IPv6 notation the IPv4 address.

    Raises:
        ValueError: it is none.
    """
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def lies_in(address: Address, networks: Sequence[str]) -> bool:
    """Whether one of the networks has this address."""
    return any(address in ip_network(one, strict=False) for one in networks)


def secrets_to_give_anew(
    make: Vendor, before: Mapping[str, str], changes: Mapping[str, str]
) -> Sequence[str]:
    """The secrets that were given for another place than the one after `changes`.

    They are not sent there: whoever changes the place gives them again or does without.
    """
    names = {one.name for one in make.settings}
    if not any(_value(before, name) != _value(changes, name, before) for name in names & {*_PLACE}):
        return ()
    return tuple(
        one.name
        for one in make.settings
        if one.is_secret and before.get(one.name) and not changes.get(one.name)
    )


def check_controller(
    make: Vendor,
    before: Mapping[str, str],
    changes: Mapping[str, str],
    *,
    prefix: str,
    networks: Sequence[str],
    is_whole: bool,
) -> None:
    """Whether whoever asks may register this controller.

    Args:
        prefix: of the network device.
        networks: where controllers are, by the configuration.
        is_whole: whether the officer sees every organisation.

    Raises:
        UsageError: it is this server, and nobody has said that a controller runs on it.
        Refused: it is for the area office to say.
    """
    if not {one.name for one in make.settings} & {_CONTROLLER}:
        return
    url = changes.get(_CONTROLLER, "")
    if url and url != before.get(_CONTROLLER):
        _check_place(urlsplit(url).hostname or "", prefix, networks, is_whole)
    newly_open = changes.get(_ALLOW_HTTP) == YES and before.get(_ALLOW_HTTP) != YES
    if newly_open and not is_whole:
        raise Refused("allow_http: an officer of one school cannot allow it; ask the area office")


def _check_place(host: str, prefix: str, networks: Sequence[str], is_whole: bool) -> None:
    address: Address | None = None
    with suppress(ValueError):
        address = plain_address(host)
    is_loopback = host == "localhost" or (address is not None and address.is_loopback)
    named = address is not None and lies_in(address, networks)
    if is_loopback and not (named and is_whole):
        raise UsageError(
            f"controller: {host} is this server itself; where the controller runs beside it, the"
            " configuration names the address in [portal] controller_networks"
        )
    if is_whole or named or (address is not None and lies_in(address, [prefix])):
        return
    # A name may lead elsewhere tomorrow.
    raise Refused(
        "controller: an officer of one school gives the IP address of the network device itself, or"
        " one in [portal] controller_networks; ask the area office"
    )


def _value(
    settings: Mapping[str, str], name: str, otherwise: Mapping[str, str] | None = None
) -> str:
    found = settings[name] if name in settings else (otherwise or {}).get(name, "")
    return found or (NO if name == _ALLOW_HTTP else "")
