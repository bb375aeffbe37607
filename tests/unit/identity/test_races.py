"""Two at once: one device with one voucher, a reader beside a writer."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Account, VoucherDevice
from identity.domain.access import Decision, Denied, Granted, Reason
from identity.domain.admission import find_code
from identity.office import Office
from identity.services import login, vouchers
from identity.stores.sql import SqlStore
from tests.conftest import ADMIN, add_person

MAC = "3c22fb010203"


def test_one_device_that_asks_twice_at_once_is_one_device(office_on: Office) -> None:
    with office_on.database.write() as session:
        _, codes = vouchers.create_batch(
            session, office_on, count=8, role="guest", minutes=60, devices=1, issuer=ADMIN
        )
    decisions: list[Decision] = []
    for shown in codes:
        code = find_code(shown)
        assert code is not None
        assert isinstance(login.check_voucher(office_on, code, None), Granted)
        barrier = threading.Barrier(4)

        def redeem(code: str = code, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            decisions.append(login.check_voucher(office_on, code, MAC))

        threads = [threading.Thread(target=redeem) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert [decision for decision in decisions if not isinstance(decision, Granted)] == []
    assert len(decisions) == 32


def test_a_device_that_comes_in_between_two_questions_of_an_answer_is_let_in(
    office_on: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    with office_on.database.write() as session:
        _, (shown,) = vouchers.create_batch(
            session, office_on, count=1, role="guest", minutes=60, devices=1, issuer=ADMIN
        )
    code = find_code(shown)
    assert code is not None
    assert isinstance(login.check_voucher(office_on, code, None), Granted)
    devices_of, before = vouchers.devices_of, [MAC]

    def another_was_first(session: Session, voucher_id: int) -> Sequence[VoucherDevice]:
        if before:
            with office_on.database.write() as other:
                assert not isinstance(vouchers.redeem(other, office_on, code, before.pop()), Denied)
        return devices_of(session, voucher_id)

    monkeypatch.setattr(vouchers, "devices_of", another_was_first)
    assert isinstance(login.check_voucher(office_on, code, MAC), Granted)
    assert not before


def test_a_worker_reads_while_somebody_writes(office: Office) -> None:
    add_person(office, "somchai")
    store = SqlStore(office)
    store.revision()
    with office.database.write() as session:
        session.connection().exec_driver_sql("UPDATE revision SET number = number + 1")
        began = time.monotonic()
        assert set(store.accounts(["somchai"])) == {"somchai"}
        assert time.monotonic() - began < 5
    store.close()


def test_fifty_phones_with_one_fresh_code_for_one_device_are_one_device(office_on: Office) -> None:
    with office_on.database.write() as session:
        _, (shown,) = vouchers.create_batch(
            session, office_on, count=1, role="guest", minutes=60, devices=1, issuer=ADMIN
        )
    code = find_code(shown)
    assert code is not None
    decisions: list[Decision] = []
    barrier = threading.Barrier(50)

    def redeem(number: int) -> None:
        barrier.wait()
        decisions.append(login.check_voucher(office_on, code, f"3c22fb0102{number:02x}"))

    threads = [threading.Thread(target=redeem, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    granted = [one for one in decisions if isinstance(one, Granted)]
    refused = {one.reason for one in decisions if isinstance(one, Denied)}
    assert len(decisions) == 50 and len(granted) == 1
    assert refused == {Reason.VOUCHER_DEVICES}
    with office_on.database.read() as session:
        assert session.scalar(select(func.count()).select_from(VoucherDevice)) == 1
        guests = select(func.count()).select_from(Account).where(Account.kind == "guest")
        assert session.scalar(guests) == 1
