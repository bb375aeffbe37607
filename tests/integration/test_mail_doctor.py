"""What `doctor` says of [mail], with a real server: files, silence, encryption, password."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from common.config import Config
from common.config_mail import Mail
from tests.conftest import free_port
from tests.unit.identity.pki import openssl
from yuenyan.checkup import messages
from yuenyan.checkup.messages import check_mail
from yuenyan.commands.doctor import CHECKS


def found(**settings: object) -> tuple[str, str, str]:
    mail = Mail.model_validate({"host": "localhost", "from": "wifi@school.example", **settings})
    (finding,) = check_mail(Config(mail=mail))
    return finding.level, finding.what, finding.todo


@contextmanager
def server(folder: Path) -> Iterator[tuple[int, Path]]:
    """One with STARTTLS and one password, and its certificate."""
    certificate, key = folder / "server.pem", folder / "server.key"
    openssl.run(
        *("req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"),
        *("-keyout", key, "-out", certificate),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def judge(_server: object, _session: object, _envelope: object, _how: str, given: object):  # type: ignore[no-untyped-def]
        return AuthResult(success=getattr(given, "password", b"") == b"right", handled=False)

    port = free_port()
    taken = Controller(
        object(), hostname="127.0.0.1", port=port,
        tls_context=context, authenticator=judge, require_starttls=True,
    )  # fmt: skip
    taken.start()
    try:
        yield port, certificate
    finally:
        taken.stop()


def secret(folder: Path, value: str) -> Path:
    path = folder / "mail.password"
    path.write_text(value, encoding="utf-8")
    path.chmod(0o600)
    return path


def test_nothing_is_said_where_no_letters_are_sent() -> None:
    assert list(check_mail(Config())) == []
    assert check_mail in CHECKS


def test_a_password_file_that_is_not_there_is_an_error_whatever_the_server_does(
    tmp_path: Path,
) -> None:
    level, what, _ = found(port=free_port(), user="wifi", password_file=tmp_path / "none")
    assert level == "error" and "none" in what and "put the password there" in what


def test_a_server_that_does_not_answer_is_an_error_with_advice() -> None:
    level, what, todo = found(port=free_port())
    assert level == "error" and "mail server localhost is unavailable" in what
    assert "firewall" in todo


def test_a_server_that_hangs_holds_doctor_up_for_seconds_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(messages, "_MAIL_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        level, what, _ = found(port=silent.getsockname()[1])
    assert level == "error" and "timed out" in what


def test_certificate_and_password_are_tried_and_no_letter_is_sent(
    tmp_path: Path,
) -> None:
    with server(tmp_path) as (port, ca):
        password = secret(tmp_path, "right")
        level, what, todo = found(port=port, user="wifi", password_file=password, ca=ca)
        assert (level, todo) == ("ok", "") and "would take letters" in what

        level, what, todo = found(port=port, user="wifi", password_file=password)
        assert level == "error" and "set ca in [mail]" in todo

        password = secret(tmp_path, "wrong word")
        level, what, todo = found(port=port, user="wifi", password_file=password, ca=ca)
        assert level == "error" and "password_file" in todo
        assert "wrong word" not in what + todo
