"""The copies of the configured witnesses that can be read from here: folders and time-stamps."""

from __future__ import annotations

from pathlib import Path

from common.config import Config
from common.errors import NotFound
from common.witnesses import WitnessKind
from traffic.archive.witness_copies import WitnessCopy, read_copy
from traffic.witnesses.senders import SEAL_FILES
from traffic.witnesses.state import witness_folder


def reachable_copies(config: Config) -> tuple[list[WitnessCopy], list[str]]:
    """(copies, addresses of witnesses that only others can ask).

    Raises:
        ArchiveError: a copy is damaged.
    """
    copies: list[WitnessCopy] = []
    elsewhere: list[str] = []
    for address in config.archive.witness_addresses:
        match address.kind:
            case WitnessKind.DIRECTORY:
                # All of them, whatever key they are named by: ours may have been replaced.
                paths = sorted(Path(address.target).glob(SEAL_FILES))
            case WitnessKind.TIMESTAMP:
                paths = [witness_folder(config, address)]
            case _:
                paths = []
        try:
            found = [read_copy(path, config.archive.timestamp_ca) for path in paths]
        except NotFound:
            found = []
        if not found:
            elsewhere.append(address.shown)
        copies += found
    return copies, elsewhere
