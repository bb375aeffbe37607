"""A directory in memory, for tests: people, passwords, roles, and whether it answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from common.config_access import Directory
from common.errors import BackendUnavailable
from db.models import DirectoryEntry, NetworkSession
from identity.directories import Directories
from identity.domain.access import AccountSnapshot, Denied, Reason, Vouched
from identity.domain.directory import Ambiguous, Answer, Entry, NtProof, OtherSpelling
from identity.office import Office
from identity.services import directory_login, people
from identity.services.snapshots import snapshot
from tests import moved_clock

NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
PASSWORD = b"mango sticky rice"


@dataclass
class FakeDirectory:
    """Stands in for one server; counts how often a password was tried."""

    name: str
    entries: dict[str, Entry] = field(default_factory=dict)
    passwords: dict[str, bytes] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    twice: set[str] = field(default_factory=set)
    spelt: dict[str, str] = field(default_factory=dict)
    """Other spellings that the directory takes for a name."""
    answers: dict[str, Answer] = field(default_factory=dict)
    is_down: bool = False
    nt_key: bytes | None = None
    nt_response: bytes = b""
    tried: int = 0
    dummies: int = 0

    def add(self, name: str, role: str = "staff", **values: str) -> None:
        """A person whose password is PASSWORD; the unique id is that of the name unless given."""
        held = {"displayname": f"Full {name}", "entryuuid": f"id-of-{name}", **values}
        coded = {key: (value.encode(),) for key, value in held.items()}
        self.entries[name] = Entry(f"uid={name},dc=test", coded)
        self.passwords[name] = PASSWORD
        self.roles[name] = role

    def close(self) -> None:
        pass

    def find(self, username: str) -> Entry | None:
        self._answer()
        if username in self.twice:
            raise Ambiguous(username)
        if username in self.spelt:
            raise OtherSpelling(self.entries[self.spelt[username]].dn)
        return self.entries.get(username)

    def prove(self, entry: Entry | None, password: bytes) -> Answer:
        self._answer()
        self.tried += 1
        if entry is None:
            self.dummies += 1
            return Answer.WRONG
        name = entry.dn.partition("=")[2].partition(",")[0]
        if name in self.answers:
            return self.answers[name]
        return Answer.PROVEN if self.passwords[name] == password else Answer.WRONG

    @property
    def proves_nt(self) -> bool:
        return self.nt_key is not None

    def prove_nt(self, entry: Entry, username: str, proof: NtProof) -> Answer | bytes:
        self._answer()
        assert self.nt_key is not None
        return self.nt_key if proof.response == self.nt_response else Answer.WRONG

    def role_of(self, entry: Entry, username: str) -> str:
        self._answer()
        return self.roles[entry.dn.partition("=")[2].partition(",")[0]]

    def _answer(self) -> None:
        if self.is_down:
            raise BackendUnavailable(f"directory:{self.name}", "nobody answers")


class Clock(moved_clock.Clock):
    """A clock that the test moves."""

    def __init__(self) -> None:
        super().__init__(NOW)

    def advance(self, **more: float) -> None:
        self.now += timedelta(**more)


def settings(**more: object) -> Directory:
    """A `[directory.NAME]` that no server stands behind."""
    return Directory.model_validate({"url": "ldaps://nowhere", "base_dn": "dc=test", **more})


@contextmanager
def with_directories(
    office: Office, sources: dict[str, FakeDirectory], clock: Clock, **more: object
) -> Iterator[Office]:
    """`office` with these directories, in this order, and a clock of the test's."""
    directories = Directories(
        {name: settings(**more) for name in sources}, lambda name, _settings: sources[name]
    )
    yield replace(office, directories=directories, clock=clock)


def session_of(account_id: int, clock: Clock) -> NetworkSession:
    """An open session of an account."""
    return NetworkSession(
        session_key=f"s-{account_id}",
        nas_client_id=1,
        nas_identity="ap",
        acct_session_id="1",
        user_name="somchai",
        account_id=account_id,
        started_at=clock.now,
        first_heard_at=clock.now,
        last_heard_at=clock.now,
        session_seconds=0,
        input_octets=0,
        output_octets=0,
    )


def known_as(office: Office, name: str) -> AccountSnapshot | None:
    with office.database.read() as session:
        account = people.find(session, name)
        return snapshot(session, account) if account is not None else None


def prove(office: Office, name: str, password: bytes = PASSWORD) -> Vouched | Denied:
    return directory_login.prove(office, known_as(office, name), name, password)


def admitted(office: Office, name: str) -> AccountSnapshot:
    vouched = prove(office, name)
    assert isinstance(vouched, Vouched), vouched
    return vouched.account


def reason_of(answer: Vouched | Denied) -> tuple[Reason, str]:
    assert isinstance(answer, Denied), answer
    return answer.reason, answer.step


def entry_of(office: Office, account_id: int) -> DirectoryEntry:
    with office.database.read() as session:
        return session.get_one(DirectoryEntry, account_id)
