"""What the receive loop does when it cannot write."""

from __future__ import annotations

from pathlib import Path

from common.config import Config
from common.metrics import Counters
from traffic.collectors.receiver import Receiver
from traffic.collectors.records import Listener, Loss, decode_loss, decode_records
from traffic.collectors.spool import SpoolWriter


def test_losses_that_cannot_be_written_yet_are_kept_as_one(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    receiver = Receiver(Config(), SpoolWriter(folder, 1), Counters())
    for number in range(10_000):
        receiver._note_loss(Listener.NETFLOW, Loss(number, number + 5, 2))
    receiver._tell_losses(10_000)  # there is no such directory: still unwritten
    receiver._note_loss(Listener.IPFIX, Loss(1, 2, 3))
    assert len(receiver._unwritten) == 2
    folder.mkdir()
    receiver._tell_losses(10_001)
    receiver.stop()
    (path,) = folder.glob("*.spool")
    found = list(decode_records(memoryview(path.read_bytes())))
    assert [record.listener for record in found] == [Listener.NETFLOW, Listener.IPFIX]
    assert decode_loss(found[0].body) == Loss(0, 10_004, 20_000)
