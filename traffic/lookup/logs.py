"""What log lines add to a look-up: translations, leases, and what is missing of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from common.config import Config
from traffic.archive.reading import FlowReader, Translation
from traffic.archive.tables import TableArchive
from traffic.collectors.paths import node_name
from traffic.lookup.attribution import Binding, GapSpan, Holder, Window
from traffic.lookup.coverage import find_logged_gaps
from traffic.lookup.leases import find_leases, join_leases
from traffic.lookup.nat_logs import find_logged, shown
from traffic.lookup.question import Question
from traffic.lookup.samples import find_samples
from traffic.lookup.silence import find_lease_gaps, find_silences
from traffic.lookup.static_nat import find_static
from traffic.lookup.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """Translations to one public address."""

    bindings: list[Binding]
    translations: list[Translation]
    truncated: bool


class LogEvidence:
    """The lines that concern one question."""

    def __init__(
        self, session: Session, config: Config, reader: FlowReader, window: Window
    ) -> None:
        self._session = session
        self._config = config
        self._reader = reader
        self._window = window
        self._held_ms = config.collector.silent_minutes * 60_000
        self._tables = TableArchive(config.data_dir / "archive", node_name())

    def translations(self, question: Question) -> Logged:
        """Who stood behind the public address asked for, by lines and by the static table."""
        public, port = question.address, question.asked_port
        spans, more = find_logged(
            self._tables, self._reader.index, question, self._window, self._held_ms
        )
        table = self._config.collector.static_nat
        static, more_static = find_static(table, public, port, self._window)
        return Logged(
            bindings=[span.binding() for span in (*spans, *static)],
            translations=shown([*spans, *static]),
            truncated=more or more_static,
        )

    def holders(self, addresses: Iterable[str], holders: Sequence[Holder]) -> list[Holder]:
        """`holders` of `addresses`, joined with what the leases say."""
        leases = find_leases(
            *(self._tables, self._reader.index, addresses, self._window, self._held_ms)
        )
        return join_leases(self._session, self._config, leases, self._window, holders)

    def lease_gaps(self, store: Store, now: datetime) -> list[GapSpan]:
        """What is missing of leases, for an inside address."""
        return find_lease_gaps(self._config, store, self._reader, self._window, now)

    def gaps(self, store: Store, now: datetime, public: str) -> list[GapSpan]:
        """What is missing of lines, for the address `public` outside."""
        found = find_logged_gaps(store, self._reader, self._window)
        found += find_silences(self._config, self._window, now)
        sampled = find_samples(self._tables, self._reader.index, public, self._window)
        return found if sampled is None else [*found, sampled]
