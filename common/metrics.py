"""Counters that are cheap enough for the packet path, written out in Prometheus text form.

Each process keeps its own registry and writes it to `<data_dir>/metrics/<process>.prom`,
where the admin portal (and a node_exporter) reads it.
"""

from __future__ import annotations

import os
from pathlib import Path


class Counters:
    """Named counters of one process: `counters.add("radius_dropped", reason="malformed")`."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}

    def add(self, name: str, amount: int = 1, **labels: str) -> None:
        """Add `amount` to the counter `name` with these labels."""
        key = (name, tuple(sorted(labels.items())))
        self._values[key] = self._values.get(key, 0) + amount

    def put(self, name: str, value: int, **labels: str) -> None:
        """Set a gauge, such as a number of the database that this process has seen."""
        self._values[(name, tuple(sorted(labels.items())))] = value

    def get(self, name: str, **labels: str) -> int:
        """The present value; 0 when it never moved."""
        return self._values.get((name, tuple(sorted(labels.items()))), 0)

    def render(self) -> str:
        """Prometheus text exposition of every counter."""
        lines = []
        for (name, labels), value in sorted(self._values.items()):
            inner = ",".join(f'{key}="{_escape(text)}"' for key, text in labels)
            series = f"yuenyan_{name}{{{inner}}}" if inner else f"yuenyan_{name}"
            lines.append(f"{series} {value}")
        return "\n".join(lines) + "\n"

    def write(self, path: Path) -> None:
        """Replace `path` with the present values, never leaving a half-written file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(f".{os.getpid()}.tmp")
        aside.write_text(self.render(), encoding="utf-8")
        aside.replace(path)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
