"""The admin process: the admin portal under gunicorn, on its own listener."""

from __future__ import annotations

from flask import Flask

from captive_portal.admin.app import create_app
from captive_portal.web.server import serve
from common.config import Config
from db.engine import Database
from identity.office import Office


def run(config: Config) -> int:
    """Serve until SIGTERM; the exit code of the process.

    Raises:
        ConfigError: `yuenyan init` has not been run.
    """
    check = Database(config.database_url)
    try:
        check.require_schema()
        # Made once here so that a missing key is one clear sentence, not a dying worker.
        create_app(Office.open(config, check))
    finally:
        check.dispose()

    def make() -> Flask:
        return create_app(Office.open(config))

    admin = config.admin
    return serve(make, admin.listen, admin.workers, admin.threads, "admin")
