"""How long libpq waits for a PostgreSQL that does not answer."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import make_url

_PATIENCE = {
    "connect_timeout": 3,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
}
"""Seconds, but tcp_user_timeout, which is milliseconds."""


def connection_options(url: str) -> dict[str, Any]:
    """What libpq is told so that a PostgreSQL whose machine is gone is noticed in seconds.

    Left alone it waits two minutes for a connection and a quarter of an hour for an answer.
    What `url` itself says comes first.
    """
    chosen = make_url(url).query
    return {name: value for name, value in _PATIENCE.items() if name not in chosen}
