"""Shows every witness the seals it is owed; one that is away is tried again, ever more slowly.

`deliver` does one round. A witness that holds other seals than the archive is shown nothing
more: it is the proof of what happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from common.config import Config
from common.errors import ArchiveError, BackendUnavailable, ConfigError
from common.witnesses import WitnessAddress
from traffic.archive.seals import Seal, read_seals, seal_hash
from traffic.witnesses.senders import Sender, sender_for
from traffic.witnesses.state import WitnessState, load_state, save_state, witness_folder

FIRST_WAIT_MS = 60_000
LONGEST_WAIT_MS = 3_600_000
"""A witness that comes back is shown what it missed within the hour."""


@dataclass(frozen=True, slots=True)
class Witnessed:
    """One witness and how it stands."""

    address: WitnessAddress
    state: WitnessState
    owed: int
    """Seals it has not been shown."""


def deliver(config: Config, now_ms: int, *, all_now: bool = False) -> list[Witnessed]:
    """One round over all witnesses; how each stands after it.

    Args:
        all_now: try also those whose time has not come, and send letters that gather.

    Raises:
        ArchiveError: the seals cannot be read.
    """
    seals = read_seals(config.data_dir / "archive")
    return [_deliver(config, one, seals, now_ms, all_now) for one in _addresses(config)]


def standing(config: Config) -> list[Witnessed]:
    """How each witness stands, without speaking to any.

    Raises:
        ArchiveError: the seals cannot be read.
    """
    seals = read_seals(config.data_dir / "archive")
    found = []
    for address in _addresses(config):
        state = load_state(witness_folder(config, address))
        conflict = state.conflict or _cut(seals, state)
        owed = max(0, len(seals) - state.delivered)
        found.append(Witnessed(address, replace(state, conflict=conflict), owed))
    return found


def _addresses(config: Config) -> Sequence[WitnessAddress]:
    return config.archive.witness_addresses


def _deliver(
    config: Config, address: WitnessAddress, seals: Sequence[Seal], now_ms: int, all_now: bool
) -> Witnessed:
    folder = witness_folder(config, address)
    state = load_state(folder)
    if _cut(seals, state):
        told = f"was shown {state.delivered} seals; the archive has others now"
        state = _conflict(state, told)
        save_state(folder, state)
    elif len(seals) > state.delivered and (all_now or _is_time(address, state, now_ms)):
        sender = sender_for(config, address, folder)
        while len(seals) > state.delivered:
            state = _send(address.hours, sender, seals, state, now_ms)
            save_state(folder, state)
            if state.error:
                break
    return Witnessed(address, state, max(0, len(seals) - state.delivered))


def _send(
    hours: int,
    sender: Sender,
    seals: Sequence[Seal],
    state: WitnessState,
    now_ms: int,
) -> WitnessState:
    """Send the next batch; the state after it, whose `error` says when it failed."""
    until = min(len(seals), state.delivered + sender.batch)
    try:
        sender.send(seals[:until], state.delivered)
    except ArchiveError as error:
        return _conflict(state, str(error))
    except (BackendUnavailable, ConfigError, OSError) as error:
        wait = min(LONGEST_WAIT_MS, FIRST_WAIT_MS << min(state.attempts, 10))
        return replace(
            state,
            attempts=state.attempts + 1,
            behind_since_ms=state.behind_since_ms or now_ms,
            next_try_ms=now_ms + wait,
            error=str(error),
        )
    return WitnessState(
        delivered=until,
        delivered_hash=seal_hash(seals[until - 1]),
        delivered_at_ms=now_ms,
        next_try_ms=now_ms + hours * 3_600_000,
    )


def _conflict(state: WitnessState, told: str) -> WitnessState:
    return replace(state, conflict=True, error=told)


def _is_time(address: WitnessAddress, state: WitnessState, now_ms: int) -> bool:
    # A clock that was set back does not put a try off for longer than the longest wait.
    longest = max(LONGEST_WAIT_MS, address.hours * 3_600_000)
    return not 0 < state.next_try_ms - now_ms <= longest


def _cut(seals: Sequence[Seal], state: WitnessState) -> bool:
    """True when the last seal the witness was shown is not at its place any more."""
    if not state.delivered:
        return False
    if len(seals) < state.delivered:
        return True
    return seal_hash(seals[state.delivered - 1]) != state.delivered_hash
