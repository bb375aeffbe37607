"""Why a message did not go, in words; every note here was made as the sender makes it."""

from __future__ import annotations

import pytest
from flask import Flask

from captive_portal.admin.message_words import describe_failure
from common.errors import BackendUnavailable

HOST = "mail.school.ac.th"
MAIL = f"mail server {HOST}"


@pytest.mark.parametrize(
    ("noted", "thai"),
    [
        (
            str(BackendUnavailable(MAIL, "[Errno 111] Connection refused")),
            f"เชื่อมต่อเซิร์ฟเวอร์อีเมล {HOST} ไม่ได้",
        ),
        (str(BackendUnavailable(MAIL, "timed out")), "ไม่ตอบภายในเวลาที่กำหนด"),
        (
            str(BackendUnavailable(MAIL, "[Errno -2] Name or service not known")),
            f"ไม่พบชื่อเซิร์ฟเวอร์อีเมล {HOST} ใน DNS",
        ),
        (str(BackendUnavailable(MAIL, "asks to wait: 451 greylisted")), "ขอให้รอ: 451 greylisted"),
        (str(BackendUnavailable(MAIL, "strange 100%")), "ไม่ได้: strange 100%"),
        (f"{MAIL} does not take letters for this mailbox: 550 no such user", "550 no such user"),
        (str(BackendUnavailable("sms gateway sms.example", "answered 500")), "ผู้ให้บริการ SMS"),
    ],
)
def test_what_the_sender_noted_is_read_in_thai(app: Flask, noted: str, thai: str) -> None:
    with app.test_request_context("/?lang=th"):
        told = describe_failure(noted)
    assert thai in told
    assert "is unavailable" not in told and "does not take" not in told and "Errno" not in told


def test_what_nobody_knows_is_shown_as_it_was_noted(app: Flask) -> None:
    with app.test_request_context("/?lang=th"):
        assert describe_failure("OverflowError") == "OverflowError"
