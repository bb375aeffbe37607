"""What the chrony of this machine knows about its clock (`chronyc -c tracking`).

The words of chronyc(1) for the bound: the clock is at most |system time offset| + root
dispersion + half the root delay wrong. Runs the command and reads its one line; sets nothing.
"""

from __future__ import annotations

import shlex
import subprocess

from traffic.clock.judgement import State, Verdict
from traffic.clock.ntp import is_local

_SECONDS = 5.0
_FIELDS = 14
_NO_REFERENCE = "00000000"


def ask_chrony(command: str) -> Verdict | None:
    """The verdict of chrony; None when there is none, or it does not answer."""
    if not command:
        return None
    try:
        ran = subprocess.run(  # noqa: S603 - the operator's own command
            [*shlex.split(command), "-c", "tracking"],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    return parse_tracking(ran.stdout) if ran.returncode == 0 else None


def parse_tracking(line: str) -> Verdict | None:
    """The verdict in one line of `chronyc -c tracking`; None when it is none."""
    cells = line.strip().split(",")
    if len(cells) != _FIELDS:
        return None
    try:
        reference, name, stratum = cells[0], cells[1], int(cells[2])
        # Positive: our clock is slow, so that ours minus theirs is its negative.
        offset_us = -round(float(cells[4]) * 1e6)
        half_delay_us = float(cells[10]) * 1e6 / 2
        dispersion_us = float(cells[11]) * 1e6
        address = ".".join(str(octet) for octet in bytes.fromhex(reference))
    except ValueError:
        return None
    root_us = round(half_delay_us + dispersion_us)
    if is_local(address):
        return Verdict(
            state=State.UNSYNCHRONISED, method="chrony", reason="local_clock", stratum=stratum
        )
    if reference == _NO_REFERENCE or not 0 < stratum < 16 or cells[13] == "Not synchronised":
        return Verdict(state=State.UNSYNCHRONISED, method="chrony", reason="chrony_unsynchronised")
    source = name or address
    return Verdict(
        state=State.SYNCHRONISED,
        method="chrony",
        source=source,
        offset_us=offset_us,
        error_us=root_us + 1,
        stratum=stratum,
        root_distance_us=root_us,
        believed=(source,),
    )
