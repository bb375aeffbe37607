"""A roster file into accounts: read it, check every row, hash in parallel, write in chunks.

Only the columns named here are kept: a roster that a school exports also holds religion,
blood group and parents' telephone numbers, which are dropped before anything is stored.
Reads no file and prints nothing.
"""

from __future__ import annotations

import csv
import io
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import islice

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.clock import parse_time, utc_now
from common.errors import NetAccessError, UsageError
from common.thai_time import read_time
from db.models import Account, Credential, Organisation, Person, Role
from identity.domain.birth_dates import read_birth_date
from identity.domain.recoverable import Recoverable
from identity.office import Office
from identity.services import audit, dynamic, people, recoverable, roles
from identity.services.roster import birth_hash

COLUMNS = (
    "username",
    "password",
    "full_name",
    "role",
    "org",
    "person_code",
    "class_name",
    "expires_at",
    "contact",
    "birth_date",
)

DEFAULT_ROLE = "student"

CHUNK = 200
"""Rows a transaction: three seconds of hashing, and the write lock is held for a moment."""

MAXIMUM_OCTETS = 64 << 20
"""A roster of a whole area office is 5 MB; anything much larger is not a roster."""

Progress = Callable[[int], None]
"""Hears how many rows are done."""

_DATE_ALONE = re.compile(r"[0-9๐-๙]{4}-[0-9๐-๙]{2}-[0-9๐-๙]{2}\Z")
_MANGLED_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?[eE]\+[0-9]+\Z")
_INVISIBLE = str.maketrans("", "", "\u200b\u200c\u200d\ufeff")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One good row. `row` is the line a spreadsheet shows; the headings are row 1."""

    row: int
    username: str
    password: str = field(repr=False)
    full_name: str
    role: str
    organisation: str | None
    person_code: str | None
    class_name: str | None
    expires_at: datetime | None
    contact: str | None = None
    born: date | None = field(default=None, repr=False)
    """Of which only a keyed hash is stored, for who registers from the roster."""
    exists: bool = False
    """Set by `check`: there is an account of this name, to be changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that is not imported, and why; never a password."""

    row: int
    username: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """What a file holds. `dropped` counts the filled cells of each column we do not keep."""

    entries: tuple[Entry, ...]
    bad: tuple[BadRow, ...]
    dropped: dict[str, int]
    encoding: str
    has_passwords: bool = True
    """Without that column people choose theirs when they register from the roster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of an import."""

    added: int
    updated: int
    bad: tuple[BadRow, ...]


def parse_expiry(text: str, zone: str) -> datetime:
    """When an account ends; a date alone counts to the end of that day.

    As programs write it, or as people and their spreadsheets do: 31/12/2569.

    Raises:
        UsageError: `text` is no time, or its year could be of either era.
    """
    try:
        moment = parse_time(text, zone)
    except UsageError:
        read = read_time(text, zone, now=utc_now(), needs_clock=False)
        if read.is_short_year:
            raise UsageError(f"{text!r}: write the year with four digits, like 2569") from None
        return read.moment if read.has_clock else read.moment + timedelta(days=1)
    if _DATE_ALONE.match(text.strip()):
        return moment + timedelta(days=1)
    return moment


def decode(octets: bytes) -> tuple[str, str]:
    """(text, name of the encoding) of a roster file.

    UTF-8 with or without a mark, UTF-16 with one (Excel's "Unicode text"), else
    Windows-874, of which TIS-620 is a part. Thai in Windows-874 is never valid UTF-8.

    Raises:
        UsageError: none of them fits.
    """
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        candidates: tuple[str, ...] = ("utf-16",)
    else:
        candidates = ("utf-8-sig", "cp874")
    for encoding in candidates:
        try:
            return octets.decode(encoding), encoding.removesuffix("-sig")
        except UnicodeDecodeError:
            continue
    raise UsageError("the file is neither UTF-8 nor Windows-874; save it as CSV UTF-8")


def has_usernames(octets: bytes) -> bool:
    """Whether the headings of a file, in an encoding `decode` knows, say who each row is about."""
    text, _encoding = decode(octets)
    lines = io.StringIO(text, newline="")
    headings = next(csv.reader(lines, delimiter=_delimiter(text)), [])
    return "username" in [_clean(name).casefold() for name in headings]


def _delimiter(text: str) -> str:
    return max(",;\t", key=text.partition("\n")[0].count)


def read(octets: bytes, zone: str) -> Roster:
    """The rows of a roster file, each checked by itself.

    Raises:
        UsageError: it is not such a file at all; the message says what is missing.
    """
    if len(octets) > MAXIMUM_OCTETS:
        raise UsageError(f"the file is larger than {MAXIMUM_OCTETS >> 20} MB; split it")
    text, encoding = decode(octets)
    delimiter = _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise UsageError(f"the file is not CSV: {error} (line {reader.line_num})") from error
    headings = [_clean(name).casefold() for name in rows[0]] if rows else []
    if "username" not in headings:
        raise UsageError(f"the first row must name the columns: {','.join(COLUMNS)}")
    known = [name for name in headings if name in COLUMNS]
    if len(set(known)) != len(known):
        raise UsageError("a column is named twice")
    entries: list[Entry] = []
    bad: list[BadRow] = []
    dropped = {name: 0 for name in headings if name and name not in COLUMNS}
    seen: dict[str, int] = {}
    for number, cells in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(headings) and any(cell.strip() for cell in cells[len(headings) :]):
            bad.append(BadRow(row=number, username="", reason="more cells than headings"))
            continue
        values = dict(zip(headings, cells, strict=False))
        for name in dropped:
            dropped[name] += bool(values.get(name, "").strip())
        try:
            entry = _entry(number, values, zone)
            if entry.username in seen:
                raise UsageError(f"the same user name as in row {seen[entry.username]}")
        except NetAccessError as error:
            username = _clean(values.get("username", ""))
            bad.append(BadRow(row=number, username=username, reason=str(error)))
            continue
        seen[entry.username] = number
        entries.append(entry)
    return Roster(
        entries=tuple(entries),
        bad=tuple(bad),
        dropped=dropped,
        encoding=encoding,
        has_passwords="password" in headings,
    )


def _clean(text: str) -> str:
    """Text without zero-width characters, in the composed form that typed text has."""
    return unicodedata.normalize("NFC", text.translate(_INVISIBLE)).strip()


def _entry(number: int, values: dict[str, str], zone: str) -> Entry:
    code = _clean(values.get("person_code", ""))
    if _MANGLED_NUMBER.match(code):
        raise UsageError("person_code was turned into a rounded number; format it as text")
    expires_at = _clean(values.get("expires_at", ""))
    born = _clean(values.get("birth_date", ""))
    return Entry(
        row=number,
        username=people.free_username(_clean(values.get("username", ""))),
        # Blanks around a cell are invisible in a spreadsheet; nobody would ever type them.
        password=values.get("password", "").strip(),
        full_name=_clean(values.get("full_name", "")),
        role=_clean(values.get("role", "")),
        organisation=_clean(values.get("org", "")) or None,
        person_code=code or None,
        class_name=_clean(values.get("class_name", "")) or None,
        expires_at=parse_expiry(expires_at, zone) if expires_at else None,
        contact=_clean(values.get("contact", ""))[:200] or None,
        born=read_birth_date(born) if born else None,
    )


def check(session: Session, office: Office, roster: Roster, update: bool) -> Roster:
    """The roster with the rows that this site cannot take moved to the bad ones.

    Role and organisation must exist, the name must be free (or, with `update`, a person's),
    and a new account needs a password where the file has any.
    """
    known_roles = set(session.scalars(select(Role.name)))
    known_organisations = set(session.scalars(select(Organisation.code)))
    kinds = {name: kind for name, kind in session.execute(select(Account.username, Account.kind))}
    good: list[Entry] = []
    bad: list[BadRow] = list(roster.bad)
    for entry in roster.entries:
        existing = kinds.get(entry.username)
        try:
            if existing is not None and not update:
                raise UsageError("already exists; --update changes it")
            if existing not in (None, "person"):
                raise UsageError(f"already exists as a {existing}")
            if entry.role and entry.role not in known_roles:
                raise UsageError(f"there is no role {entry.role!r}")
            if entry.organisation and entry.organisation not in known_organisations:
                raise UsageError(f"there is no organisation {entry.organisation!r}")
            if (existing is None and roster.has_passwords) or entry.password:
                office.passwords.check_usable(entry.password)
        except UsageError as error:
            bad.append(BadRow(row=entry.row, username=entry.username, reason=str(error)))
            continue
        good.append(replace(entry, exists=existing is not None))
    bad.sort(key=lambda row: row.row)
    return replace(roster, entries=tuple(good), bad=tuple(bad))


def apply(
    office: Office,
    roster: Roster,
    actor: str,
    progress: Progress = lambda done: None,
    keep: Recoverable | None = None,
) -> Report:
    """Write the entries of a checked roster.

    Args:
        keep: what each account is to keep of its password, whatever its role says.

    Passwords are hashed by one thread a core (argon2 releases the interpreter), and a chunk
    is committed as soon as it is hashed, while the next one is being hashed.
    """
    added = updated = done = 0
    bad = list(roster.bad)
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="argon2") as pool:
        hashes = pool.map(
            lambda entry: office.passwords.hash(entry.password) if entry.password else "",
            roster.entries,
        )
        hashed = zip(roster.entries, hashes, strict=True)
        try:
            while chunk := list(islice(hashed, CHUNK)):
                for written in _write(office, chunk, actor, keep):
                    if isinstance(written, BadRow):
                        bad.append(written)
                    elif written:
                        added += 1
                    else:
                        updated += 1
                done += len(chunk)
                progress(done)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    bad.sort(key=lambda row: row.row)
    return Report(added=added, updated=updated, bad=tuple(bad))


def _write(
    office: Office, chunk: Sequence[tuple[Entry, str]], actor: str, keep: Recoverable | None
) -> Iterator[bool | BadRow]:
    """Write a chunk in one transaction: True for an added row, False for an updated one."""
    try:
        with office.database.write() as session:
            outcome = _write_chunk(session, office, chunk, actor, keep)
        yield from outcome
        return
    except IntegrityError:
        if len(chunk) == 1:
            entry = chunk[0][0]
            yield BadRow(row=entry.row, username=entry.username, reason="already exists")
            return
    # Somebody else took one of the names since the check: find out which.
    for single in chunk:
        yield from _write(office, [single], actor, keep)


def _write_chunk(
    session: Session,
    office: Office,
    chunk: Sequence[tuple[Entry, str]],
    actor: str,
    keep: Recoverable | None,
) -> Sequence[bool]:
    now = office.clock()
    # Only what was there at the check is changed: an account that came since then belongs to
    # somebody else, and the table's own rule makes it a bad row.
    names = [entry.username for entry, _ in chunk if entry.exists]
    existing = {
        account.username: account
        for account in session.scalars(select(Account).where(Account.username.in_(names)))
    }
    # The list keeps the rows in the session, where every account finds its own.
    known_roles = session.scalars(select(Role)).all()
    role_ids = {role.name: role.id for role in known_roles}
    organisation_ids = {
        code: number for code, number in session.execute(select(Organisation.code, Organisation.id))
    }
    new: list[tuple[Entry, str, Person]] = []
    for entry, hashed in chunk:
        account = existing.get(entry.username)
        if account is not None:
            _update(session, office, account, entry, hashed, actor, keep)
            continue
        person = Person(
            organisation_id=organisation_ids[entry.organisation] if entry.organisation else None,
            full_name=entry.full_name or entry.username,
            person_code=entry.person_code,
            class_name=entry.class_name,
            contact=entry.contact,
            proofing_method="roster",
            proofed_by=actor,
            proofed_at=now,
            created_at=now,
        )
        new.append((entry, hashed, person))
    # One flush a table instead of three a row: with them the writing is a second, not ten.
    session.add_all(person for _, _, person in new)
    session.flush()
    for entry, _, person in new:
        if entry.born is not None:
            person.birth_hmac = birth_hash(office, person.id, entry.born)
    accounts = [
        Account(
            username=entry.username,
            kind="person",
            state="active",
            person_id=person.id,
            organisation_id=person.organisation_id,
            role_id=role_ids[entry.role or DEFAULT_ROLE],
            expires_at=entry.expires_at,
            created_at=now,
        )
        for entry, _, person in new
    ]
    session.add_all(accounts)
    session.flush()
    for account, (entry, hashed, _) in zip(accounts, new, strict=True):
        if hashed:
            credential = Credential(
                account_id=account.id,
                password_hash=hashed,
                changed_at=now,
                recoverable_choice=keep,
                must_change=True,
            )
            session.add(credential)
            recoverable.password_changed(
                session, office, account, credential, entry.password, actor
            )
        audit.record(
            session,
            now,
            actor,
            "account:added",
            account.username,
            role=entry.role or DEFAULT_ROLE,
            row=entry.row,
        )
    return [entry.username not in existing for entry, _ in chunk]


def _update(
    session: Session,
    office: Office,
    account: Account,
    entry: Entry,
    hashed: str,
    actor: str,
    keep: Recoverable | None,
) -> None:
    """Bring an account to what its row says; an empty cell leaves what is there."""
    person = account.person
    assert person is not None, "check() lets only accounts of people through"
    if entry.full_name:
        person.full_name = entry.full_name
    if entry.person_code:
        person.person_code = entry.person_code
    if entry.class_name:
        person.class_name = entry.class_name
    if entry.contact:
        person.contact = entry.contact
    if entry.born is not None:
        person.birth_hmac = birth_hash(office, person.id, entry.born)
    if entry.organisation:
        organisation = roles.get_organisation(session, entry.organisation)
        person.organisation_id = account.organisation_id = organisation.id
    if entry.role:
        dynamic.change_role(session, office, account, entry.role, actor)
        recoverable.follow(session, office, account, actor)
    if entry.expires_at is not None:
        account.expires_at = entry.expires_at
    if hashed:
        if keep is not None:
            recoverable.choose(session, office, account, keep, actor)
        people.set_password(
            session,
            office,
            account.username,
            hashed,
            actor,
            password=entry.password,
            must_change=True,
        )
    audit.record(session, office.clock(), actor, "account:updated", account.username, row=entry.row)
