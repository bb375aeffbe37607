"""What of an answer its reader may see: names or pseudonyms, one school or all of them.

An answer is made whole and cut here, at one place, before it is recorded and leaves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import NetworkSession
from identity.services.reach import EVERYWHERE, Reach
from traffic.lookup.pseudonyms import hide_names

_KEYS_A_QUERY = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Who looks, and how much of it is theirs."""

    names: bool = True
    """False: pseudonyms, stable within one case."""
    reach: Reach = EVERYWHERE
    pseudonym_key: bytes = field(default=b"", repr=False)
    is_reveal: bool = False
    """It unlocks what was seen under pseudonyms before, and is recorded as that."""
    noted: Mapping[str, str | int | bool | None] = field(default_factory=dict)
    """More for the record of the reading: the operating system's user, the approval."""


UNLOCKED = View()


def cut(
    session: Session, view: View, case: str, candidates: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], int]:
    """(the candidates as `view` shows them, how many belong to somebody else's school)."""
    visible = within_reach(session, view.reach, [one["session_id"] for one in candidates])
    kept = [one for one in candidates if visible is None or one["session_id"] in visible]
    if not view.names:
        kept = [hide_names(one, view.pseudonym_key, case) for one in kept]
    return kept, len(candidates) - len(kept)


def within_reach(
    session: Session, reach: Reach, keys: Sequence[str | None]
) -> frozenset[str] | None:
    """Those of these sessions that are the reader's to see; None: all of them."""
    if reach.is_whole:
        return None
    wanted = sorted({key for key in keys if key is not None})
    found: set[str] = set()
    for start in range(0, len(wanted), _KEYS_A_QUERY):
        some = wanted[start : start + _KEYS_A_QUERY]
        query = select(NetworkSession.session_key).where(
            NetworkSession.session_key.in_(some), reach.sessions()
        )
        found.update(session.scalars(query))
    return frozenset(found)


def cut_gaps(view: View, gaps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Gaps without the addresses of equipment that may be another school's."""
    if view.reach.is_whole:
        return list(gaps)
    return [{**gap, "source": ""} for gap in gaps]
