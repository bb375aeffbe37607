"""Refuses what no page can use, before any page sees it.

PostgreSQL stores no NUL and its integers end; a browser sends neither, so whoever does gets
the page for a mistyped address and never an error of ours.
"""

from __future__ import annotations

from collections.abc import Iterable

from flask import Flask, abort, request
from werkzeug.datastructures import MultiDict

LARGEST_NUMBER = 2**31 - 1
"""Of an INTEGER column."""


def init_input_checks(app: Flask) -> None:
    """Check every request of `app`; call it before anything else looks at the request."""
    app.before_request(_check)


def _check() -> None:
    if any("\0" in text for text in _texts()):
        abort(400)
    for value in (request.view_args or {}).values():
        if isinstance(value, int) and value > LARGEST_NUMBER:
            abort(404)


def _texts() -> Iterable[str]:
    yield request.path
    yield from _of(request.args)
    if request.endpoint is not None:
        yield from _of(request.form)


def _of(fields: MultiDict[str, str]) -> Iterable[str]:
    for name, value in fields.items(multi=True):
        yield name
        yield value
