"""Two at once: one device with one voucher, a reader beside a writer."""

from __future__ import annotations

import threading
import time

from identity.domain.access import Decision, Granted
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
