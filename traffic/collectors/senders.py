"""Who may send flows: named equipment, else this machine and the equipment that is registered.

The collector writes down which equipment that is, and the decoder reads it there: a database
that is away changes nothing. What strangers sent is counted and told, not kept.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path

from sqlalchemy import select

from common.clock import unix_milliseconds
from common.config import Config
from common.config_section import ANY
from common.logging import get_logger
from db.engine import Database
from db.models import NasClient
from traffic.collectors.records import format_address

EQUIPMENT = "equipment.json"
REFUSED = "refused.json"
REFUSED_STREAMS = "refused-streams.json"
"""The same of the process that receives: those whose connections it did not take."""

THIS_MACHINE = ("127.0.0.0/8", "::1/128")

_MOST_REFUSED = 100
"""Strangers remembered; a forger of source addresses must not fill the disk."""

_MOST_SENDERS = 10_000
"""Addresses remembered; nor the memory."""

log = get_logger(__name__)


class Senders:
    """The judgement of one decoder; `refresh` before each batch.

    Args:
        state: folder of the collector's state; None: what is registered is not asked for, and
            without named equipment everybody may send.
        note: the file in it that says who was refused; each process has its own.
    """

    def __init__(self, config: Config, state: Path | None, note: str = REFUSED) -> None:
        named = config.collector.exporters
        self._open = ANY in named or (not named and state is None)
        self._asks = not named
        self._named = [ip_network(one) for one in named or THIS_MACHINE if one != ANY]
        self._state = state
        self._note = note
        self._registered: list[IPv4Network | IPv6Network] | None = None
        self._mark: tuple[int, int] | None = None
        self._known: dict[bytes, tuple[str, bool]] = {}
        """Address as it came -> as text, and whether it may send."""
        self._refused: dict[str, int] = {}

    def refresh(self) -> None:
        """Take up what equipment was registered or taken away since."""
        if self._open or not self._asks or self._state is None:
            return
        path = self._state / EQUIPMENT
        try:
            found = path.stat()
            mark = found.st_mtime_ns, found.st_ino
            if mark == self._mark:
                return
            prefixes = json.loads(path.read_bytes())
            self._registered = [ip_network(one, strict=False) for one in prefixes]
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError) as error:
            log.error("equipment_not_read", path=str(path), error=str(error))
            return
        self._mark = mark
        self._known.clear()

    def exporter(self, packed: bytes, *, proven: bool = False) -> str | None:
        """The sender's address as text, or None when it may not send flows.

        Args:
            proven: a certificate has said who it is, wherever it comes from.
        """
        if proven:
            return format_address(packed)
        known = self._known.get(packed)
        if known is None:
            text = format_address(packed)
            known = text, self._may_send(text)
            if not known[1]:
                log.warning("exporter_not_allowed", exporter=text, detail="see collector.exporters")
            if len(self._known) >= _MOST_SENDERS:
                self._known.clear()
            self._known[packed] = known
        text, allowed = known
        if allowed:
            return text
        # The one heard longest ago goes first: made-up addresses must not hide a router that sends.
        self._refused.pop(text, None)
        if len(self._refused) >= _MOST_REFUSED:
            del self._refused[next(iter(self._refused))]
        self._refused[text] = unix_milliseconds()
        return None

    def note_refused(self) -> None:
        """Leave word for `doctor` of who was refused, and when last, since this process began."""
        if self._state is None or not self._refused:
            return
        with suppress(OSError):
            # A copy, because a thread that listens may be adding to it.
            _write(self._state / self._note, dict(self._refused))

    def _may_send(self, text: str) -> bool:
        # As long as nobody has said what equipment there is, nothing is lost for it.
        if self._open or (self._asks and self._registered is None):
            return True
        address = ip_address(text)
        return any(address in network for network in (*self._named, *(self._registered or ())))


class EquipmentNote:
    """Writes down the registered equipment for the decoder, whenever it is another."""

    def __init__(self, state: Path) -> None:
        self._path = state / EQUIPMENT

    def write(self, database: Database) -> None:
        """Look once.

        Raises:
            BackendUnavailable: the database does not answer; the note stays as it is.
        """
        with database.read() as session:
            prefixes = session.scalars(
                select(NasClient.prefix).where(NasClient.enabled.is_(True))
            ).all()
        found = sorted(filter(_is_prefix, prefixes))
        with suppress(OSError, ValueError):
            if json.loads(self._path.read_bytes()) == found:
                return
        _write(self._path, found)


def read_refused(state: Path, since_ms: int) -> list[str]:
    """The strangers who were refused since then, for `doctor`."""
    found: set[str] = set()
    for name in (REFUSED, REFUSED_STREAMS):
        with suppress(OSError, ValueError, TypeError, AttributeError):
            tree = json.loads((state / name).read_bytes())
            found.update(str(text) for text, at_ms in tree.items() if at_ms >= since_ms)
    return sorted(found)


def _is_prefix(text: str) -> bool:
    with suppress(ValueError):
        ip_network(text, strict=False)
        return True
    return False


def _write(path: Path, tree: dict[str, int] | Iterable[str]) -> None:
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    aside.write_text(json.dumps(tree) + "\n", encoding="ascii")
    aside.rename(path)
