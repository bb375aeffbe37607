"""Whose session an accounting packet belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from common.net import find_mac
from identity.domain.admission import find_code
from identity.domain.sessions import Owner
from identity.stores.sql import SqlStore
from radius_server.process import class_attribute
from radius_server.process.accounting import AccountingRecord
from radius_server.worker.directory import Directory

_NOBODY: Owner = (None, None)


class Owners:
    """Finds owners for a whole batch at once.

    Class tells for certain, also that a person is another institution's and no account of ours;
    else the user name does, when an account has it, and only then is the database asked.
    """

    def __init__(self, directory: Directory, store: SqlStore, class_key: bytes) -> None:
        self._directory = directory
        self._store = store
        self._class_key = class_key

    def find(self, records: Sequence[AccountingRecord]) -> list[Owner]:
        """The owner of each record: account and login reference, None for what is not known.

        Raises:
            BackendUnavailable: nobody can say now.
        """
        told = [self._told(record) if record.class_values else _NOBODY for record in records]
        names = [
            _stored_name(record.user_name) if owner == _NOBODY else ""
            for record, owner in zip(records, told, strict=True)
        ]
        asked = {name for name in names if name}
        if not asked:
            return told
        accounts = self._directory.account_ids(asked)
        unknown = {name for name, number in accounts.items() if number is None}
        codes = {code: name for name in unknown if (code := find_code(name)) is not None}
        vouchers = self._store.voucher_accounts(codes) if codes else {}
        found: list[Owner] = []
        for owner, name in zip(told, names, strict=True):
            if name:
                number = accounts[name]
                if number is None:
                    number = vouchers.get(find_code(name) or "")
                found.append((number, None))
            else:
                found.append(owner)
        return found

    def _told(self, record: AccountingRecord) -> Owner:
        """What the Class values say, the last one counting; nobody when none of them is ours."""
        account_id, reference = _NOBODY
        for value in record.class_values:
            owner = class_attribute.open_class(self._class_key, value)
            if owner is not None:
                account_id, reference = owner.account_id, owner.reference
                continue
            foreign = class_attribute.open_foreign(self._class_key, value)
            if foreign is not None:
                reference = foreign.reference
        return account_id, reference


def _stored_name(user_name: str | None) -> str:
    """The user name as accounts store it: a device's is its MAC address without separators."""
    if not user_name:
        return ""
    return find_mac(user_name) or user_name.strip().casefold()
