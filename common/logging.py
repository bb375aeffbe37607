"""Structured logs: one constant event name, keyword fields, one line an event on stderr.

JSON when stderr is not a terminal, coloured key=value when it is.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import structlog

from common.printable import printable


def _escape_control(_: Any, __: str, event: Any) -> Any:
    for key, value in event.items():
        if isinstance(value, str) and key != "exception":
            event[key] = printable(value)
    return event


def configure(process: str, level: str = "info", stream: TextIO | None = None) -> None:
    """Send every log line of this process to `stream` (stderr), marked with `process`."""
    target = stream or sys.stderr
    renderer: Any = (
        structlog.dev.ConsoleRenderer()
        if target.isatty()
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _escape_control,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(process=process)
    logging.basicConfig(stream=target, level=logging.WARNING, format="%(name)s: %(message)s")


def get_logger(name: str) -> Any:
    """A bound logger that carries the module name."""
    return structlog.get_logger(module=name)
