"""Decoded flows as columns: what decoders return and the archive stores.

A column that is missing holds its default in every row, so that the usual record does not
pay for fields its exporter never sends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from traffic.decoders.fields import COLUMNS, DEFAULTS, Array


@dataclass(frozen=True, slots=True)
class FlowBatch:
    """`records` flows; every array has that length and the type `COLUMNS` names."""

    records: int
    columns: dict[str, Array] = field(default_factory=dict)
    exporters: tuple[str, ...] = ()
    """Addresses; the column `exporter` counts into them."""

    def __len__(self) -> int:
        return self.records

    def column(self, name: str) -> Array:
        """The column, made of its default when no exporter sent it."""
        present = self.columns.get(name)
        if present is not None:
            return present
        return np.full(self.records, DEFAULTS.get(name, 0), COLUMNS[name])

    def take(self, rows: Array) -> FlowBatch:
        """The flows at the positions `rows` (or where a mask is true), in that order."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        kept = int(np.count_nonzero(rows)) if rows.dtype == np.bool_ else len(rows)
        return FlowBatch(kept, columns, self.exporters)


def split(batch: FlowBatch, keys: Array) -> list[tuple[int, FlowBatch]]:
    """(key, its flows) for each of the numbers in `keys`, one a flow; the least first.

    Uses the batch up, as `join` does its parts.
    """
    if keys.min() == keys.max():
        return [(int(keys[0]), batch)]
    parts = []
    for key in np.unique(keys).tolist():
        rows = keys == key
        parts.append((key, rows, FlowBatch(int(np.count_nonzero(rows)), {}, batch.exporters)))
    for name in list(batch.columns):
        values = batch.columns.pop(name)
        for _, rows, part in parts:
            part.columns[name] = values[rows]
    return [(key, part) for key, _, part in parts]


def join(parts: Sequence[FlowBatch], exporters: tuple[str, ...]) -> FlowBatch:
    """One batch of all `parts`, which already count into the same `exporters`.

    Uses the parts up: they lose their columns, so that none need be in memory twice.
    """
    if len(parts) == 1:
        return FlowBatch(parts[0].records, parts[0].columns, exporters)
    columns: dict[str, Array] = {}
    for name in COLUMNS:
        if any(name in part.columns for part in parts):
            columns[name] = np.concatenate([part.column(name) for part in parts])
            for part in parts:
                part.columns.pop(name, None)
    return FlowBatch(sum(part.records for part in parts), columns, exporters)
