"""Secrets that can be read again: kept, renewed and removed as account and role say.

What is kept is sealed for one account and one kind, with a key that is not in the database.
An account's own choice outweighs its role's; nothing is kept where nobody chose.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from common.errors import Refused
from db.models import Account, Credential, Role
from identity.domain.recoverable import Recoverable, kept, lesser
from identity.office import Office
from identity.services import audit, roles
from identity.vault import Vault

PRICE = (
    "whoever holds both the database and keys/vault.key can read this secret, and an NT hash"
    " logs in to other systems like the password itself: keep it only for equipment that"
    " cannot do EAP-TTLS with PAP"
)
"""What is told whenever somebody chooses to keep one."""


def seal(vault: Vault, account_id: int, kind: Recoverable, password: str) -> bytes:
    """What of `password` is kept, sealed for this account and kind alone."""
    return vault.encrypt(kept(kind, password), _purpose(account_id, kind))


def open_sealed(vault: Vault, account_id: int, kind: str, sealed: bytes) -> bytes:
    """The NT hash (16 octets) or the password (UTF-8); ConfigError when the key is not right."""
    return vault.decrypt(sealed, _purpose(account_id, Recoverable(kind)))


def wanted(role: Role, credential: Credential | None) -> Recoverable:
    """How much is to be kept of an account's password."""
    if credential is not None and credential.recoverable_choice is not None:
        return Recoverable(credential.recoverable_choice)
    return Recoverable(role.recoverable)


def missing(role: Role, credential: Credential | None) -> str:
    """What ought to be kept and is not yet; `none` when all is as it ought to be."""
    kind = wanted(role, credential)
    held = credential.recoverable_kind if credential is not None else None
    return Recoverable.NONE.value if kind == held else kind.value


def describe(session: Session, account: Account) -> dict[str, str]:
    """What is kept of an account's password and what ought to be, never the secret."""
    credential = session.get(Credential, account.id)
    held = credential.recoverable_kind if credential is not None else None
    return {
        "kept": held or Recoverable.NONE.value,
        "wanted": wanted(account.role, credential).value,
    }


def password_changed(
    session: Session,
    office: Office,
    account: Account,
    credential: Credential,
    password: str | None,
    actor: str,
) -> None:
    """Keep of the new password what is wanted, in the transaction that stores its hash.

    Args:
        password: None where only the hash is known; then nothing is kept, for what was kept
            belongs to the old password.
    """
    role = session.get_one(Role, account.role_id)
    kind = Recoverable.NONE if password is None else wanted(role, credential)
    _store(session, office, account, credential, kind, password or "", actor)


def keep_now(office: Office, account_id: int, stored_hash: str, password: str) -> None:
    """Keep of a password that a login has just proven what is wanted and not kept yet.

    Args:
        stored_hash: the hash it was proven against; after a change of it nothing is done.
    """
    with office.database.write() as session:
        account = session.get(Account, account_id)
        credential = session.get(Credential, account_id)
        if account is None or credential is None or credential.password_hash != stored_hash:
            return
        if missing(account.role, credential) != Recoverable.NONE:
            password_changed(session, office, account, credential, password, account.username)


def choose(
    session: Session, office: Office, account: Account, kind: Recoverable | None, actor: str
) -> None:
    """Let an account keep `kind` whatever its role says, or again what the role says (None).

    Less than is kept is there at once; more waits for the next change of the password.

    Raises:
        Refused: the account has no password.
    """
    credential = session.get(Credential, account.id)
    if credential is None:
        raise Refused(f"{account.username} has no password")
    if credential.recoverable_choice != kind:
        credential.recoverable_choice = kind.value if kind is not None else None
        audit.record(
            session,
            office.clock(),
            actor,
            "account:recoverable_chosen",
            account.username,
            kind=kind.value if kind is not None else "as the role",
        )
    follow(session, office, account, actor)


def follow(session: Session, office: Office, account: Account, actor: str) -> None:
    """Remove at once what an account may no longer keep."""
    credential = session.get(Credential, account.id)
    if credential is None or credential.recoverable is None:
        return
    held = Recoverable(credential.recoverable_kind or Recoverable.NONE)
    allowed = lesser(held, wanted(session.get_one(Role, account.role_id), credential))
    if allowed is held:
        return
    password = ""
    if allowed is Recoverable.NT_HASH:
        sealed = credential.recoverable
        octets = open_sealed(office.vault, account.id, held, sealed)
        password = octets.decode("utf-8", "surrogateescape")
    _store(session, office, account, credential, allowed, password, actor)


def choose_for_role(
    session: Session, office: Office, name: str, kind: Recoverable, actor: str
) -> None:
    """Keep `kind` of the passwords of a role's accounts that have made no choice of their own.

    Less is removed at once; more waits for the next login or change of each password.

    Raises:
        NotFound: there is no such role.
    """
    role = roles.get(session, name)
    if role.recoverable == kind:
        return
    role.recoverable = kind.value
    audit.record(session, office.clock(), actor, "role:recoverable_chosen", name, kind=kind.value)
    session.flush()
    holders = session.scalars(
        select(Account)
        .join(Credential, Credential.account_id == Account.id)
        .where(Account.role_id == role.id, Credential.recoverable.is_not(None))
    ).all()
    for account in holders:
        follow(session, office, account, actor)


def _store(
    session: Session,
    office: Office,
    account: Account,
    credential: Credential,
    kind: Recoverable,
    password: str,
    actor: str,
) -> None:
    before = credential.recoverable_kind or Recoverable.NONE.value
    if kind is Recoverable.NONE:
        credential.recoverable_kind = credential.recoverable = None
    else:
        credential.recoverable_kind = kind.value
        credential.recoverable = seal(office.vault, account.id, kind, password)
    if before != Recoverable.NONE or kind is not Recoverable.NONE:
        action = "account:secret_kept" if kind is not Recoverable.NONE else "account:secret_removed"
        audit.record(
            session, office.clock(), actor, action, account.username, kind=kind.value, before=before
        )


def _purpose(account_id: int, kind: Recoverable) -> str:
    return f"recoverable {kind.value} of account {account_id}"
