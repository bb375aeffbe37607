"""The flows of one inside address, answered before most programs have loaded.

The same answer as traffic.lookup.flows gives, from the same rules (gaps, widening, the record of
the reading), for the plain case: an IPv4 address, an SQLite site, segments that say where their
pages are. Whatever is not plain is left to it: nothing was done then. Loads no library that it
can do without, and must stay so.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from common import plain_json
from common.clock import utc_now
from common.local_time import LocalTime
from traffic.archive import direct, zstd
from traffic.archive.glance import Glance, NotAtAGlance
from traffic.clock.bound import Reading, error_us
from traffic.lookup import missing
from traffic.lookup.flow_lines import NoEnds, flow_lines
from traffic.lookup.flows_answer import flows_answer, reading_detail
from traffic.lookup.spans import CLOCK_ERROR_MS, Window
from traffic.lookup.sqlite import SqliteStore, record_reading
from traffic.moments import to_milliseconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from common.config_known import Known

_MILLISECOND = timedelta(milliseconds=1)

_KEPT_BY_ALL_DAYS = 90
"""The floor of retention (common.config, which takes long to load): no purge took anything younger,
whatever the retention was then."""


class NotPlain(Exception):  # noqa: N818 - nothing is wrong
    """The question is for traffic.lookup.flows."""


class PlainQuestion:
    """An address and a period, in the forms that need no reading."""

    def __init__(
        self,
        address: str,
        from_text: str,
        to_text: str,
        case: str,
        reason: str,
        limit: int,
        offset: int,
    ) -> None:
        """Read it.

        Raises:
            NotPlain: a part is written otherwise, missing or wrong.
        """
        self.address, self.limit, self.offset = address, limit, offset
        self.four = _four(address)
        self.window = Window(_moment(from_text), _moment(to_text))
        self.case, self.reason = case.strip(), reason.strip()
        if not (self.case and self.reason) or self.window.from_at > self.window.to_at:
            raise NotPlain


def answer_at_once(
    known: Known,
    question: PlainQuestion,
    actor: str,
    noted: Mapping[str, str | int | bool | None],
    *,
    is_last: bool = False,
) -> Sequence[bytes]:
    """The answer as one JSON document in pieces, when the reading is on record.

    Args:
        is_last: the process will print it and end, by `os._exit`.

    Raises:
        NotPlain: nothing was read for anybody, and nothing recorded.
        NetAccessError, OSError: likewise, and what went wrong is better told by
            traffic.lookup.flows.
    """
    started = time.monotonic()
    now = utc_now()
    library = zstd.library()
    if library is None or known.second_person:
        raise NotPlain
    if not any(_holds(prefix, question.four) for prefix in known.inside):
        raise NotPlain
    archive = f"{known.data_dir}/archive"
    # Before the manifest: what is stored in between is then found in one of the two.
    waiting = missing.waiting_since(f"{known.data_dir}/spool")
    try:
        manifest = Glance(archive)
        try:
            clock_error = _clock_error(manifest, question.window)
            window = question.window.widened(clock_error)
            span = to_milliseconds(window.from_at), to_milliseconds(window.to_at)
            paths = _paths(manifest, known.inside_digest, *span)
            notes = manifest.gaps(span[0], to_milliseconds(window.to_at + missing.EXPORT_DELAY))
        finally:
            manifest.close()
    except NotAtAGlance as error:
        raise NotPlain from error
    if not now - timedelta(days=_KEPT_BY_ALL_DAYS) <= window.from_at <= now:
        raise NotPlain  # something of it may be gone, or has not come yet
    store = SqliteStore(known.database)
    local = LocalTime(known.zone)
    local.begin()
    try:
        gaps = missing.not_running(store, "collector", window, now)
        gaps += missing.recorded(store, window, {"flow"})
        gaps += missing.noted(notes, window, "flow")
        pending = missing.pending_from(waiting, known.segment_seconds, window, now)
        try:
            flows, truncated = direct.find_flows(
                archive, paths, (question.four, 0, 0), *span,
                question.limit, question.offset, library,
            )  # fmt: skip
        except direct.NotPlaced as error:
            raise NotPlain from error
        try:
            lines = flow_lines(flows, local.text)
        except NoEnds as error:
            raise NotPlain from error
        answer = flows_answer(
            address=question.address,
            user=None,
            session=None,
            window=question.window,
            limit=question.limit,
            offset=question.offset,
            addresses=(),
            flows=(),
            truncated=truncated,
            gaps=missing.distinct(gaps),
            pending=pending,
            warnings=(),
            clock_error_ms=-(-clock_error // _MILLISECOND),
            confidentiality=known.named,
            local=local.of,
        )
        tree: dict[str, Any] = {**answer, "flows": lines}
        tree["elapsed_ms"] = round((time.monotonic() - started) * 1000)
        document = plain_json.octets(tree, indent=2)
        detail = reading_detail(
            question.case, question.reason, question.window, len(flows), truncated
        )
        record_reading(store, utc_now(), actor, "flows:read", question.address, {**detail, **noted})
        if is_last:
            store.leave()
        return document
    finally:
        local.end()
        store.close()


def _clock_error(lines: Glance, asked: Window) -> timedelta:
    """What traffic.lookup.clock_error says, by the notes of the lines of clock segments.

    Raises:
        NotPlain: a line from before there were such notes.
    """

    def read(from_ms: int, to_ms: int) -> list[Reading]:
        found = []
        for line in lines.segments("clock", from_ms, to_ms):
            if not line.get("clock"):
                raise NotPlain
            for number, note in enumerate(line["clock"]):
                at_ms = note["at_ms"]
                if from_ms <= at_ms <= to_ms:
                    reading = Reading(at_ms, note["state"], note["offset_us"], note["error_us"])
                    found.append((at_ms, line["path"], number, reading))
        found.sort(key=lambda one: one[:3])
        return [one[3] for one in found]

    span = to_milliseconds(asked.from_at), to_milliseconds(asked.to_at)
    return timedelta(microseconds=CLOCK_ERROR_MS * 1000 + error_us(read, *span))


def _paths(lines: Glance, inside: str, from_ms: int, to_ms: int) -> list[str]:
    """Segments of flows that may hold something of the span.

    Raises:
        NotPlain: the sort key of one does not find every flow of a client.
    """
    found = lines.segments("flow", from_ms, to_ms)
    if any(line["lateral"] or line["inside"] != inside for line in found):
        raise NotPlain
    return [line["path"] for line in found]


def _four(text: str) -> int:
    """An IPv4 address as a number; NotPlain when it is written in any but the one way."""
    parts = text.split(".")
    if len(parts) != 4 or not all(
        part.isascii() and part.isdigit() and len(part) <= 3 and str(int(part)) == part
        and int(part) < 256
        for part in parts
    ):  # fmt: skip
        raise NotPlain
    return int.from_bytes(bytes(map(int, parts)), "big")


def _holds(prefix: str, four: int) -> bool:
    if ":" in prefix:
        return False
    network, _, length = prefix.partition("/")
    return (_four(network) ^ four) >> (32 - int(length)) == 0


def _moment(text: str) -> datetime:
    """A moment written like 2026-11-22T10:05:12+07:00 or …Z; NotPlain for any other way."""
    digits = text[:19].translate({ord("-"): None, ord(":"): None, ord("T"): None})
    rest = text[19:]
    is_plain = (
        len(digits) == 14
        and digits.isascii()
        and digits.isdigit()
        and text[4:5] + text[7:8] + text[10:11] + text[13:14] + text[16:17] == "--T::"
        and "1970" <= text[:4] <= "2200"
        and (rest == "Z" or (len(rest) == 6 and rest[0] in "+-" and rest[1:3] < "15"))
    )
    if not is_plain:
        raise NotPlain
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise NotPlain from error
