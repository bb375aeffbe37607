"""The copies of the configured witnesses that can be read from here: folders and time-stamps."""

from __future__ import annotations

from pathlib import Path

from common.config import Config
from common.errors import NotFound
from common.witnesses import WitnessKind
from traffic.archive.seals import read_public_key
from traffic.archive.witness_copies import WitnessCopy, read_copy
from traffic.witnesses.state import load_state, witness_folder


def reachable_copies(config: Config) -> tuple[list[WitnessCopy], list[str]]:
    """(copies, addresses of witnesses that only others can ask).

    Raises:
        ArchiveError: a copy is damaged.
    """
    copies: list[WitnessCopy] = []
    elsewhere: list[str] = []
    public = read_public_key(config.keys_dir).hex()[:16] if config.archive.witnesses else ""
    for address in config.archive.witness_addresses:
        match address.kind:
            case WitnessKind.DIRECTORY:
                path = Path(address.target) / f"yuenyan-seals-{public}.jsonl"
                if not Path(address.target).is_dir():
                    elsewhere.append(address.shown)
                    continue
            case WitnessKind.TIMESTAMP:
                path = witness_folder(config, address)
            case _:
                elsewhere.append(address.shown)
                continue
        try:
            copies.append(read_copy(path, config.archive.timestamp_ca))
        except NotFound:
            if load_state(witness_folder(config, address)).delivered:
                elsewhere.append(address.shown)
    return copies, elsewhere
