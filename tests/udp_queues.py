"""What the kernel holds for whoever has a UDP port of this machine."""

from __future__ import annotations

import time
from pathlib import Path

from tests.conftest import wait_until

TURN_SECONDS = 0.2
"""For a collector that has read what came to write it down; it takes milliseconds."""


def unread_octets(port: int) -> int | None:
    """Octets that the socket bound to a port has not read; None: there is no such socket."""
    for line in Path("/proc/net/udp").read_text(encoding="ascii").splitlines()[1:]:
        _, local, _, _, queues, *_ = line.split()
        if local.endswith(f":{port:04X}"):
            return int(queues.partition(":")[2], 16)
    return None


def wait_for_reader(port: int) -> None:
    """Return when everything that was sent to `port` was read and written down."""
    wait_until(lambda: unread_octets(port) == 0, 20, f"port {port} is not read")
    time.sleep(TURN_SECONDS)
