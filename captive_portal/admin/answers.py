"""The answer of a look-up as the page shows it; the looking-up is traffic.lookup's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from identity.office import Office
from traffic.lookup.question import LookupAnswer
from traffic.lookup.service import NOT_A_PERSON, run_lookup


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Outcome, candidates and gaps of `yuenyan lookup --json`, with moments read."""

    outcome: str
    candidates: Sequence[Mapping[str, Any]]
    gaps: Sequence[Mapping[str, Any]]
    warnings: Sequence[str]
    """What to keep in mind, beyond the sentence that every answer carries."""
    pending_until: datetime | None
    clock_error_seconds: float
    asked_from: datetime | None
    asked_to: datetime | None


def run(office: Office, *, actor: str, **question: Any) -> Answer:
    """Look up, and be recorded doing so.

    Raises:
        UsageError: the question makes no sense.
        ArchiveError: a segment that is needed cannot be read.
        BackendUnavailable: the database does not answer.
    """
    return read_answer(run_lookup(office.database, office.config, question, actor))


def read_answer(found: LookupAnswer) -> Answer:
    """From the JSON form."""
    return Answer(
        outcome=found["outcome"],
        candidates=[_with_moments(candidate) for candidate in found["candidates"]],
        gaps=[_with_moments(gap) for gap in found["gaps"]],
        warnings=[text for text in found["warnings"] if text != NOT_A_PERSON],
        pending_until=_moment(found.get("pending_until")),
        clock_error_seconds=found["clock_error_ms"] / 1000,
        asked_from=_moment(found["asked"]["from"]),
        asked_to=_moment(found["asked"]["to"]),
    )


def _with_moments(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {**tree, "from": _moment(tree["from"]), "to": _moment(tree["to"])}


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
