"""`yuenyan doctor`: is the object store's copy of the archive complete?"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from common.clock import unix_milliseconds
from common.config import Config
from common.counting import counted
from common.errors import NetAccessError
from traffic.archive.elsewhere import read_place
from traffic.archive.status import time_text
from traffic.keeping.storing import Storer
from yuenyan.checkup.finding import Finding, error, ok, warn
from yuenyan.checkup.rights import is_denied

LATE_MS = 25 * 3_600_000
"""A night without the store is borne; after it one disk holds what nothing else holds."""

UNREAD_MS = 30 * 86_400_000
"""What was altered in the store must be noticed while other copies of it may still exist."""

_LOOK = "find out why, then: yuenyan archive store push"


def check_store(config: Config) -> Iterator[Finding]:
    """How far the copy is, and why it is not further. The store itself is not asked."""
    archive, now_ms = config.data_dir / "archive", unix_milliseconds()
    try:
        if not config.store.url:
            if read_place(archive) is not None:
                yield error(
                    "store",
                    "segments of this archive are in an object store, but [store] names none",
                    "set [store] url again; before you give it up: yuenyan archive store fetch",
                )
            return
        storer = Storer(config)
        state, waiting, checked_ms = storer.state(), storer.waiting(), storer.checked_ms()
    except NetAccessError as problem:
        if is_denied(problem):
            raise
        yield error("store", str(problem), "run: yuenyan archive verify")
        return
    yield from _check_endpoint(config.store.endpoint)
    if state.wrong:
        first = state.wrong[min(state.wrong)]
        yield error(
            "store",
            counted(
                len(state.wrong),
                "segment is not in the store as it should be",
                "segments are not in the store as they should be",
            )
            + f"; the first: {first}",
            "bring the true file back from a back-up, or take the altered object away, then: "
            "yuenyan archive store push --all",
        )
    since_ms = max(checked_ms, state.since_ms)
    if since_ms and now_ms - since_ms > UNREAD_MS:
        checked = time_text(checked_ms or None, config.site.timezone) or "never"
        yield warn(
            "store",
            f"whether objects were altered was looked at last: {checked}",
            "run once a month: yuenyan archive store check --contents",
        )
    late = state.at_ms > 0 and now_ms - state.at_ms > LATE_MS
    complete = time_text(state.at_ms or None, config.site.timezone) or "never"
    behind = (
        f"{counted(waiting, 'entry is', 'entries are')} not copied, complete last at {complete}"
    )
    if state.error:
        told = f"{behind}: {state.error}"
        yield error("store", told, _LOOK) if late else warn("store", told, _LOOK)
    elif waiting and (late or not state.at_ms):
        todo = "see that the housekeeper runs, or: yuenyan archive store push"
        yield error("store", behind, todo) if late else warn("store", behind, todo)
    else:
        yield ok(
            "store", f"{counted(state.seq, 'entry', 'entries')} copied, complete last at {complete}"
        )


def _check_endpoint(endpoint: str) -> Iterator[Finding]:
    parts = urlsplit(endpoint)
    if parts.scheme == "http" and not _is_this_machine(parts.hostname or ""):
        yield warn(
            "store",
            f"{endpoint} is not encrypted: whoever is on the way reads all traffic data",
            "set [store] endpoint to https:// (and [store] ca, if the office issued it)",
        )


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
