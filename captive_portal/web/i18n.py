"""Two languages: message ids are English, Thai comes from the .po files beside this module.

The catalogues are compiled in memory when the application is made, so there is no build
step to forget. Nothing here needs a cookie.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from flask import Flask, Response, current_app, g, request
from flask_babel import Babel, get_babel
from flask_babel import gettext as _gettext

TRANSLATIONS = Path(__file__).parent / "translations"
COOKIE = "lang"
_NAMES = {"th": "ไทย", "en": "English"}


@cache
def load_catalogue(language: str) -> Catalog:
    """Every message of `language`: all .po files of its folder together."""
    merged = Catalog(locale=language)
    for path in sorted((TRANSLATIONS / language / "LC_MESSAGES").glob("*.po")):
        with path.open("rb") as stream:
            one = read_po(stream, locale=language)
        for message in one:
            if message.id:
                merged.add(message.id, message.string, context=message.context)
    return merged


@cache
def _compiled(language: str) -> bytes:
    octets = io.BytesIO()
    write_mo(octets, load_catalogue(language))
    return octets.getvalue()


def init_languages(app: Flask, languages: tuple[str, ...], timezone: str) -> None:
    """Let `app` speak `languages`; the first is for visitors who asked for none."""
    app.config["LANGUAGES"] = languages
    babel = Babel(
        app,
        default_locale=languages[0],
        default_timezone=timezone,
        locale_selector=current_language,
    )
    with app.app_context():
        domain = get_babel().instance.domain_instance
    for language in languages:
        domain.cache[str(Locale.parse(language)), "messages"] = Translations(
            io.BytesIO(_compiled(language))
        )
    app.extensions["yuenyan_babel"] = babel
    app.after_request(_remember)
    app.context_processor(
        lambda: {"language": current_language(), "language_names": _NAMES, "languages": languages}
    )


def gettext(text: str, **values: object) -> str:
    """`text` in the language of this request, with `values` filled in."""
    translated: str = _gettext(text, **values)
    return translated


def current_language() -> str:
    """The language of this request: asked for in the page, then remembered, then preferred."""
    chosen: str | None = g.get("language")
    if chosen is None:
        chosen = _choose()
        g.language = chosen
    return chosen


def prefer_language(language: str) -> None:
    """Use `language` for the rest of this request unless the page asked for another."""
    if "lang" not in request.args and language in _languages():
        g.language = language


def _choose() -> str:
    languages = _languages()
    for asked in (request.args.get("lang"), request.cookies.get(COOKIE)):
        if asked in languages:
            return asked
    best = request.accept_languages.best_match(languages)
    return best or languages[0]


def _languages() -> tuple[str, ...]:
    languages: tuple[str, ...] = current_app.config["LANGUAGES"]
    return languages


def _remember(response: Response) -> Response:
    """Keep the language somebody chose; a phone that drops the cookie still has the link."""
    if request.args.get("lang") in _languages():
        response.set_cookie(COOKIE, request.args["lang"], samesite="Lax", httponly=True)
    return response
