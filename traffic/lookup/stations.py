"""Who used this device at this time: a MAC address and a moment (R28)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from common.clock import to_rfc3339, utc_now
from common.config import Config
from common.net import format_mac, is_randomised_mac
from db.engine import Database
from traffic.lookup.attribution import Attribution, Window, attribute
from traffic.lookup.clock_error import find_clock_error, in_milliseconds
from traffic.lookup.coverage import find_gaps, open_reader
from traffic.lookup.question import (
    LookupAnswer,
    read_at,
    read_mac,
    read_tolerance,
    require_purpose,
)
from traffic.lookup.sentences import NOT_A_PERSON, interpretation
from traffic.lookup.service import LOOKED_AT_LEAST, LOOKED_BEYOND, tolerance_tree
from traffic.lookup.stays import Stay, find_stays, of_device
from traffic.lookup.store import DatabaseStore, record_reading
from traffic.lookup.tolerance import edges_of, find_limits
from traffic.lookup.trees import gap_tree, held_tree
from traffic.lookup.views import UNLOCKED, View, cut, cut_gaps

MADE_UP = "The device made this MAC address up; another device can have the same one."


@dataclass(frozen=True, slots=True, kw_only=True)
class StationQuestion:
    """Which sessions did this device have, and whose were they?"""

    mac: str
    """Twelve hex digits."""
    at: datetime
    tolerance: timedelta
    case: str
    reason: str

    def window(self, tolerance: timedelta) -> Window:
        """The asked moment with a tolerance."""
        return Window(self.at - tolerance, self.at + tolerance)


def read_station_question(tree: Mapping[str, Any], zone: str) -> StationQuestion:
    """The question in the keys mac, at, tolerance_seconds, case, reason.

    Raises:
        UsageError: a part is missing or makes no sense.
    """
    case, reason = require_purpose(tree.get("case"), tree.get("reason"))
    return StationQuestion(
        mac=read_mac(str(tree.get("mac") or "")),
        at=read_at(tree.get("at"), zone),
        tolerance=read_tolerance(tree.get("tolerance_seconds")),
        case=case,
        reason=reason,
    )


def run_station_lookup(
    database: Database,
    config: Config,
    question: StationQuestion,
    actor: str,
    view: View = UNLOCKED,
) -> LookupAnswer:
    """Answer as `lookup` does: each session that may have been open is a candidate.

    Raises:
        BackendUnavailable: the database does not answer; there is no answer without a record.
    """
    started = time.monotonic()
    zone = config.site.timezone
    store = DatabaseStore(database)
    reader = open_reader(config)
    asked_for = question.window(question.tolerance)
    clock_error = find_clock_error(config, reader.index, asked_for)
    window = asked_for.widened(clock_error)
    looked_to = max(question.tolerance * LOOKED_BEYOND, LOOKED_AT_LEAST)
    with database.read() as session:
        stays, truncated = find_stays(
            session,
            config,
            of_device(question.mac),
            question.window(looked_to).widened(clock_error),
        )
        gaps = find_gaps(store, reader, window, utc_now(), ["radius"])
        wholes = {stay.whole.session_key: stay for stay in stays}

        def judge(asked: Window) -> Attribution:
            return attribute(
                asked.widened(clock_error),
                own=[stay.whole for stay in stays],
                gaps=gaps,
                margin=clock_error,
                complete=not truncated,
            )

        result = judge(question.window(question.tolerance))
        candidates, withheld = cut(
            session,
            view,
            question.case,
            [
                _candidate(wholes[one.holder.session_key], zone)
                for one in result.candidates
                if one.holder is not None
            ],
        )
    edges = edges_of(question.at, [stay.whole for stay in stays], [], clock_error)
    limits = None if truncated else find_limits(question.at, judge, edges, looked_to)
    answer: LookupAnswer = {
        "outcome": str(result.outcome),
        "asked": {
            "mac": format_mac(question.mac),
            "from": to_rfc3339(question.at - question.tolerance, zone),
            "to": to_rfc3339(question.at + question.tolerance, zone),
        },
        "candidates": candidates,
        "translations": [],
        "gaps": cut_gaps(view, [gap_tree(gap, zone) for gap in result.gaps]),
        "warnings": [
            NOT_A_PERSON["en"],
            *([MADE_UP] if is_randomised_mac(question.mac) else []),
        ],
        "pending_until": None,
        "truncated": truncated,
        "clock_error_ms": in_milliseconds(clock_error),
        "interpretation": interpretation(question.at, zone),
        "tolerance": tolerance_tree(limits),
        "sentences": dict(NOT_A_PERSON),
        "confidentiality": config.lookup.confidentiality[view.names],
        "names": view.names,
        "withheld": withheld,
    }
    record_reading(
        store,
        utc_now(),
        actor,
        "lookup:revealed" if view.is_reveal else "lookup:run",
        format_mac(question.mac),
        {
            "case": question.case,
            "reason": question.reason,
            "window_from": to_rfc3339(question.at - question.tolerance),
            "window_to": to_rfc3339(question.at + question.tolerance),
            "outcome": str(result.outcome),
            "candidates": len(result.candidates),
            "names": view.names,
            "withheld": withheld or None,
            **view.noted,
        },
    )
    answer["elapsed_ms"] = round((time.monotonic() - started) * 1000)
    return answer


def _candidate(stay: Stay, zone: str) -> dict[str, Any]:
    holder = stay.whole
    return {
        "account": holder.account,
        "full_name": holder.full_name,
        "user_name": holder.user_name,
        "session_id": holder.session_key,
        "mac": holder.mac,
        "inside_address": stay.addresses[0].address if stay.addresses else None,
        "inside_port": None,
        "addresses": [{"address": one.address, **held_tree(one, zone)} for one in stay.addresses],
        "nas": holder.nas,
        **held_tree(holder, zone),
        "evidence": [
            *holder.evidence,
            *(f"address_interval:{one.session_key}/{one.address}" for one in stay.addresses),
        ],
    }
