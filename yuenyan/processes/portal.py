"""`yuenyan portal`: the public portal under gunicorn, until SIGTERM."""

from __future__ import annotations

from flask import Flask

from captive_portal.public import create_app
from captive_portal.web.server import serve
from common.config import Config
from common.logging import get_logger
from identity.office import Office


def run(config: Config) -> int:
    """Serve the portal on `portal.listen`; the exit code of the process.

    Raises:
        ConfigError: `yuenyan init` has not been run.
        BackendUnavailable: the database does not answer.
    """
    log = get_logger(__name__)
    office = Office.open(config)
    office.database.require_schema()
    office.directories.check()
    create_app(office)
    office.database.dispose()

    def factory() -> Flask:
        return create_app(Office.open(config))

    log.info("portal_started", listen=config.portal.listen)
    settings = config.portal
    code = serve(factory, settings.listen, settings.workers, settings.threads, "portal")
    log.info("portal_stopped")
    return code
