"""The script answers one question in an interpreter without a site, and leaves all others."""

from __future__ import annotations

import json
import marshal
import os
import posix
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from tests.conftest import Site
from tests.unit.yuenyan.test_at_once import answered, kept, readings, without_clock, words
from tests.vectors.flows.datagrams import SECONDS
from yuenyan import headstart

__all__ = ["kept"]

PROJECT = Path(headstart.__file__).parent.parent
CLOCK = f"""
import sys
clock = sys.modules["common.clock"]
clock.utc_now = lambda: clock.datetime.fromtimestamp({SECONDS} + 3 * 86400, clock.UTC)
"""


class Installed:
    """A virtual environment without packages, and the script in it as `make setup` leaves it."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, symlinks=True)
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.script = folder / "bin" / "yuenyan"
        text = (PROJECT / "deploy" / "yuenyan").read_text()
        self.script.write_text(text.replace("#!python", f"#!{self.python}", 1))
        self.run(str(self.python), "-m", "yuenyan.headstart", str(self.script), path=PROJECT)
        self.modules = Path(f"{self.python}.{sys.implementation.cache_tag}")
        self.change(lambda *rest: (*rest[:-1], _with_clock(rest[-1])))

    def change(self, change: Any) -> None:
        first, *rest = marshal.loads(self.modules.read_bytes())
        self.modules.write_bytes(marshal.dumps((first, *change(*rest))))

    def add_packages(self) -> None:
        version = "python{}.{}".format(*sys.version_info)
        packages = [str(PROJECT), *(path for path in sys.path if path.endswith("-packages"))]
        listed = self.folder / "lib" / version / "site-packages" / "all.pth"
        listed.write_text("\n".join(packages))

    def run(self, *command: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        if path is not None:
            variables["PYTHONPATH"] = str(path)
        return subprocess.run(command, capture_output=True, text=True, env=variables)


def _with_clock(parts: Any) -> Any:
    place = [name for name, _, _ in parts].index("common.clock") + 1
    fixed = ("clock", False, compile(CLOCK, "clock", "exec"))
    return (*parts[:place], fixed, *parts[place:])


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("venv") / "here")


def test_no_package_is_looked_for_and_the_answer_and_its_record_are_the_same(
    kept: Site, installed: Installed
) -> None:
    asked = words(kept)
    quick = installed.run(str(installed.script), *asked)
    assert (quick.returncode, quick.stderr) == (0, "")
    whole = answered(asked)
    assert whole is not None
    assert without_clock(quick.stdout) == without_clock(whole)
    assert quick.stdout == json.dumps(json.loads(quick.stdout), ensure_ascii=False, indent=2) + "\n"
    first, second = readings(kept)
    assert first == second


def test_no_module_of_it_looks_for_what_only_the_compiler_needs(installed: Installed) -> None:
    codes = _loaded(installed)
    assert [code.co_filename for code in codes if "__future__" in code.co_names] == []


def test_the_lines_of_the_sources_are_not_read_with_them(installed: Installed) -> None:
    codes = [code for whole in _loaded(installed) for code in _codes(whole)]
    assert len(codes) > 300
    assert [code.co_qualname for code in codes if code.co_linetable] == []


def _loaded(installed: Installed) -> list[CodeType]:
    first, _, _, parts = marshal.loads(installed.modules.read_bytes())
    return [first, *(code for name, _, code in parts if name != "clock")]


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _codes(inner)


def test_the_files_of_the_interpreter_that_are_needed_are_noted_where_they_are(
    installed: Installed,
) -> None:
    """No folder is looked through for them."""
    libraries = marshal.loads(installed.modules.read_bytes())[2]
    codes = [code for whole in _loaded(installed) for code in _codes(whole)]
    names = {name for code in codes for name in code.co_names if name[0] == "_" != name[1:2]}
    specs = {name: spec for name in names if (spec := find_spec(name)) and spec.has_location}
    assert dict(libraries) == {name: spec.origin for name, spec in specs.items()}


def test_what_it_recorded_is_beside_the_database_whole_and_counts(
    kept: Site, installed: Installed
) -> None:
    """The process ends without folding the log into the file."""
    database = Path(kept.config.database_url.removeprefix("sqlite:///"))
    before = database.read_bytes()
    for _ in range(3):
        assert installed.run(str(installed.script), *words(kept)).returncode == 0
    assert database.read_bytes() == before
    assert database.with_name(f"{database.name}-wal").stat().st_size > 4096
    assert len(readings(kept)) == 3


@pytest.mark.parametrize("reason", ["another-question", "changed", "damaged", "gone", "named"])
def test_everything_else_is_for_an_interpreter_with_its_packages(
    kept: Site, tmp_path: Path, reason: str
) -> None:
    installed = Installed(tmp_path / "venv")
    asked = words(kept, case=" " if reason == "another-question" else "ก-๑")
    if reason == "changed":
        installed.change(lambda stamps, *rest: ((*stamps[1:], (*stamps[0][:2], 7)), *rest))
    elif reason == "gone":
        installed.change(lambda stamps, _, parts: (stamps, (("_json", "/nowhere.so"),), parts))
    elif reason == "damaged":
        installed.modules.write_bytes(installed.modules.read_bytes()[:9000])
    path = tmp_path / "elsewhere" if reason == "named" else None
    lost = installed.run(str(installed.script), *asked, path=path)
    assert (lost.returncode, "No module named 'yuenyan'" in lost.stderr) == (1, True)
    assert readings(kept) == []
    if reason == "another-question":
        installed.add_packages()
        told = installed.run(str(installed.script), *asked)
        assert (told.returncode, told.stdout, told.stderr) == (
            2,
            "",
            "yuenyan: give the case this is for: --case TEXT\n",
        )


def test_who_reads_no_more_is_told_apart_from_a_full_disk(kept: Site, installed: Installed) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [str(installed.script), *words(kept)]
    with os.fdopen(writing, "wb") as gone:
        assert subprocess.run(command, stdout=gone).returncode == 141
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 3
    assert ended.stderr == "yuenyan: the system refused: No space left on device\n"


@pytest.mark.parametrize("taken", [[10**6], [3, 4, 10**6], [9, 10**6], [10, 1], [0, 11], [5, 6]])
@pytest.mark.parametrize("pieces", [(b"0123456789",), (b"012", b"", b"34", b"56789")])
def test_what_the_system_takes_in_pieces_is_written_whole(
    monkeypatch: pytest.MonkeyPatch, taken: list[int], pieces: Sequence[bytes]
) -> None:
    written, ended = said(monkeypatch, pieces, taken)
    assert (written, ended) == (b"0123456789\n", [0])


def test_more_pieces_than_the_system_takes_at_once_are_written_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pieces = [f"{number},".encode() for number in range(3000)]
    written, ended = said(monkeypatch, pieces, [10**6, 17] + [10**6] * 9)
    assert (written, ended) == (b"".join(pieces) + b"\n", [0])


def said(
    monkeypatch: pytest.MonkeyPatch, pieces: Sequence[bytes], taken: list[int]
) -> tuple[bytes, list[int]]:
    """What is written when the system takes so many octets at a time, and the code at the end."""
    written, ended, left = bytearray(), list[int](), iter(taken)

    def take(_handle: int, parts: Sequence[bytes]) -> int:
        assert len(parts) <= os.sysconf("SC_IOV_MAX")
        octets = b"".join(parts)[: next(left)]
        written.extend(octets)
        return len(octets)

    monkeypatch.setattr(posix, "writev", take)
    monkeypatch.setattr(posix, "_exit", ended.append)
    headstart.say(pieces)
    return bytes(written), ended


def test_it_is_prepared_once_more_without_asking_for_it_twice(
    installed: Installed,
) -> None:
    before = installed.script.read_text()
    headstart_again = installed.run(
        str(installed.python), "-m", "yuenyan.headstart", str(installed.script), path=PROJECT
    )
    assert headstart_again.returncode == 0
    assert installed.script.read_text() == before
    installed.change(lambda *rest: (*rest[:-1], _with_clock(rest[-1])))


@pytest.mark.parametrize("line", ["#!/elsewhere/bin/python", "#!{python} -I", "#!{python}\r"])
def test_a_script_of_another_place_or_with_options_is_left_as_it_is(
    tmp_path: Path, line: str
) -> None:
    """A copied tree would have the tree it was copied from answer with its modules."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    script = tmp_path / "bin" / "yuenyan"
    text = line.format(python=tmp_path / "bin" / "python").encode() + b"\nprint()\n"
    script.write_bytes(text)
    headstart.prepare(str(script))
    assert script.read_bytes() == text
    assert sorted(one.name for one in script.parent.iterdir()) == ["python", "yuenyan"]


def test_a_file_of_modules_in_another_form_is_passed_over(tmp_path: Path) -> None:
    installed = Installed(tmp_path / "venv")
    code = compile("pass", "another form", "exec")
    installed.modules.write_bytes(marshal.dumps((code, (), (), ())))
    told = installed.run(str(installed.script), "flows")
    assert "No module named 'yuenyan'" in told.stderr, "the interpreter with its packages"


def test_all_modules_of_the_answer_are_named_each_after_what_it_needs() -> None:
    """Loaded in the order of the list, none asks for one that is not there yet."""
    asked = "import sys, yuenyan.at_once, yuenyan.commands.console\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    ours = {name for name in ran.stdout.split() if name.partition(".")[0] in _packages()}
    assert ours <= {*headstart.MODULES}
    assert {*headstart.MODULES} - ours == {"yuenyan.standins"}


def _packages() -> set[str]:
    return {name.partition(".")[0] for name in headstart.MODULES}
