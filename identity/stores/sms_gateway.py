"""Hands one short message to the HTTP gateway of a telephone company, as [sms] describes it.

The operator's address comes from the configuration alone; no redirection is followed, because
it would lead number, text and key to somebody else.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
from urllib.parse import urlencode, urlsplit

from common.config_registration import Sms
from common.errors import BackendUnavailable, ConfigError, Refused
from common.secret import read_secret_file
from identity.domain.contacts import local_form

_LARGEST_ANSWER = 64 << 10
_PLACE = re.compile(r"\{(number|local|digits|text|secret)\}")


def send_sms(sms: Sms, number: str, text: str) -> None:
    """Return when the gateway says that it has taken the message.

    Raises:
        BackendUnavailable: it does not answer, or not as it should; try again.
        Refused: it says that this number can never be reached.
        ConfigError: the key or the certificates cannot be read.
    """
    parts = urlsplit(sms.url)
    name = f"sms gateway {parts.hostname}"
    values = {
        "number": number,
        "local": local_form(number),
        "digits": number.removeprefix("+"),
        "text": text,
        "secret": _secret(sms),
    }
    fields = {key: _fill(pattern, values) for key, pattern in sms.fields.items()}
    headers = {key: _fill(pattern, values) for key, pattern in sms.headers.items()}
    path, body = parts.path or "/", None
    query = parts.query
    if sms.method == "GET":
        query = "&".join(filter(None, (query, urlencode(fields))))
    elif sms.format == "json":
        tree = _fill_tree(json.loads(sms.template), values) if sms.template else fields
        body = json.dumps(tree, ensure_ascii=False).encode()
        headers.setdefault("Content-Type", "application/json; charset=utf-8")
    else:
        body = urlencode(fields).encode()
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    try:
        connection = _connection(sms)
        try:
            connection.request(sms.method, f"{path}?{query}" if query else path, body, headers)
            answer = connection.getresponse()
            told = answer.read(_LARGEST_ANSWER).decode("utf-8", "replace")
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        # What an error quotes may be a header, and so the key.
        raise BackendUnavailable(name, type(error).__name__) from error
    if sms.refused_pattern and re.search(sms.refused_pattern, told):
        raise Refused(f"{name} says that this number cannot be reached")
    if answer.status not in sms.success_status:
        raise BackendUnavailable(name, f"answered {answer.status}")
    if sms.success_pattern and not re.search(sms.success_pattern, told):
        raise BackendUnavailable(name, "answered without what success_pattern asks for")


def _fill(pattern: str, values: dict[str, str]) -> str:
    return _PLACE.sub(lambda found: values[found[1]], pattern)


def _fill_tree(tree: object, values: dict[str, str]) -> object:
    """The template with its texts filled in; a text stays one text whatever stands in it."""
    if isinstance(tree, str):
        return _fill(tree, values)
    if isinstance(tree, list):
        return [_fill_tree(part, values) for part in tree]
    if isinstance(tree, dict):
        return {key: _fill_tree(part, values) for key, part in tree.items()}
    return tree


def _secret(sms: Sms) -> str:
    if sms.secret_file is None:
        return ""
    key = read_secret_file(sms.secret_file, "put the key of the sms gateway there")
    return key.reveal().decode("utf-8", "replace").strip()


def _connection(sms: Sms) -> http.client.HTTPConnection:
    parts = urlsplit(sms.url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port, timeout=sms.seconds)
    try:
        context = ssl.create_default_context(cafile=sms.ca)
    except OSError as error:
        raise ConfigError(f"cannot read {sms.ca}: {error}", "sms.ca") from error
    return http.client.HTTPSConnection(host, parts.port, timeout=sms.seconds, context=context)
