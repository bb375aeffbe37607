"""Whether an entry that was found has the very name that was asked for.

A directory takes letters for equal that are different ones here: wide and narrow forms, with and
without accents, several spaces and one (RFC 4518; Active Directory more than that). Here a name
is one account, so what is found under another spelling counts as not found.
"""

from __future__ import annotations

import re
import unicodedata

from identity.domain.directory import Entry

_PLACE = "{username}"
_COMPARISON = re.compile(r"\(\s*([A-Za-z0-9.-]+)[^=()]*=([^()]*)\)")
_ESCAPE = re.compile(r"\\([0-9A-Fa-f]{2})")
_OWN = (("uid", _PLACE), ("samaccountname", _PLACE))
"""Also for filters that call them otherwise, such as `userid`."""


class Names:
    """The attributes by which a `user_filter` finds people, and what must stand in them."""

    def __init__(self, user_filter: str) -> None:
        asked = [
            (attribute.lower(), pattern)
            for attribute, pattern in _COMPARISON.findall(user_filter)
            if _PLACE in pattern
        ]
        self.attributes = tuple(attribute for attribute, _ in asked)
        self._patterns = (*asked, *_OWN)

    def has(self, entry: Entry, username: str) -> bool:
        """Whether `entry` has the name `username`, which is in stored form."""
        return any(
            _expression(pattern, username).fullmatch(
                _folded(value.decode("utf-8", "replace").strip())
            )
            for attribute, pattern in self._patterns
            for value in entry.values.get(attribute, ())
        )


def _expression(pattern: str, username: str) -> re.Pattern[str]:
    """What a value must be: `*` in a filter is anything, `\\2a` a letter. RFC 4515 section 3."""
    parts = []
    for part in re.split(r"(\{username\}|\*)", pattern):
        if part == "*":
            parts.append(".*")
        elif part == _PLACE:
            parts.append(re.escape(username))
        else:
            parts.append(re.escape(_folded(_unescaped(part))))
    return re.compile("".join(parts), re.DOTALL)


def _unescaped(text: str) -> str:
    octets = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    try:
        return octets.encode("latin-1").decode()
    except (UnicodeEncodeError, UnicodeDecodeError):
        return octets


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text.casefold())
