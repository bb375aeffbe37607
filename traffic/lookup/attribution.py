"""Who was behind an address: the rules, without any I/O.

Never guesses: every holder whose time overlaps the window is a candidate, and a wider
window can only add candidates. Names accounts and devices; it cannot know who sat at the
keyboard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address, ip_network

from traffic.lookup.spans import LET_GO as LET_GO
from traffic.lookup.spans import GapSpan as GapSpan
from traffic.lookup.spans import Window as Window
from traffic.lookup.spans import uncovered as uncovered


class Outcome(StrEnum):
    """What a look-up found."""

    SINGLE = "single"
    AMBIGUOUS = "ambiguous"
    NONE = "none"
    GAP = "gap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A session that had an address, from when to when (None: it is still open)."""

    session_key: str
    account_id: int | None
    account: str | None
    full_name: str
    user_name: str
    mac: str | None
    nas: str
    address: str
    """IPv4, IPv6, or an IPv6 prefix."""
    from_at: datetime
    to_at: datetime | None
    last_heard_at: datetime
    closed_by: str | None
    """What ended the session; None while it is open."""
    certain_to: datetime | None = None
    """After this only nothing was heard to the contrary: the session ended, its stop never
    came. None: certain to the end."""
    evidence: tuple[str, ...]

    @property
    def certain(self) -> tuple[datetime, datetime | None]:
        """From when to when packets prove that it had the address."""
        return self.from_at, self.to_at if self.certain_to is None else self.certain_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """An inside address that stood behind the public one, as flows or NAT events show."""

    inside_address: str
    inside_port: int | None
    from_at: datetime
    to_at: datetime
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One possible answer. Without a holder, only the address is known, not who had it."""

    holder: Holder | None
    binding: Binding | None
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """The answer; `gaps` are those that could have hidden another candidate."""

    outcome: Outcome
    candidates: tuple[Candidate, ...]
    gaps: tuple[GapSpan, ...]


def attribute(
    window: Window,
    *,
    own: Sequence[Holder] = (),
    bindings: Sequence[Binding] = (),
    holders: Sequence[Holder] = (),
    gaps: Sequence[GapSpan] = (),
    margin: timedelta = timedelta(0),
    complete: bool = True,
) -> Attribution:
    """Attribute the address asked for to whoever may have had it during `window`.

    Args:
        window: the asker's time and tolerance, already widened by the clock error.
        own: sessions that had the address itself.
        bindings: inside addresses that stood behind it.
        holders: sessions that had one of those inside addresses.
        gaps: what is missing and might hide a candidate of `window`; where others were let go,
            nobody is the only one.
        margin: how far the clock of the exporter may be from ours.
        complete: False when there are more bindings than were read: then nobody is the only
            one, and nobody can say that there is none.
    """
    found = [
        Candidate(holder=holder, binding=None, evidence=holder.evidence)
        for holder in own
        if _holds(holder, window)
    ]
    found += _unproven(window, own, margin)
    found += _behind(window, bindings, holders, margin)
    if not any(candidate.holder for candidate in found):
        outcome = Outcome.GAP if gaps or not complete else Outcome.NONE
        return Attribution(outcome=outcome, candidates=(), gaps=tuple(gaps))
    persons = {_identity(candidate) for candidate in found}
    # Whoever a hold has left is the only one on record, not the only one there was.
    complete = complete and not any(gap.reason == LET_GO for gap in gaps)
    return Attribution(
        outcome=Outcome.SINGLE if complete and len(persons) == 1 else Outcome.AMBIGUOUS,
        candidates=tuple(sorted(found, key=_order)),
        gaps=tuple(gaps),
    )


def _behind(
    window: Window, bindings: Sequence[Binding], holders: Sequence[Holder], margin: timedelta
) -> list[Candidate]:
    """Candidates behind a translated address.

    A binding brings one that nobody knows as well, where no session is certain to have held its
    address for the whole of it. Twice the margin is forgiven there: one stretches the binding,
    and sessions begin and end in whole seconds, too; who is that near is a candidate.
    """
    found: dict[tuple[str, str, int | None], Candidate] = {}
    for binding in bindings:
        begins, ends = binding.from_at - margin, binding.to_at + margin
        if not window.overlaps(begins, ends):
            continue
        part = window.within(begins, ends)
        near = part.widened(2 * margin)
        held: list[Holder | None] = [
            holder
            for holder in holders
            if _covers(holder.address, binding.inside_address) and _holds(holder, near)
        ]
        proven = [_stretched(holder.certain, 2 * margin) for holder in held if holder is not None]
        for holder in [*held, None] if part.without(proven) else held:
            evidence = (*(holder.evidence if holder else ()), *binding.evidence)
            key = (
                holder.session_key if holder else "",
                binding.inside_address,
                binding.inside_port,
            )
            before = found.get(key)
            if before is not None:
                evidence = tuple(dict.fromkeys((*before.evidence, *evidence)))
            found[key] = Candidate(holder=holder, binding=binding, evidence=evidence)
    return list(found.values())


def _unproven(window: Window, own: Sequence[Holder], margin: timedelta) -> list[Candidate]:
    """Somebody unknown, when a session may have left the address before it was missed."""
    proven = [_stretched(holder.certain, 2 * margin) for holder in own]
    parts = window.without(proven)
    evidence = [
        reference
        for holder in own
        if holder.certain_to is not None
        and any(part.overlaps(holder.certain_to, holder.to_at) for part in parts)
        for reference in holder.evidence
    ]
    if not evidence:
        return []
    return [Candidate(holder=None, binding=None, evidence=tuple(dict.fromkeys(evidence)))]


def _stretched(
    span: tuple[datetime, datetime | None], margin: timedelta
) -> tuple[datetime, datetime | None]:
    from_at, to_at = span
    return from_at - margin, None if to_at is None else to_at + margin


def _holds(holder: Holder, window: Window) -> bool:
    return window.overlaps(holder.from_at, holder.to_at)


def _covers(held: str, address: str) -> bool:
    if "/" not in held:
        return held == address
    return ip_address(address) in ip_network(held)


def _identity(candidate: Candidate) -> tuple[str, ...]:
    """What makes two candidates the same answer: the account, else name and device.

    A name without an account proves nobody: two devices may both send `anonymous`.
    """
    holder = candidate.holder
    if holder is None:
        return "address", candidate.binding.inside_address if candidate.binding else ""
    if holder.account_id is not None:
        return "account", str(holder.account_id)
    if holder.mac is None:
        return "session", holder.session_key
    return "user", holder.user_name, holder.mac


def _order(candidate: Candidate) -> tuple[bool, str, str, str]:
    holder, binding = candidate.holder, candidate.binding
    return (
        holder is None,
        holder.account or holder.user_name if holder else "",
        holder.session_key if holder else "",
        binding.inside_address if binding else "",
    )
