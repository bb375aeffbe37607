"""Roles that the configuration names and nobody has made. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from common.config import Config
from common.errors import NetAccessError
from db.engine import Database
from db.models import Role
from yuenyan.checkup.finding import Finding, warn
from yuenyan.lost import has_database


def check_roles(config: Config) -> Iterator[Finding]:
    """The roles that visitors and devices without a login get are there."""
    yield from unknown_roles(config, "portal.registration_role", (config.portal.registration_role,))
    yield from unknown_roles(config, "portal.own_device_role", (config.portal.own_device_role,))


def unknown_roles(config: Config, key: str, names: Sequence[str]) -> Iterator[Finding]:
    """A warning for each of `names`, which `key` holds, that is no role."""
    known = known_roles(config) if names else None
    if known is None:
        return
    for name in names:
        if name not in known:
            yield warn(
                key,
                f"there is no role {name}, so it works for nobody",
                f"choose one of: {', '.join(sorted(known))}; or run: yuenyan role set {name}",
            )


def known_roles(config: Config) -> frozenset[str] | None:
    """None when the database cannot tell; another check says why."""
    if not has_database(config):
        return None
    database = Database(config.database_url)
    try:
        with database.read() as session:
            return frozenset(session.scalars(select(Role.name)))
    except (NetAccessError, SQLAlchemyError):
        return None
    finally:
        database.dispose()
