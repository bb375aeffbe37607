"""The memory there is: the machine's, or less where the service was given less."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from common import memory

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Control groups of our own."""
    mount = tmp_path / "cgroup"
    own = tmp_path / "own"
    own.write_text("0::/system.slice/yuenyan.service\n", encoding="utf-8")
    (mount / "system.slice/yuenyan.service").mkdir(parents=True)
    monkeypatch.setattr(memory, "_MOUNT", mount)
    monkeypatch.setattr(memory, "_OWN", own)
    monkeypatch.setattr(memory, "_LIMITS", (mount / "memory.max",))
    return mount


def test_without_a_limit_it_is_the_machine_s(groups: Path) -> None:
    (groups / "memory.max").write_text("max\n", encoding="ascii")
    assert memory.memory_octets() == MACHINE


@pytest.mark.parametrize(
    "where", ["memory.max", "system.slice/memory.max", "system.slice/yuenyan.service/memory.max"]
)
def test_a_limit_of_the_service_or_around_it_counts(groups: Path, where: str) -> None:
    (groups / where).write_text(f"{1 << 20}\n", encoding="ascii")
    assert memory.memory_octets() == 1 << 20


def test_a_limit_above_the_machine_s_memory_is_none(groups: Path) -> None:
    (groups / "memory.max").write_text(f"{1 << 62}\n", encoding="ascii")
    assert memory.memory_octets() == MACHINE


def test_what_cannot_be_read_is_no_limit(groups: Path) -> None:
    memory._OWN.unlink()
    (groups / "memory.max").write_bytes(b"\xff\n")
    assert memory.memory_octets() == MACHINE
