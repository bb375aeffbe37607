"""Where the collector keeps things below the data directory."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from pathlib import Path

from common.config import Config


@dataclass(frozen=True, slots=True)
class CollectorPaths:
    """Directories of one node; `make` creates them."""

    spool: Path
    state: Path
    archive: Path
    node: str

    def make(self) -> None:
        """Create what is missing, closed to others."""
        for directory in (self.spool, self.state, self.archive):
            directory.mkdir(mode=0o750, parents=True, exist_ok=True)


def collector_paths(config: Config) -> CollectorPaths:
    """The paths that `config` means on this machine."""
    root = config.data_dir
    return CollectorPaths(root / "spool", root / "collector", root / "archive", node_name())


def node_name() -> str:
    """This machine's name as it stands in file names and in service_run."""
    return re.sub(r"[^A-Za-z0-9]+", "-", platform.node()).strip("-") or "node"
