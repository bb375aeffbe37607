"""Secrets in recoverable form: kept where chosen, renewed, removed, sealed. Both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from common.errors import ConfigError, Refused
from db.models import AuditEvent, Credential
from identity.domain.recoverable import Recoverable, hash_nt_hash, lesser, nt_hash
from identity.office import Office
from identity.services import importing, login, people, recoverable, roles
from identity.stores.sql import KeptSecret, SqlStore
from identity.vault import Vault

FIRST, SECOND = "first password", "รหัสผ่าน second"


def _add(office: Office, name: str, kind: Recoverable | None = None, role: str = "student") -> int:
    new = people.NewUser(
        username=name,
        password_hash=office.passwords.hash(FIRST),
        password=FIRST,
        role=role,
        recoverable=kind,
    )
    with office.database.write() as session:
        return people.add_user(session, office, new, "head").id


def _kept(office: Office, account_id: int) -> tuple[str, bytes] | None:
    """What a RADIUS worker gets."""
    store = SqlStore(office)
    try:
        secret = store.recoverable({account_id})[account_id]
        return None if secret is None else (secret.kind, store.open_secret(secret))
    finally:
        store.close()


def _change(office: Office, name: str, password: str | None) -> None:
    with office.database.write() as session:
        hashed = office.passwords.hash(password or SECOND)
        people.set_password(session, office, name, hashed, "head", password=password)


def _choose(office: Office, name: str, kind: Recoverable | None) -> None:
    with office.database.write() as session:
        recoverable.choose(session, office, people.get(session, name), kind, "head")


def _choose_for_role(office: Office, kind: Recoverable, role: str = "student") -> None:
    with office.database.write() as session:
        recoverable.choose_for_role(session, office, role, kind, "head")


def _actions(office: Office, target: str) -> list[str]:
    with office.database.read() as session:
        found = session.scalars(
            select(AuditEvent.action)
            .where(AuditEvent.target == target, AuditEvent.action.contains("secret"))
            .order_by(AuditEvent.id)
        )
        return list(found)


def test_nothing_is_kept_where_nobody_chose(office_on: Office) -> None:
    account_id = _add(office_on, "plain")
    assert _kept(office_on, account_id) is None
    with office_on.database.read() as session:
        described = people.describe(session, people.get(session, "plain"))
    assert described["recoverable"] == {"kept": "none", "wanted": "none"}
    assert _actions(office_on, "plain") == []


@pytest.mark.parametrize("kind", [Recoverable.NT_HASH, Recoverable.PASSWORD])
def test_what_was_chosen_is_kept_and_renewed_with_the_password(
    office_on: Office, kind: Recoverable
) -> None:
    account_id = _add(office_on, "kept", kind)
    wanted = nt_hash if kind is Recoverable.NT_HASH else str.encode
    assert _kept(office_on, account_id) == (kind.value, wanted(FIRST))
    _change(office_on, "kept", SECOND)
    assert _kept(office_on, account_id) == (kind.value, wanted(SECOND))
    assert _actions(office_on, "kept") == ["account:secret_kept", "account:secret_kept"]


def test_a_password_of_which_only_the_hash_is_known_removes_the_old_secret(
    office_on: Office,
) -> None:
    account_id = _add(office_on, "stale", Recoverable.PASSWORD)
    _change(office_on, "stale", None)
    assert _kept(office_on, account_id) is None
    assert _actions(office_on, "stale")[-1] == "account:secret_removed"


def test_opting_out_removes_at_once_and_less_is_made_of_more(office_on: Office) -> None:
    account_id = _add(office_on, "out", Recoverable.PASSWORD)
    _choose(office_on, "out", Recoverable.NT_HASH)
    assert _kept(office_on, account_id) == ("nt-hash", nt_hash(FIRST))
    _choose(office_on, "out", Recoverable.PASSWORD)
    assert _kept(office_on, account_id) == ("nt-hash", nt_hash(FIRST))
    _choose(office_on, "out", Recoverable.NONE)
    assert _kept(office_on, account_id) is None
    _change(office_on, "out", SECOND)
    assert _kept(office_on, account_id) is None


def test_a_roles_choice_holds_for_whoever_made_none(office_on: Office) -> None:
    _choose_for_role(office_on, Recoverable.NT_HASH)
    follower = _add(office_on, "follower")
    refuser = _add(office_on, "refuser", Recoverable.NONE)
    chooser = _add(office_on, "chooser", Recoverable.PASSWORD)
    other = _add(office_on, "other", role="staff")
    assert _kept(office_on, follower) == ("nt-hash", nt_hash(FIRST))
    assert _kept(office_on, refuser) is None
    assert _kept(office_on, other) is None
    _choose_for_role(office_on, Recoverable.NONE)
    assert _kept(office_on, follower) is None
    assert _kept(office_on, chooser) == ("password", FIRST.encode())
    _choose(office_on, "chooser", None)
    assert _kept(office_on, chooser) is None


@pytest.mark.parametrize("by", ["portal", "radius"])
def test_the_next_login_that_tells_the_password_keeps_what_is_wanted(
    office_on: Office, by: str
) -> None:
    account_id = _add(office_on, "late")
    _choose_for_role(office_on, Recoverable.PASSWORD)
    assert _kept(office_on, account_id) is None

    def try_login(password: str) -> None:
        if by == "portal":
            login.check_password(office_on, "late", password)
            return
        store = SqlStore(office_on)
        try:
            snapshot = store.accounts(["late"])["late"]
            assert (snapshot.recoverable, snapshot.to_keep) == ("none", "password")
            store.check_password(snapshot, password.encode())
        finally:
            store.close()

    try_login("wrong password")
    assert _kept(office_on, account_id) is None
    try_login(FIRST)
    assert _kept(office_on, account_id) == ("password", FIRST.encode())
    store = SqlStore(office_on)
    snapshot = store.accounts(["late"])["late"]
    store.close()
    assert (snapshot.recoverable, snapshot.to_keep) == ("password", "none")


def test_a_roster_keeps_and_changes_what_it_is_told(office_on: Office) -> None:
    text = "username,password,role\nimported,first password,student\n"
    for keep, kind in ((Recoverable.NT_HASH, "nt-hash"), (Recoverable.PASSWORD, "password")):
        roster = importing.read(text.encode(), office_on.config.site.timezone)
        with office_on.database.read() as session:
            roster = importing.check(session, office_on, roster, update=True)
        report = importing.apply(office_on, roster, "head", keep=keep)
        assert not report.bad
        with office_on.database.read() as session:
            account_id = people.get(session, "imported").id
        kept = _kept(office_on, account_id)
        assert kept is not None and kept[0] == kind


def test_a_role_with_less_takes_away_what_the_role_before_kept(office_on: Office) -> None:
    _choose_for_role(office_on, Recoverable.PASSWORD)
    account_id = _add(office_on, "mover")
    text = "username,role\nmover,staff\n"
    roster = importing.read(text.encode(), office_on.config.site.timezone)
    with office_on.database.read() as session:
        roster = importing.check(session, office_on, roster, update=True)
    assert importing.apply(office_on, roster, "head").updated == 1
    assert _kept(office_on, account_id) is None


def test_an_account_without_a_password_cannot_choose(office: Office) -> None:
    with office.database.write() as session:
        account = people.get(session, "head")
        session.delete(session.get_one(Credential, account.id))
    with pytest.raises(Refused, match="no password"):
        _choose(office, "head", Recoverable.NT_HASH)


def test_a_sealed_secret_opens_for_its_own_account_kind_and_key_alone(office: Office) -> None:
    one, other = _add(office, "one", Recoverable.NT_HASH), _add(office, "two", Recoverable.NT_HASH)
    with office.database.read() as session:
        credential = session.get_one(Credential, one)
        assert credential.recoverable is not None
        sealed = credential.recoverable
        assert nt_hash(FIRST) not in sealed
    assert recoverable.open_sealed(office.vault, one, "nt-hash", sealed) == nt_hash(FIRST)
    for vault, account_id, kind in (
        (office.vault, other, "nt-hash"),
        (office.vault, one, "password"),
        (Vault(b"another key"), one, "nt-hash"),
    ):
        with pytest.raises(ConfigError, match="restore the right key"):
            recoverable.open_sealed(vault, account_id, kind, sealed)
    assert "sealed=" not in repr(KeptSecret(one, "nt-hash", sealed))


def test_the_lesser_of_two_kinds() -> None:
    assert lesser(Recoverable.PASSWORD, Recoverable.NT_HASH) is Recoverable.NT_HASH
    assert lesser(Recoverable.NONE, Recoverable.PASSWORD) is Recoverable.NONE
    assert hash_nt_hash(nt_hash("x")) != nt_hash("x")


def test_a_new_role_keeps_nothing(office: Office) -> None:
    with office.database.write() as session:
        roles.set_role(session, office, "laboratory", {}, "head")
    with office.database.read() as session:
        assert roles.get(session, "laboratory").recoverable == "none"
