"""Whether an idle connection to PostgreSQL has been closed at the other end, without asking it.

A server that ends says so, and a connection that the kernel has given up (db.engine: keep-alive)
reports it: both make the socket of a connection that waits for nothing readable. A query to find
out would be one more round trip for every question that is asked.
"""

from __future__ import annotations

import select
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError


def is_quiet(descriptor: int) -> bool:
    """Whether nothing has come on this socket: an idle connection that is still one."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return not poll.poll(0)


def replace_closed_connections(engine: Engine) -> None:
    """Let the pool of `engine` give out no connection that was closed while it lay there."""

    def look(connection: Any, _record: Any, _proxy: Any) -> None:
        if connection.closed or not is_quiet(connection.fileno()):
            # The others were most likely closed by the same event.
            raise InvalidatePoolError

    event.listen(engine, "checkout", look)
