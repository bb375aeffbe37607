"""Debian's `eapol_test` as the access point and the phone in one: a network block in, the end out.

It computes the keys of every login itself and compares them with those the server sent.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.integration.radius_site import SECRET, LiveSite
from tests.programs import missing, require

_TEAP_RECIPE = Path(__file__).parents[2] / "deploy" / "eapol-test-teap.sh"
_LIMIT_SECONDS = 40.0
_ANSWER_SECONDS = "5"


@dataclass(frozen=True, slots=True)
class Ended:
    """How one run of eapol_test ended."""

    success: bool
    keys_equal: int
    """How often the keys of both sides were the same: once for each login of the run."""
    keys_different: int
    output: str

    @property
    def fragments(self) -> int:
        """How many packets the peer sent in pieces."""
        return self.output.count("more fragments will follow")


@dataclass(frozen=True, slots=True)
class Supplicant:
    """One device in front of one server; `folder` takes the configuration files."""

    live: LiveSite
    folder: Path
    mac: str
    program: str = ""
    """Another eapol_test than Debian's."""

    def login(self, network: dict[str, str], *options: str) -> Ended:
        """Log in with a network block, whose values are written as the file wants them."""
        path = self.folder / "network.conf"
        lines = "".join(f"  {key}={value}\n" for key, value in network.items())
        path.write_text(f"network={{\n{lines}}}\n", encoding="utf-8")
        run = subprocess.run(
            [
                self.program or require("eapol_test", "eapoltest"),
                *("-c", str(path), "-a", "127.0.0.1"),
                *("-p", str(self.live.auth_port), "-s", SECRET, "-M", self.mac),
                *("-t", _ANSWER_SECONDS, *options),
            ],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT_SECONDS,
        )
        last = run.stdout.splitlines()[-1:]
        assert last in (["SUCCESS"], ["FAILURE"]), run.stdout[-3000:]
        keys = re.search(r"MPPE keys OK: (\d+)  mismatch: (\d+)", run.stdout)
        assert keys is not None
        return Ended(last == ["SUCCESS"], int(keys[1]), int(keys[2]), run.stdout)

    def decisions(self) -> list[tuple[str, str, str, str, list[str]]]:
        """(user name, method, outcome, reason, trace) of each login, the oldest first."""
        rows = self.live.rows(
            "SELECT user_name, method, outcome, reason, trace FROM auth_event"
            " WHERE calling_station_id = :mac ORDER BY id",
            mac=self.mac.replace(":", ""),
        )
        return [(*map(str, row[:4]), str(row[4] or "").splitlines()) for row in rows]  # type: ignore[misc]


def require_teap() -> str:
    """The path of an eapol_test that speaks TEAP, which Debian's does not."""
    told = subprocess.run([_TEAP_RECIPE, "--path"], capture_output=True, text=True, check=True)
    path = told.stdout.strip()
    if not Path(path).exists():
        missing("there is no eapol_test with TEAP (deploy/eapol-test-teap.sh builds it)")
    return path
