"""`yuenyan collector`: receive, spool, decode and archive flows until told to stop."""

from __future__ import annotations

from common import logging
from common.config import Config
from traffic.collectors.collecting import run_collector


def run(config: Config) -> int:
    """Run until SIGTERM; the exit code."""
    logging.configure("collector")
    return run_collector(config)
