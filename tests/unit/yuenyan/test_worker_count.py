"""How many RADIUS workers a configuration means."""

from __future__ import annotations

import os

import pytest

from common.config import Config, Database, Radius
from yuenyan.processes.radius import worker_count


@pytest.mark.parametrize(
    ("url", "cores", "configured", "count"),
    [
        pytest.param("postgresql+psycopg://u@127.0.0.1/y", 4, 0, 3, id="database beside us"),
        pytest.param("postgresql+psycopg://u@localhost/y", 2, 0, 1, id="by name"),
        pytest.param("postgresql+psycopg:///y", 4, 0, 3, id="by its socket"),
        pytest.param("postgresql+psycopg://u@127.0.0.1/y", 1, 0, 1, id="never none"),
        pytest.param("postgresql+psycopg://u@192.0.2.7/y", 4, 0, 4, id="database elsewhere"),
        pytest.param("postgresql+psycopg://u@127.0.0.1/y", 2, 5, 5, id="as configured"),
        pytest.param("sqlite:///y.db", 4, 3, 1, id="SQLite has one writer"),
    ],
)
def test_zero_is_one_a_core_less_one_for_a_database_beside_us(
    monkeypatch: pytest.MonkeyPatch, url: str, cores: int, configured: int, count: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    config = Config(database=Database(url=url), radius=Radius(workers=configured))
    assert worker_count(config) == count
