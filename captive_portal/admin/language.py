"""The admin portal's own Thai texts, laid over those both portals share."""

from __future__ import annotations

import io
from pathlib import Path

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from flask import Flask
from flask_babel import get_babel

from captive_portal.web.i18n import init_languages

TRANSLATIONS = Path(__file__).parent / "translations"


def init_language(app: Flask, languages: tuple[str, ...], timezone: str) -> None:
    """Let `app` speak `languages` with the shared texts and its own."""
    init_languages(app, languages, timezone)
    with app.app_context():
        domain = get_babel().instance.domain_instance
    for language in languages:
        path = TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"
        if path.exists():
            domain.cache[str(Locale.parse(language)), "messages"].merge(_compile(path, language))


def _compile(path: Path, language: str) -> Translations:
    with path.open("rb") as stream:
        catalogue = read_po(stream, locale=language)
    octets = io.BytesIO()
    write_mo(octets, catalogue)
    octets.seek(0)
    return Translations(octets)
