"""Error pages in the visitor's language that say what to do next.

The template gets `status`, `title` and `advice`; nothing of the error itself is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flask import Flask, Response, g, jsonify, make_response, render_template, request
from sqlalchemy.exc import IntegrityError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from captive_portal.web.i18n import gettext
from common.errors import BackendUnavailable
from common.logging import get_logger

RETRY_SECONDS = 30


def init_error_pages(
    app: Flask,
    template: str,
    typed_in: Callable[[HTTPException], Sequence[str]] | None = None,
    away_words: Callable[[BackendUnavailable], tuple[str, str] | None] | None = None,
) -> None:
    """Answer every error of `app` with `template`.

    Args:
        typed_in: the texts of a form that came back too late, which the page gives back (`typed`).
        away_words: title and advice for a back end other than the database.
    """
    log = get_logger("captive_portal.web.errors")

    def page(status: int, title: str, advice: str, typed: Sequence[str] = ()) -> Response:
        if g.get("answers_in_json", False):  # a program asks
            return make_response(jsonify(error=_for_programs(status)), status)
        text = render_template(template, status=status, title=title, advice=advice, typed=typed)
        return make_response(text, status)

    def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        if status < 400:
            return make_response(error.get_response())
        typed = typed_in(error) if typed_in is not None else ()
        response = page(status, *(_too_late() if typed else _words(status)), typed)
        if isinstance(error, MethodNotAllowed) and g.get("answers_in_json", False):
            known = sorted(set(error.valid_methods or ()) - {"HEAD", "OPTIONS"})
            response = make_response(jsonify(error=f"send a {' or '.join(known)}"), status)
        if isinstance(error.get_headers(), list):
            for name, value in error.get_headers():
                if name.lower() in {"allow", "retry-after"}:
                    response.headers[name] = value
        return response

    def unavailable(error: BackendUnavailable) -> Response:
        log.error("backend_unavailable", backend=error.backend, path=request.path)
        words = away_words(error) if away_words is not None else None
        response = page(503, *(words or _words(503)))
        response.headers["Retry-After"] = str(RETRY_SECONDS)
        return response

    def contradicted(error: IntegrityError) -> Response:
        # The check before it saw nothing yet: two people did the same thing at one moment.
        log.warning("request_contradicted", path=request.path, detail=type(error.orig).__name__)
        return page(409, *_words(409))

    def unexpected(error: Exception) -> Response:
        log.error("request_failed", path=request.path, exc_info=error)
        return page(500, *_words(500))

    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(BackendUnavailable, unavailable)
    app.register_error_handler(IntegrityError, contradicted)
    app.register_error_handler(Exception, unexpected)


def _for_programs(status: int) -> str:
    """In English whatever the visitor's language: it is read by programs and who writes them."""
    known = {
        400: "this cannot be read; with a session's cookie its form token is missing: GET"
        " /api/session has it, send it as X-CSRFToken",
        403: "not within what this token or account may do",
        404: "there is no such path; GET /api/openapi.json has them all",
        409: "somebody did the same thing at this moment; look whether it is done",
        413: "too much was sent",
        429: "too many requests; wait a few minutes",
        503: "the database does not answer; try again in a minute",
    }
    return known.get(status, "something went wrong at the server; its journal has more")


def _too_late() -> tuple[str, str]:
    return (
        gettext("This page was open too long"),
        gettext("Nothing was changed. Copy what you typed from below, then start again."),
    )


def _words(status: int) -> tuple[str, str]:
    known = {
        400: (
            gettext("This page cannot be used any more"),
            gettext("Please start again from the first page."),
        ),
        403: (gettext("Not allowed"), gettext("You may not open this page.")),
        404: (
            gettext("Page not found"),
            gettext("The address may be mistyped. Please start from the first page."),
        ),
        405: (
            gettext("This page cannot be used any more"),
            gettext("Please start again from the first page."),
        ),
        409: (
            gettext("Somebody did the same thing at this moment"),
            gettext("Please go back, look whether it is done, and try again if it is not."),
        ),
        413: (
            gettext("Too much was sent"),
            gettext("Please shorten what you typed and try again."),
        ),
        429: (
            gettext("Too many attempts"),
            gettext("Please wait a few minutes, then try again."),
        ),
        503: (
            gettext("The system is not ready"),
            gettext("Nothing is wrong with your account. Please try again in a minute."),
        ),
    }
    return known.get(
        status,
        (
            gettext("Something went wrong on our side"),
            gettext("Please try again. If it happens again, tell the person in charge."),
        ),
    )
