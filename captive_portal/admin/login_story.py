"""One login decision told in words: what happened, step by step, and what to do.

The words are in `login_words` and `words`; the portal and the command line both read this.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel.speaklater import LazyString

from captive_portal.admin import login_words as said
from captive_portal.admin import tls_words
from captive_portal.admin.voucher_words import in_words
from captive_portal.admin.words import ACCOUNT_STATES, METHODS, REASONS, ROLES, word
from common.net import find_mac, format_mac
from identity.services.login_log import LoginView

_LOOKED_FOR = ("unknown_account", "unknown_device", "voucher_unknown")
_PLAIN = ("central:sent_to_portal",)
"""Says no more than its words, and is no fault that somebody would look for by its code."""
_METHOD_LISTS = ("method", "nak")
_DOUBTS = {"tls:error": tls_words.ERRORS, "tls:certificate": tls_words.CERTIFICATES}
_CURES = {"tls:error": tls_words.ERROR_ADVICE, "tls:certificate": tls_words.CERTIFICATE_ADVICE}


@dataclass(frozen=True, slots=True)
class Step:
    """One step in words; `code` is the line of the trace it tells, empty without one."""

    text: str
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A login for people."""

    headline: str
    steps: tuple[Step, ...]
    advice: tuple[str, ...]


def tell(login: LoginView) -> Story:
    """`login` in the language of the moment."""
    reason = word(REASONS, login.reason)
    steps = [Step(_asked(login))]
    steps += [Step(_step(line), "" if line in _PLAIN else line) for line in login.trace]
    if not any(line.startswith("eap:identity=") for line in login.trace):
        named = {"name": login.user_name or "–", "method": word(METHODS, login.method)}
        steps.append(Step(str(said.NAMED) % named))
    steps += [Step(text) for text in _account(login)]
    steps.append(Step(reason))
    return Story(headline=reason, steps=tuple(steps), advice=_advice(login))


def _asked(login: LoginView) -> str:
    if login.nas_client_id is None:
        return str(said.ASKED_BY_PORTAL)
    nas = login.nas or f"#{login.nas_client_id}"
    if login.ssid:
        nas = f"{nas} ({login.ssid})"
    if not login.station:
        return str(said.ASKED_SOMEWHERE) % {"nas": nas}
    mac = find_mac(login.station)
    return str(said.ASKED) % {"nas": nas, "station": format_mac(mac) if mac else login.station}


def _account(login: LoginView) -> list[str]:
    if login.account is None:
        # Where it failed before anybody looked for an account, none is missing.
        looked = login.account_id is None and login.reason in _LOOKED_FOR
        return [str(said.NO_ACCOUNT)] if looked else []
    facts = {
        "account": login.account,
        "full_name": in_words(login.full_name),
        "role": word(ROLES, login.role),
    }
    told = [str(said.ACCOUNT if login.full_name else said.ACCOUNT_ALONE) % facts]
    if login.account_state != "active":
        told.append(str(said.STATE_NOW) % {"state": word(ACCOUNT_STATES, login.account_state)})
    return told


def _step(line: str) -> str:
    """The words for one line of a trace; a line nobody has words for is told as it is."""
    key, value = _split(line)
    stage, _colon, name = key.partition(":")
    if stage == "policy" and name in REASONS:
        return str(REASONS[name])
    if key == "tls:alert":
        told = str(said.ALERT) % {"value": value}
        return f"{told}: {said.ALERTS[value]}" if value in said.ALERTS else told
    if stage == "inner" and name in said.METHOD_NAMES:
        return str(said.INNER) % {"value": value, "method": said.METHOD_NAMES[name]}
    if key not in said.STEPS:
        return line
    if (doubt := _DOUBTS.get(key, {}).get(value)) is not None:
        return f"{_filled(said.STEPS[key], value)}: {doubt}"
    if name in _METHOD_LISTS:
        value = ", ".join(said.METHOD_NAMES.get(part, part) for part in value.split(","))
    return _filled(said.STEPS[key], value)


def _filled(text: LazyString, value: str) -> str:
    words = str(text)
    return words % {"value": value} if "%(value)s" in words else words


def _split(line: str) -> tuple[str, str]:
    key, _equals, value = line.partition("=")
    return key, value


def _advice(login: LoginView) -> tuple[str, ...]:
    if not login.was_refused:
        return ()
    for line in login.trace:
        key, value = _split(line)
        if key == "tls:alert" and value in said.ALERT_ADVICE:
            return tuple(str(text) for text in said.ALERT_ADVICE[value])
        if (cure := _CURES.get(key, {}).get(value)) is not None:
            return tuple(str(text) for text in cure)
        if key in said.STEP_ADVICE:
            return tuple(_filled(text, value) for text in said.STEP_ADVICE[key])
    return tuple(str(text) for text in said.ADVICE.get(login.reason, ()))
