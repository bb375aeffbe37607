"""The answer of a look-up as the page shows it; the looking-up is traffic.lookup's."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.errors import BackendUnavailable
from identity.office import Office


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Outcome, candidates and gaps, in the shape of `yuenyan lookup --json`."""

    outcome: str
    candidates: Sequence[Mapping[str, Any]]
    gaps: Sequence[Mapping[str, Any]]
    clock_error_ms: float
    asked_from: datetime | None
    asked_to: datetime | None


def run(office: Office, *, actor: str, **question: Any) -> Answer:
    """Look up, and be recorded doing so.

    Raises:
        UsageError: the question makes no sense.
        BackendUnavailable: this installation has no look-up service.
    """
    try:
        service = importlib.import_module("traffic.lookup.service")
    except ModuleNotFoundError as error:
        raise BackendUnavailable("look-up service") from error
    found: dict[str, Any] = service.run_lookup(office.database, office.config, question, actor)
    return read_answer(found)


def read_answer(found: Mapping[str, Any]) -> Answer:
    """From the JSON form."""
    asked = found["asked"]
    return Answer(
        outcome=found["outcome"],
        candidates=[
            {**candidate, "from": _moment(candidate["from"]), "to": _moment(candidate["to"])}
            for candidate in found["candidates"]
        ],
        gaps=[
            {**gap, "from": _moment(gap.get("from")), "to": _moment(gap.get("to"))}
            for gap in found["gaps"]
        ],
        clock_error_ms=found["clock_error_ms"],
        asked_from=_moment(asked["from"]),
        asked_to=_moment(asked["to"]),
    )


def _moment(value: str | datetime | None) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
