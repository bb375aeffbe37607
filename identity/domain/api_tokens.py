"""What a token for programs looks like, and what is kept of it. Pure.

A password hash is slow because people choose from few passwords. Here are 256 random bits:
nobody finds them by trying, so one SHA-256 hides them as well as argon2 would, and an API that is
asked a hundred times a minute cannot spend 27 ms on each. The prefix and the check digits are for
scanners that look for secrets in repositories and logs.
"""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from zlib import crc32

PREFIX = "yuenyan_"
SECRET_OCTETS = 32
LONGEST = timedelta(days=365)
USUAL_DAYS = 90
_FORM = re.compile(r"yuenyan_([0-9a-f]{64})([0-9a-f]{8})")


def spell(secret: bytes) -> str:
    """The token of 32 random octets: prefix, octets and check digits, in letters and digits."""
    assert len(secret) == SECRET_OCTETS
    body = secret.hex()
    return f"{PREFIX}{body}{_check(body)}"


def is_well_formed(text: str) -> bool:
    """Whether somebody meant one of our tokens; what is mistyped or cut short is not."""
    found = _FORM.fullmatch(text)
    return found is not None and found[2] == _check(found[1])


def digest(text: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _check(body: str) -> str:
    return f"{crc32(body.encode('ascii')):08x}"
