"""Segments that hold nothing of a question are left out, as if they had left this disk."""

from __future__ import annotations

import pytest

from tests.unit.traffic.left_out import leave_out_everywhere


@pytest.fixture(autouse=True)
def _left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out_everywhere(monkeypatch)
