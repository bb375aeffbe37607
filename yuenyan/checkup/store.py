"""`yuenyan doctor`: is the object store's copy of the archive complete?"""

from __future__ import annotations

from collections.abc import Iterator

from common.clock import unix_milliseconds
from common.config import Config
from common.errors import NetAccessError
from traffic.archive.elsewhere import read_place
from traffic.archive.status import time_text
from traffic.keeping.storing import Storer
from yuenyan.checkup.finding import Finding, error, ok, warn

LATE_MS = 25 * 3_600_000
"""A night without the store is borne; after it one disk holds what nothing else holds."""

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
        state, waiting = storer.state(), storer.waiting()
    except NetAccessError as problem:
        yield error("store", str(problem), "run: yuenyan archive verify")
        return
    late = state.at_ms > 0 and now_ms - state.at_ms > LATE_MS
    complete = time_text(state.at_ms or None, config.site.timezone) or "never"
    if state.error:
        told = f"{waiting} entries are not copied, complete last at {complete}: {state.error}"
        yield error("store", told, _LOOK) if late else warn("store", told, _LOOK)
    elif waiting and (late or not state.at_ms):
        told = f"{waiting} entries are not copied, complete last at {complete}"
        todo = "see that the housekeeper runs, or: yuenyan archive store push"
        yield error("store", told, todo) if late else warn("store", told, todo)
    else:
        yield ok("store", f"{state.seq} entries copied, complete last at {complete}")
