"""What is remembered of each witness: how far it has been shown the seals, and why no further.

The seals themselves are the queue: they are on the disk and in order, so a witness that was
away is owed everything after its position. `data_dir/witnesses/<id>/state.json`.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from common.config import Config
from common.witnesses import WitnessAddress

_FILE = "state.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessState:
    """One witness; times in milliseconds since 1970, 0 for never."""

    delivered: int = 0
    """Seals it has been shown, counted from the first."""
    delivered_hash: str = ""
    """SHA-256 of the last of them."""
    delivered_at_ms: int = 0
    behind_since_ms: int = 0
    """When the first delivery failed since the last that did not."""
    attempts: int = 0
    next_try_ms: int = 0
    error: str = ""
    conflict: bool = False
    """What it has seen is not in the archive: somebody wrote the archive anew."""


def witness_folder(config: Config, address: WitnessAddress) -> Path:
    """Where the state of one witness lies, and the time-stamps it gave."""
    return config.data_dir / "witnesses" / address.id


def load_state(folder: Path) -> WitnessState:
    """The remembered state; a new one when there is none or it is damaged."""
    try:
        return WitnessState(**json.loads((folder / _FILE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return WitnessState()


def save_state(folder: Path, state: WitnessState) -> None:
    """Remember `state`; on the disk when this returns."""
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    aside = folder / f"{_FILE}.{os.getpid()}"
    with aside.open("w", encoding="utf-8") as stream:
        json.dump(asdict(state), stream)
        stream.flush()
        os.fsync(stream.fileno())
    aside.rename(folder / _FILE)
