"""Names for people whose names are not to be seen: the same in one case, another in the next.

Pure but for reading the key. A pseudonym is made of account, case and a key outside the
database: who compares two cases learns nothing, who reads on in one case recognises the person.
A MAC address is cut to its maker; a session's key and its records stay, because they name nobody
by themselves.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.secret import read_secret_file

_LETTERS = "กขคงจฉชซฌญดตถทธนบปผฝพฟภมยรลวศสหอ"
_HIDDEN = ("account", "full_name", "user_name")


def site_key(keys_dir: Path) -> bytes:
    """The key of this site's pseudonyms, derived from the one that is outside the database.

    Raises:
        ConfigError: `yuenyan init` has not made it.
    """
    secret = read_secret_file(keys_dir / "vault.key").reveal().strip()
    return hashlib.sha256(b"yuenyan pseudonym" + secret).digest()


def pseudonym(key: bytes, case: str, subject: str) -> str:
    """`บุคคล ก-7F3A2C` for one subject in one case."""
    octets = hmac.new(key, f"{case}\0{subject}".encode(), hashlib.sha256).digest()
    letter = _LETTERS[octets[0] % len(_LETTERS)]
    return f"บุคคล {letter}-{octets[1:4].hex().upper()}"


def hide_names(candidate: Mapping[str, Any], key: bytes, case: str) -> dict[str, Any]:
    """A candidate of an answer under a pseudonym; without any session it has no name to hide."""
    shown = {**candidate, **dict.fromkeys(_HIDDEN), "full_name": "", "pseudonym": None}
    subject = _subject(candidate)
    if subject is not None:
        shown["pseudonym"] = pseudonym(key, case, subject)
    mac = candidate.get("mac")
    if isinstance(mac, str):
        shown["mac"] = f"{mac[:8]}:··:··:··" if mac.count(":") == 5 else "···"
    return shown


def _subject(candidate: Mapping[str, Any]) -> str | None:
    """Who it is: by the rule that makes two candidates one answer (attribution)."""
    if candidate.get("account"):
        return f"account:{candidate['account']}"
    if candidate.get("session_id") is None:
        return None
    if candidate.get("mac"):
        return f"user:{candidate.get('user_name')}:{candidate['mac']}"
    return f"session:{candidate['session_id']}"
