"""One task of the housekeeper that fails ends neither the process nor another task."""

from __future__ import annotations

import pytest

from common.metrics import Counters
from identity.office import Office
from tests.conftest import Site
from yuenyan.processes import housekeeper
from yuenyan.processes.clock_keeper import ClockKeeper


def broken(*_args: object, **_kwargs: object) -> None:
    raise RuntimeError("out of everything")


def test_every_task_survives_what_it_does_not_expect(
    site: Site, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("identity.services.housekeeping.run_once", broken)
    for name in ("refresh", "refresh_crl_if_due", "note_rows", "room_of", "make_seal", "Keeper"):
        monkeypatch.setattr(housekeeper, name, broken)
    monkeypatch.setattr(ClockKeeper, "look", broken)
    assert housekeeper.look_at_clocks(ClockKeeper(office)) == 0
    assert housekeeper.keep_house(office) == {}
    assert housekeeper.refresh_directories(office) == 0
    assert not housekeeper.refresh_crl(office)
    assert housekeeper.note_evidence(site.config, office.database) == 0
    assert housekeeper.move(office) == 0
    assert housekeeper.purge(office) == 0
    assert not housekeeper.seal_archive(site.config)
    housekeeper.tell_disk(site.config)


def test_numbers_that_cannot_be_written_end_nothing(site: Site) -> None:
    (site.data_dir / "metrics").write_text("no directory")
    assert not housekeeper.write_counters(Counters(), site.config)
    (site.data_dir / "metrics").unlink()
    assert housekeeper.write_counters(Counters(), site.config)
