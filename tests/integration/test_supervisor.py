"""The supervisor with real children: restart, drain, refusal, and no orphans."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import wait_until

_SUPERVISOR = """
import sys
from common.logging import configure
from yuenyan.supervisor import Program, Supervisor
configure("supervisor")
programs = [Program(p, [sys.executable, p]) for p in sys.argv[2:]]
sys.exit(Supervisor(programs, drain_seconds=float(sys.argv[1])).run())
"""

_PATIENT = """
import os, signal, sys, time
from pathlib import Path
here = Path(__file__)
def drain(*_):
    time.sleep(0.3)
    here.with_suffix(".drained").write_text("yes")
    with (here.parent / "order").open("a") as order:
        order.write(here.stem + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, drain)
here.with_suffix(".pid").write_text(str(os.getpid()))
while True:
    time.sleep(0.05)
"""

_CRASHING = """
import sys, time
from pathlib import Path
with Path(__file__).with_suffix(".starts").open("a") as starts:
    starts.write(f"{time.monotonic()}\\n")
sys.exit(1)
"""

_REFUSING = """
import sys
print("yuenyan: site.nonsense: unknown key", file=sys.stderr)
sys.exit(2)
"""

_STUBBORN = """
import os, signal, subprocess, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, signal.SIG_IGN)
helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path(__file__).with_suffix(".helper").write_text(str(helper.pid))
Path(__file__).with_suffix(".pid").write_text(str(os.getpid()))
while True:
    time.sleep(0.05)
"""


class Stage:
    """A folder of small programs and the supervisor that runs them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[str]] = []

    def program(self, name: str, source: str) -> Path:
        path = self.folder / f"{name}.py"
        path.write_text(textwrap.dedent(source), encoding="utf-8")
        return path

    def supervise(self, *programs: Path, drain_seconds: float = 20) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", _SUPERVISOR, str(drain_seconds), *map(str, programs)],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        return process

    def number(self, program: Path, suffix: str = ".pid") -> int:
        """The process number that a program has written down."""
        note = program.with_suffix(suffix)
        wait_until(lambda: note.exists() and note.read_text(), 20, f"{note} was not written")
        return int(note.read_text())


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    for process in made.running:
        process.kill()
        process.communicate(timeout=20)


def is_alive(number: int) -> bool:
    """Whether the process still runs; a zombie that waits to be collected does not."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_drains_every_child_in_reverse_order_and_exits_0(
    stage: Stage, number: signal.Signals
) -> None:
    first, second = stage.program("first", _PATIENT), stage.program("second", _PATIENT)
    supervisor = stage.supervise(first, second)
    children = [stage.number(first), stage.number(second)]

    supervisor.send_signal(number)
    _, log = supervisor.communicate(timeout=20)

    assert supervisor.returncode == 0
    assert not any(is_alive(child) for child in children)
    assert first.with_suffix(".drained").exists()
    assert second.with_suffix(".drained").exists()
    assert log.index(f'"name": "{second}", "exit_code": 0') < log.index(
        f'"name": "{first}", "exit_code": 0'
    )


def test_a_crashed_child_is_started_again_after_one_and_then_two_seconds(stage: Stage) -> None:
    crashing = stage.program("crashing", _CRASHING)
    supervisor = stage.supervise(crashing)
    starts = crashing.with_suffix(".starts")
    wait_until(
        lambda: starts.exists() and len(starts.read_text().split()) >= 3,
        20,
        "the child was not started three times",
    )
    supervisor.terminate()
    supervisor.communicate(timeout=20)

    moments = [float(text) for text in starts.read_text().split()]
    assert 1.0 <= moments[1] - moments[0] < 2.0
    assert 2.0 <= moments[2] - moments[1] < 3.5


def test_a_crash_leaves_the_other_children_alone(stage: Stage) -> None:
    patient, crashing = stage.program("patient", _PATIENT), stage.program("crashing", _CRASHING)
    supervisor = stage.supervise(patient, crashing)
    before = stage.number(patient)
    starts = crashing.with_suffix(".starts")
    wait_until(
        lambda: starts.exists() and len(starts.read_text().split()) >= 2, 20, "no second start"
    )
    assert is_alive(before)
    assert stage.number(patient) == before
    supervisor.terminate()
    supervisor.communicate(timeout=20)


def test_a_child_that_refuses_its_configuration_stops_everything_with_2(stage: Stage) -> None:
    patient, refusing = stage.program("patient", _PATIENT), stage.program("refusing", _REFUSING)
    supervisor = stage.supervise(patient, refusing)
    _, log = supervisor.communicate(timeout=30)
    assert supervisor.returncode == 2
    assert "site.nonsense: unknown key" in log
    assert log.count('"event": "process_started"') == 2


def test_a_child_that_does_not_drain_is_killed_with_all_it_started(stage: Stage) -> None:
    stubborn = stage.program("stubborn", _STUBBORN)
    supervisor = stage.supervise(stubborn, drain_seconds=1)
    child, helper = stage.number(stubborn), stage.number(stubborn, ".helper")
    began = time.monotonic()
    supervisor.terminate()
    _, log = supervisor.communicate(timeout=20)
    assert supervisor.returncode == 0
    assert 1.0 <= time.monotonic() - began < 10
    assert "process_killed" in log
    wait_until(lambda: not is_alive(child) and not is_alive(helper), 5, "something outlived it")
    assert not is_alive(helper)


def test_a_killed_supervisor_leaves_no_orphan_and_its_children_drain(stage: Stage) -> None:
    first, second = stage.program("first", _PATIENT), stage.program("second", _PATIENT)
    supervisor = stage.supervise(first, second)
    children = [stage.number(first), stage.number(second)]

    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.communicate(timeout=20)

    wait_until(
        lambda: not any(is_alive(child) for child in children),
        10,
        "a child outlived its supervisor",
    )
    assert first.with_suffix(".drained").exists()
    assert second.with_suffix(".drained").exists()
