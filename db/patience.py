"""How long libpq waits for a PostgreSQL that does not answer."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import make_url

_PATIENCE = {
    "connect_timeout": 3,
    "tcp_user_timeout": 5_000,
    "keepalives_idle": 3,
    "keepalives_interval": 1,
    "keepalives_count": 2,
}
"""Seconds, but tcp_user_timeout, which is milliseconds: for what was sent and not acknowledged.
The others are for a question that arrived, and whose answer does not come because the machine is
gone. A server that is only slow acknowledges both, and is waited for.

Five seconds, because a visitor waits at that page, and because a network that loses packets for so
long has lost the connection for most purposes: it is made anew in milliseconds.
"""


def connection_options(url: str) -> dict[str, Any]:
    """What libpq is told so that a PostgreSQL whose machine is gone is noticed in seconds.

    Left alone it waits two minutes for a connection and a quarter of an hour for an answer.
    What `url` itself says comes first.
    """
    chosen = make_url(url).query
    return {name: value for name, value in _PATIENCE.items() if name not in chosen}
