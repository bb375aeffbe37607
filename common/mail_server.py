"""Hands a letter to the server of [mail]: encrypted where the section says so, once, and no more.

Knows nothing of what a letter is about, and tries nothing twice.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from typing import NoReturn

from common.config_mail import TLS_PORT, Mail
from common.errors import BackendUnavailable, ConfigError, Refused
from common.secret import read_secret_text

TIMEOUT_SECONDS = 20.0
"""For each answer of the server."""

_FINE = 250


def send_letter(mail: Mail, letter: EmailMessage, recipient: str) -> None:
    """Return when the server has taken `letter`; it may be on its way or in a spam folder then.

    Args:
        recipient: the one mailbox it goes to, as it is: no header is read for that.

    Raises:
        BackendUnavailable: not now: it does not answer, asks to wait, or takes no password of
            ours; try again.
        Refused: it never takes this letter, because of its receiver or content.
        ConfigError: a file that [mail] names cannot be used.
    """
    name = _name(mail)
    with _signed_in(mail, TIMEOUT_SECONDS) as server:
        try:
            server.send_message(letter, to_addrs=[recipient])
        except smtplib.SMTPRecipientsRefused as error:
            code, words = next(iter(error.recipients.values()))
            _give_up(name, code, words, "does not take letters for this mailbox")
        except smtplib.SMTPDataError as error:
            _give_up(name, error.smtp_code, error.smtp_error, "does not take this letter")


def try_server(mail: Mail, timeout_seconds: float) -> None:
    """Return when the server would take a letter: it answers, encrypts and knows the password.

    Raises:
        BackendUnavailable: it does not.
        ConfigError: a file that [mail] names cannot be used.
    """
    with _signed_in(mail, timeout_seconds) as server:
        code, words = server.noop()
        if code != _FINE:
            _give_up_for_now(_name(mail), code, words)


@contextlib.contextmanager
def _signed_in(mail: Mail, timeout_seconds: float) -> Iterator[smtplib.SMTP]:
    """The server, encrypted and signed in as [mail] says; its errors are ours."""
    name = _name(mail)
    try:
        context = ssl.create_default_context(cafile=mail.ca)
    except OSError as error:
        raise ConfigError(f"cannot read {mail.ca}: {error}", "mail.ca") from error
    # Before anybody is called, so that a file that is not there is told whatever the server does.
    password = (
        read_secret_text(mail.password_file, "put the password there").strip()
        if mail.user and mail.password_file is not None
        else None
    )
    try:
        server = _connect(mail, context, timeout_seconds)
        try:
            if mail.start_tls and mail.port != TLS_PORT:
                server.starttls(context=context)
            if password is not None:
                server.login(mail.user, password)
            yield server
        finally:
            # A farewell that goes wrong must not have a letter sent again that was taken.
            with contextlib.suppress(OSError, smtplib.SMTPException):
                server.quit()
    except smtplib.SMTPNotSupportedError as error:
        # Without STARTTLS, AUTH, or SMTPUTF8 for this one mailbox; the first two are set right.
        raise BackendUnavailable(name, str(error)) from error
    except smtplib.SMTPAuthenticationError as error:
        # Its own words may hold user or password.
        raise BackendUnavailable(name, "does not take user and password") from error
    except (OSError, smtplib.SMTPException) as error:
        raise BackendUnavailable(name, str(error) or type(error).__name__) from error


def _name(mail: Mail) -> str:
    return f"mail server {mail.host}"


def _connect(mail: Mail, context: ssl.SSLContext, timeout_seconds: float) -> smtplib.SMTP:
    if mail.port == TLS_PORT:
        return smtplib.SMTP_SSL(mail.host, mail.port, timeout=timeout_seconds, context=context)
    return smtplib.SMTP(mail.host, mail.port, timeout=timeout_seconds)


def _give_up(name: str, code: int, words: bytes | str, what: str) -> NoReturn:
    """RFC 5321 section 4.2.1: 4yz may go well later, 5yz never does."""
    if 500 <= code < 600:
        raise Refused(f"{name} {what}: {code} {_one_line(words)}")
    _give_up_for_now(name, code, words)


def _give_up_for_now(name: str, code: int, words: bytes | str) -> NoReturn:
    raise BackendUnavailable(name, f"asks to wait: {code} {_one_line(words)}")


def _one_line(words: bytes | str) -> str:
    told = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return " ".join(told.split())[:200]
