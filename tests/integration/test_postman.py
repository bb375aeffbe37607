"""The postman against a real mail server and a real HTTP gateway for short messages."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from common import config as configuration
from common.config import Config
from common.errors import NotFound, Refused
from common.metrics import Counters
from db.models import Message
from identity.office import Office
from identity.services import message_queue, messages
from tests.conftest import Site, free_port, wait_until
from tests.mail_server import mail_server
from tests.moved_clock import Clock
from yuenyan.processes.postman import Postman

BODY = "รหัสของท่านคือ 123456\nYour code is 123456\n"


def with_section(office: Office, text: str) -> Office:
    """The office with more configuration, and a clock that stands."""
    assert office.config.source is not None
    path = office.config.source.with_name("more.toml")
    path.write_text(office.config.source.read_text() + text, encoding="utf-8")
    made: Config = configuration.load(path)
    return replace(office, config=made, clock=Clock(office.clock()))


def with_mail(office: Office, port: int) -> Office:
    return with_section(
        office,
        f'[mail]\nhost = "127.0.0.1"\nport = {port}\nstart_tls = false\n'
        'from = "wifi@school.example"\n',
    )


def clock_of(office: Office) -> Clock:
    assert isinstance(office.clock, Clock)
    return office.clock


def queue(office: Office, recipient: str = "somying@home.example") -> int:
    with office.database.write() as session:
        message = messages.queue_mail(
            session, office, recipient, "รหัสยืนยัน", BODY, "registration ABCD2345"
        )
        session.flush()
        return message.id


def state_of(office: Office, number: int) -> Message:
    with office.database.read() as session:
        return session.get_one(Message, number)


def test_a_letter_arrives_in_thai_and_its_content_is_let_go_of(office_on: Office) -> None:
    with mail_server() as server:
        office = with_mail(office_on, server.port)
        number = queue(office)
        before = state_of(office, number)
        assert before.content_encrypted is not None
        assert b"123456" not in before.content_encrypted
        assert Postman(office).turn("mail")
        assert not Postman(office).turn("mail")
    letter = server.letters[0]
    assert letter["Subject"] == "รหัสยืนยัน"
    assert letter.get_content().replace("\r\n", "\n") == BODY
    assert letter["To"] == "somying@home.example"
    assert letter["From"] == "Test school <wifi@school.example>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Date"] is not None
    assert str(letter["Message-ID"]).endswith("@school.example>")
    after = state_of(office, number)
    assert (after.state, after.content_encrypted, after.attempts) == ("sent", None, 1)
    assert after.sent_at == office.clock()


def test_a_server_that_puts_off_is_asked_again_after_one_two_and_four_minutes(
    office: Office,
) -> None:
    with mail_server() as server:
        office = with_mail(office, server.port)
        server.answers["somying@home.example"] = ["451 come back later"] * 3
        number, postman = queue(office), Postman(office)
        for minutes in (1, 2, 4):
            assert postman.turn("mail")
            message = state_of(office, number)
            assert message.state == "waiting"
            assert "451 come back later" in (message.last_error or "")
            assert message.next_try_at - office.clock() == timedelta(minutes=minutes)
            assert not postman.turn("mail")
            clock_of(office).now += timedelta(minutes=minutes)
        assert postman.turn("mail")
        assert state_of(office, number).state == "sent"
        assert len(server.letters) == 1


def test_a_mailbox_that_does_not_exist_is_given_up_at_once_and_told_why(office: Office) -> None:
    with mail_server() as server:
        office = with_mail(office, server.port)
        server.answers["somying@home.example"] = ["550 no such user here"]
        number = queue(office)
        counters = Counters()
        assert Postman(office, counters).turn("mail")
        assert counters.get("housekeeper_messages_total", channel="mail", outcome="refused") == 1
        message = state_of(office, number)
        assert message.state == "failed"
        assert "550 no such user here" in (message.last_error or "")
        # The officer has had the mailbox made, and has it tried again.
        with office.database.write() as session:
            message_queue.retry(session, office, number, "head")
        assert Postman(office).turn("mail")
        assert state_of(office, number).state == "sent"
        with office.database.write() as session, pytest.raises(Refused, match="was sent"):
            message_queue.retry(session, office, number, "head")
        with office.database.write() as session, pytest.raises(NotFound):
            message_queue.retry(session, office, 4711, "head")


def test_a_server_that_is_away_loses_nothing_and_what_comes_too_late_is_not_sent(
    office: Office,
) -> None:
    port = free_port()
    office = with_mail(office, port)
    number = queue(office)
    assert Postman(office).turn("mail")
    message = state_of(office, number)
    assert message.state == "waiting" and "unavailable" in (message.last_error or "")
    clock_of(office).now += timedelta(hours=25)
    with mail_server(port) as server:
        assert Postman(office).turn("mail")
        assert server.letters == []
    late = state_of(office, number)
    assert (late.state, late.content_encrypted) == ("late", None)
    with office.database.write() as session, pytest.raises(Refused, match="time"):
        message_queue.retry(session, office, number, "head")


def test_two_postmen_send_a_letter_once(office_on: Office) -> None:
    with mail_server() as server:
        office = with_mail(office_on, server.port)
        numbers = [queue(office, f"m{n}@home.example") for n in range(12)]
        threads = [
            threading.Thread(target=lambda: [Postman(office).turn("mail") for _ in range(12)])
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(server.asked) == sorted(f"m{n}@home.example" for n in range(12))
    assert {state_of(office, number).state for number in numbers} == {"sent"}


def test_a_lease_that_ran_out_is_taken_up_and_the_late_note_of_the_first_is_ignored(
    office: Office,
) -> None:
    office = with_mail(office, 1)
    number = queue(office)
    with office.database.write() as session:
        first = message_queue.claim(session, office, "mail")
        assert first is not None
        assert message_queue.claim(session, office, "mail") is None
    clock_of(office).now += message_queue.LEASE
    with office.database.write() as session:
        second = message_queue.claim(session, office, "mail")
        assert second is not None and second.id == first.id
        message_queue.put_off(session, office.clock(), first, "the first was slow")
        message_queue.finish(session, office.clock(), second)
    assert (state_of(office, number).state, state_of(office, number).last_error) == ("sent", None)


def test_the_postman_sends_by_itself_within_seconds(site: Site, office: Office) -> None:
    with mail_server() as server:
        office = replace(with_mail(office, server.port), clock=office.clock)
        postman = Postman(office)
        postman.start()
        try:
            queue(office)
            wait_until(lambda: server.letters, 5, "no letter within five seconds")
        finally:
            postman.stop()


@dataclass
class Gateway:
    """What an SMS gateway was asked, and what it answers."""

    status: int = 200
    answer: str = '{"status": "OK"}'
    location: str = ""
    asked: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)
    port: int = 0


@contextmanager
def sms_gateway() -> Iterator[Gateway]:
    gateway = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            gateway.asked.append((self.command, self.path, dict(self.headers), body))
            self.send_response(gateway.status)
            if gateway.location:
                self.send_header("Location", gateway.location)
            self.send_header("Content-Length", str(len(gateway.answer)))
            self.end_headers()
            self.wfile.write(gateway.answer.encode())

        do_GET = do_POST  # noqa: N815 - the name http.server calls

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    gateway.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield gateway
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "sms.key"
    path.write_text("key of the operator\n")
    path.chmod(0o600)
    return path


def send_one(office: Office) -> Message:
    with office.database.write() as session:
        message = messages.queue_sms(
            session, office, "๐๘๑-234 5678", 'รหัส "123456"', "registration ABCD2345"
        )
        session.flush()
        number = message.id
    assert Postman(office).turn("sms")
    return state_of(office, number)


SHAPES: list[tuple[str, Callable[[tuple[str, str, dict[str, str], str]], object], object]] = [
    (
        'fields = { to = "{local}", message = "{text}", token = "{secret}" }\n',
        lambda asked: parse_qs(asked[3]),
        {"to": ["0812345678"], "message": ['รหัส "123456"'], "token": ["key of the operator"]},
    ),
    (
        'format = "json"\ntemplate = \'{"messages": [{"to": "{digits}", "body": "{text}"}]}\'\n'
        'headers = { Authorization = "Bearer {secret}" }\n',
        lambda asked: (json.loads(asked[3]), asked[2]["Authorization"]),
        (
            {"messages": [{"to": "66812345678", "body": 'รหัส "123456"'}]},
            "Bearer key of the operator",
        ),
    ),
    (
        'method = "GET"\n',
        lambda asked: parse_qs(asked[1].partition("?")[2]),
        {"to": ["+66812345678"], "text": ['รหัส "123456"'], "from": ["school"]},
    ),
]


@pytest.mark.parametrize(("section", "read", "expected"), SHAPES, ids=["form", "json", "query"])
def test_an_sms_gateway_is_asked_as_its_section_says(
    office: Office, key: Path, section: str, read: Callable[[Any], object], expected: object
) -> None:
    with sms_gateway() as gateway:
        office = with_section(
            office,
            f'[sms]\nurl = "http://127.0.0.1:{gateway.port}/send?from=school"\n'
            f'secret_file = "{key}"\n{section}',
        )
        message = send_one(office)
        assert (message.state, message.recipient) == ("sent", "+66812345678")
        assert read(gateway.asked[0]) == expected


def test_an_answer_that_does_not_say_yes_is_no_success(office: Office, key: Path) -> None:
    with sms_gateway() as gateway, sms_gateway() as elsewhere:
        office = with_section(
            office,
            f'[sms]\nurl = "http://127.0.0.1:{gateway.port}/"\nsecret_file = "{key}"\n'
            'headers = { X-Key = "{secret}" }\ncool_down_seconds = 0\n'
            'success_pattern = \'"status": "OK"\'\nrefused_pattern = "UNKNOWN_NUMBER"\n',
        )
        gateway.answer = '{"status": "NO CREDIT"}'
        assert send_one(office).state == "waiting"
        gateway.answer, gateway.status = "{}", 302
        gateway.location = f"http://127.0.0.1:{elsewhere.port}/"
        told = send_one(office)
        assert told.state == "waiting" and "302" in (told.last_error or "")
        assert elsewhere.asked == []
        gateway.answer, gateway.status = "UNKNOWN_NUMBER", 200
        refused = send_one(office)
        assert refused.state == "failed"
        assert "key of the operator" not in (refused.last_error or "")
