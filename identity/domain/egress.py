"""VLANs that leave a port beside the one it is in: for access points, telephones, trunks."""

from __future__ import annotations

from typing import NamedTuple

from common.errors import UsageError

MOST = 40
"""Each takes six octets of a reply."""


class EgressVlan(NamedTuple):
    """One VLAN and whether its frames carry a tag."""

    vlan: int
    tagged: bool


def parse_egress(text: str) -> tuple[EgressVlan, ...]:
    """The VLANs in a text such as `20, 30, untagged 40`; each is tagged unless it says so.

    Raises:
        UsageError: not a list of VLAN numbers.
    """
    found = []
    for part in text.replace(";", ",").split(","):
        word, _, rest = part.strip().rpartition(" ")
        number = rest.strip()
        if word.strip() not in ("", "tagged", "untagged") or not (
            number.isascii() and number.isdigit() and 1 <= int(number) <= 4094
        ):
            raise UsageError(
                f"{part.strip()!r} is no VLAN; write them like: 20, 30, untagged 40 (1..4094)"
            )
        found.append(EgressVlan(int(number), word.strip() != "untagged"))
    if len(found) > MOST:
        raise UsageError(f"a port has at most {MOST} more VLANs here")
    return tuple(found)
