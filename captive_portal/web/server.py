"""Run a WSGI application under gunicorn until SIGTERM. Both portals and the gateway use it.

The application is made in each worker after the fork, so no database connection crosses it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gunicorn.app.base import BaseApplication

from captive_portal.web.worker import DeadlineWorker

GRACEFUL_SECONDS = 20
"""What requests in progress get after SIGTERM; argon2 and a slow phone need a few."""

Application = Callable[..., Iterable[bytes]]


class _Application(BaseApplication):  # type: ignore[misc]
    def __init__(self, factory: Callable[[], Application], options: dict[str, Any]) -> None:
        self._factory = factory
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Application:
        return self._factory()


def serve(
    app_factory: Callable[[], Application],
    listen: str | Sequence[str],
    workers: int,
    threads: int,
    name: str,
    on_exit: Callable[[], object] = lambda: None,
    keepalive: int = 5,
    worker_class: type[DeadlineWorker] = DeadlineWorker,
) -> int:
    """Serve on `listen` (host:port, or several) until SIGTERM or SIGINT; the exit code.

    Args:
        on_exit: called in each worker when it has answered its last request.
        keepalive: seconds for a next request on the same connection; 0 closes it.
    """
    options = {
        "bind": [listen] if isinstance(listen, str) else list(listen),
        "workers": workers,
        "worker_class": worker_class,
        "threads": threads,
        "graceful_timeout": GRACEFUL_SECONDS,
        "timeout": 60,
        "keepalive": keepalive,
        "proc_name": f"yuenyan-{name}",
        "accesslog": None,
        "loglevel": "warning",
        "worker_tmp_dir": None,
        "control_socket_disable": True,
        # Forwarded headers are judged by client_address alone.
        "forwarded_allow_ips": "",
        "secure_scheme_headers": {},
        "limit_request_line": 8190,
        "worker_exit": lambda _server, _worker: on_exit(),
    }
    master = os.getpid()
    try:
        _Application(app_factory, options).run()
    except SystemExit as ended:
        if os.getpid() != master:
            # A worker is a fork of this very call; what follows it is the master's to do.
            raise
        return ended.code if isinstance(ended.code, int) else 1
    return 0
