"""The housekeeper's postman: brings letters and short messages to whoever sends them on.

Threads of their own, because a code must leave within seconds and a mail server may take its
time: two for letters, so that one that hangs holds up half, and one for short messages.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, formataddr

from common.config import Config
from common.errors import BackendUnavailable, ConfigError, NetAccessError, Refused, UsageError
from common.logging import get_logger
from common.mail_server import send_letter
from common.metrics import Counters
from identity.office import Office
from identity.services import message_queue
from identity.services.message_queue import Outgoing
from identity.stores.sms_gateway import send_sms

EVERY_SECONDS = 1.0
"""Somebody stands in front of a page and waits for a code."""

_COUNTER = "housekeeper_messages_total"

_PAUSE_SECONDS = 10.0
"""After the database was away."""

_PATIENCE_SECONDS = 2.0
"""For what is under way at the end; a message that is cut off is sent again."""

log = get_logger(__name__)


class Postman:
    """Sends what is due, from `start` to `stop`."""

    def __init__(self, office: Office, counters: Counters | None = None) -> None:
        self._office = office
        self._counters = counters or Counters()
        for outcome in ("sent", "put_off", "refused"):
            # All of them now: a new name while another thread writes them out would be in its way.
            for channel in ("mail", "sms"):
                self._counters.add(_COUNTER, 0, channel=channel, outcome=outcome)
        self._stopping = threading.Event()
        channels = ["mail", "mail"] if office.config.mail.host else []
        channels += ["sms"] if office.config.sms.url else []
        self._threads = [
            threading.Thread(target=self._loop, args=(one,), name=f"postman-{one}", daemon=True)
            for one in channels
        ]

    def start(self) -> None:
        """Begin with what is due now; nothing happens where there is nothing to send with."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait for what is under way, but not for a server that hangs."""
        self._stopping.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout=_PATIENCE_SECONDS)

    def turn(self, channel: str) -> bool:
        """Send one message of the channel; False when none is due.

        Raises:
            BackendUnavailable: the database does not answer.
        """
        office = self._office
        with office.database.read() as session:
            if not message_queue.is_due(session, office.clock(), channel):
                return False
        with office.database.write() as session:
            message = message_queue.claim(session, office, channel)
        if message is None:
            return True  # what was due came too late, or another node has it
        settle, told = self._send(message)
        with office.database.write() as session:
            settle(session, told)
        return True

    def _send(self, message: Outgoing) -> tuple[Callable[..., None], str]:
        """What to do with the message after the one try that is made here, and why."""
        office = self._office
        try:
            deliver(office.config, message)
        except (Refused, UsageError, ValueError) as error:
            self._count(message, "refused")
            log.warning("message_refused", message=message.id, error=str(error))
            return self._settled(message_queue.give_up, message), str(error)
        except (BackendUnavailable, ConfigError) as error:
            self._count(message, "put_off")
            log.warning("message_put_off", message=message.id, error=str(error))
            return self._settled(message_queue.put_off, message), str(error)
        except Exception as error:
            # As in the housekeeper: one strange message must not stop the others.
            self._count(message, "put_off")
            log.exception("message_failed", message=message.id)
            return self._settled(message_queue.put_off, message), type(error).__name__
        self._count(message, "sent")
        log.info("message_sent", message=message.id, channel=message.channel)
        return lambda session, _told: message_queue.finish(session, office.clock(), message), ""

    def _settled(self, step: Callable[..., None], message: Outgoing) -> Callable[..., None]:
        return lambda session, told: step(session, self._office.clock(), message, told)

    def _count(self, message: Outgoing, outcome: str) -> None:
        self._counters.add(_COUNTER, channel=message.channel, outcome=outcome)

    def _loop(self, channel: str) -> None:
        while not self._stopping.is_set():
            pause = EVERY_SECONDS
            try:
                if self.turn(channel):
                    continue
            except NetAccessError as error:
                log.warning("postman_postponed", channel=channel, error=str(error))
                pause = _PAUSE_SECONDS
            except Exception:
                # As in the housekeeper.
                log.exception("postman_failed", channel=channel)
                pause = _PAUSE_SECONDS
            self._stopping.wait(pause)


def deliver(config: Config, message: Outgoing) -> None:
    """Hand a message to whoever sends it on; returns when that has it.

    Raises:
        BackendUnavailable: not now; try again.
        Refused, ValueError: never as it is.
    """
    if message.channel == "sms":
        send_sms(config.sms, message.recipient, message.body)
    else:
        send_letter(config.mail, make_letter(config, message), message.recipient)


def make_letter(config: Config, message: Outgoing) -> EmailMessage:
    """The letter of a message; the same octets each time it is tried.

    Raises:
        ValueError: a line break stands where it would begin another header.
        Refused: a header would read the recipient as another mailbox than it is.
    """
    sender = config.mail.sender
    letter = EmailMessage()
    letter["From"] = formataddr((" ".join(config.site.name.split()), sender))
    letter["To"] = _address(message.recipient)
    letter["Subject"] = message.subject
    letter["Date"] = format_datetime(message.created_at)
    made = int(message.created_at.timestamp() * 1000)
    letter["Message-ID"] = f"<yuenyan.{message.id}.{made}@{sender.rpartition('@')[2]}>"
    letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday note comes back
    letter.set_content(message.body)
    return letter


def _address(recipient: str) -> Address:
    """The recipient for a header. What was counted and proven is this mailbox and no other."""
    try:
        address = Address(addr_spec=recipient)
    except (HeaderParseError, ValueError, IndexError) as error:
        raise Refused("the recipient is no mailbox that a letter can be sent to") from error
    if address.addr_spec != recipient:
        raise Refused("the recipient is no mailbox that a letter can be sent to")
    return address
