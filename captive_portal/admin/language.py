"""The admin portal's own Thai texts, laid over those both portals share.

`speaking` lends the same words to the command line.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from flask import Flask
from flask_babel import force_locale, get_babel

from captive_portal.web.i18n import init_languages

TRANSLATIONS = Path(__file__).parent / "translations"


def init_language(app: Flask, languages: tuple[str, ...], timezone: str) -> None:
    """Let `app` speak `languages` with the shared texts and its own."""
    init_languages(app, languages, timezone)
    with app.app_context():
        domain = get_babel().instance.domain_instance
    for language in languages:
        for path in sorted((TRANSLATIONS / language / "LC_MESSAGES").glob("*.po")):
            domain.cache[str(Locale.parse(language)), "messages"].merge(_compile(path, language))


@contextmanager
def speaking(language: str, zone: str) -> Iterator[None]:
    """Say the texts of this package in `language` without a request."""
    app = Flask("captive_portal.admin")
    init_language(app, (language,), zone)
    with app.app_context(), force_locale(language):
        yield


def _compile(path: Path, language: str) -> Translations:
    return Translations(io.BytesIO(_compiled(path, path.stat().st_mtime_ns, language)))


@cache
def _compiled(path: Path, _changed_at: int, language: str) -> bytes:
    with path.open("rb") as stream:
        catalogue = read_po(stream, locale=language)
    octets = io.BytesIO()
    write_mo(octets, catalogue)
    return octets.getvalue()
