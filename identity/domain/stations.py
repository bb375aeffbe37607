"""How equipment spells a MAC address when it asks for a device by it (MAC authentication).

Every make has its own way, and many let the officer choose. All of them mean the device.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class StationWords:
    """What one NAS says beside the address when it asks for a device.

    `suffix` follows the address in User-Name (CoovaChilli's macsuffix). `passwords` are good
    besides the address itself and none at all: what the officer has set on the equipment
    (MikroTik's mac-auth-password, CoovaChilli's macpasswd), or its shared secret.
    """

    suffix: str = ""
    passwords: tuple[str, ...] = field(default=(), repr=False)

    def without_suffix(self, user_name: str) -> str:
        """The user name as the address alone, when it ends as it should."""
        return user_name.removesuffix(self.suffix) if self.suffix else user_name


NO_WORDS = StationWords()


@lru_cache(maxsize=4096)
def spellings(mac: str) -> tuple[str, ...]:
    """Every way to write twelve hex digits that equipment is known to use as a password."""
    return tuple(dict.fromkeys(_spellings(mac)))


def _spellings(mac: str) -> Iterator[str]:
    for digits in (mac, mac.upper()):
        yield digits
        octets = [digits[at : at + 2] for at in range(0, 12, 2)]
        for mark in (":", "-", "."):
            yield mark.join(octets)
        fours = [digits[at : at + 4] for at in range(0, 12, 4)]
        for mark in (".", "-", ":"):
            yield mark.join(fours)
        for mark in ("-", ":", "."):
            yield f"{digits[:6]}{mark}{digits[6:]}"
