"""The answer of a look-up as the page shows it; the looking-up is traffic.lookup's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from captive_portal.admin.desk import client_address, office, officer
from traffic.lookup.asking import NAMED, Asked, run_asked
from traffic.lookup.pseudonyms import site_key
from traffic.lookup.service import NOT_A_PERSON
from traffic.lookup.views import View

_MOMENTS = frozenset({"from", "to", "first", "last", "start", "end", "last_heard_at"})
_SAID_APART = frozenset({"interpretation", "warnings"})


def ask(asked: Asked) -> dict[str, Any]:
    """Look up under pseudonyms, and be recorded doing so.

    Raises:
        ArchiveError: a segment that is needed cannot be read.
        BackendUnavailable: the database does not answer.
    """
    assert asked.kind not in NAMED
    view = View(
        names=False,
        reach=officer().reach,
        pseudonym_key=site_key(office().config.keys_dir),
        noted={"address": client_address(), **officer().noted},
    )
    return run_asked(asked, office().database, office().config, officer().username, view)


def reveal(asked: Asked, request_id: int, approved_by: str | None) -> dict[str, Any]:
    """Look up with names: an act of its own in the record.

    Raises:
        NotFound: there is nobody and nothing of that name in the officer's reach.
        ArchiveError: a segment that is needed cannot be read.
        BackendUnavailable: the database does not answer.
    """
    view = View(
        reach=officer().reach,
        is_reveal=True,
        noted={
            "approval": request_id,
            "approved_by": approved_by,
            "address": client_address(),
            **officer().noted,
        },
    )
    return run_asked(asked, office().database, office().config, officer().username, view)


def readable(answer: Mapping[str, Any]) -> dict[str, Any]:
    """With moments read, and without the warning that every answer carries as a sentence."""
    shown = _with_moments(answer)
    never_shown = {NOT_A_PERSON, answer.get("sentences", {}).get("en")}
    shown["warnings"] = [text for text in answer.get("warnings", ()) if text not in never_shown]
    pending = answer.get("pending_until")
    shown["pending_until"] = datetime.fromisoformat(pending) if pending else None
    return shown


def _with_moments(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _read(key, value) for key, value in tree.items()}


def _read(key: str, value: Any) -> Any:
    if key in _SAID_APART:
        return value
    if key in _MOMENTS and isinstance(value, str):
        return datetime.fromisoformat(value)
    if isinstance(value, Mapping):
        return _with_moments(value)
    if isinstance(value, list):
        return [_with_moments(one) if isinstance(one, Mapping) else one for one in value]
    return value
