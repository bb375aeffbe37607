"""Hands a letter to the server of [mail]: encrypted where the section says so, once, and no more.

Knows nothing of what a letter is about, and tries nothing twice.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from email.message import EmailMessage

from common.config_mail import TLS_PORT, Mail
from common.errors import BackendUnavailable, ConfigError, Refused
from common.secret import read_secret_file

TIMEOUT_SECONDS = 20.0
"""For each answer of the server."""


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
    name = f"mail server {mail.host}"
    try:
        context = ssl.create_default_context(cafile=mail.ca)
    except OSError as error:
        raise ConfigError(f"cannot read {mail.ca}: {error}", "mail.ca") from error
    try:
        server = _connect(mail, context)
        try:
            if mail.start_tls and mail.port != TLS_PORT:
                server.starttls(context=context)
            if mail.user and mail.password_file is not None:
                password = read_secret_file(mail.password_file, "put the password there")
                server.login(mail.user, password.reveal().decode().strip())
            server.send_message(letter, to_addrs=[recipient])
        finally:
            # A farewell that goes wrong must not have a letter sent again that was taken.
            with contextlib.suppress(OSError, smtplib.SMTPException):
                server.quit()
    except smtplib.SMTPRecipientsRefused as error:
        code, words = next(iter(error.recipients.values()))
        _give_up(name, code, words, "does not take letters for this mailbox")
    except smtplib.SMTPDataError as error:
        _give_up(name, error.smtp_code, error.smtp_error, "does not take this letter")
    except smtplib.SMTPNotSupportedError as error:
        # Without STARTTLS, AUTH, or SMTPUTF8 for this one mailbox; the first two are set right.
        raise BackendUnavailable(name, str(error)) from error
    except smtplib.SMTPAuthenticationError as error:
        # Its own words may hold user or password.
        raise BackendUnavailable(name, "does not take user and password") from error
    except (OSError, smtplib.SMTPException) as error:
        raise BackendUnavailable(name, str(error) or type(error).__name__) from error


def _connect(mail: Mail, context: ssl.SSLContext) -> smtplib.SMTP:
    if mail.port == TLS_PORT:
        return smtplib.SMTP_SSL(mail.host, mail.port, timeout=TIMEOUT_SECONDS, context=context)
    return smtplib.SMTP(mail.host, mail.port, timeout=TIMEOUT_SECONDS)


def _give_up(name: str, code: int, words: bytes | str, what: str) -> None:
    """RFC 5321 section 4.2.1: 4yz may go well later, 5yz never does."""
    told = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    told = " ".join(told.split())[:200]
    if 500 <= code < 600:
        raise Refused(f"{name} {what}: {code} {told}")
    raise BackendUnavailable(name, f"asks to wait: {code} {told}")
