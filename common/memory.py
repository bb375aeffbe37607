"""How much memory there is to work with: the machine's, or what its service was given of it."""

from __future__ import annotations

import os
from pathlib import Path

_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Of the control group, version 2 and 1, as a container sees it."""

_OWN = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


def memory_octets() -> int:
    """Octets of memory that this process may come to use, at most."""
    octets = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([octets, *(limit for limit in map(_limit, (*_LIMITS, *_groups())) if limit)])


def _groups() -> list[Path]:
    """Limits of the control group that we are in, and of those around it (version 2)."""
    try:
        lines = _OWN.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    for line in lines:
        if line.startswith("0::/"):
            own = _MOUNT / line.removeprefix("0::/")
            around = [own, *own.parents]
            return [one / "memory.max" for one in around if one.is_relative_to(_MOUNT)]
    return []


def _limit(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return int(text) if text.isdigit() else None
