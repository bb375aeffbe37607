"""Answers `flows` of one address in an interpreter that has loaded nothing yet.

An interpreter that starts for a site looks for its packages first, which takes as long as the
answer. So `make setup` has the script start it without (`-S`), and puts the few modules of the
answer into one file beside the interpreter (`python -m yuenyan.headstart SCRIPT`). What is not
for here is left to an interpreter that is started anew, with everything. So is all when one of
the modules has changed since, or `PYTHONPATH` names others.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType
    from typing import NoReturn

    Stamp = tuple[str, int, int, int]
    """Path of a source, when it and its entry in the folder changed last, its octets."""
    Part = tuple[str, bool, CodeType]
    Library = tuple[str, str]
    """Name and file of a module of the interpreter's own."""

MODULES = (
    "yuenyan",
    "yuenyan.standins",
    "common",
    "common.errors",
    "common.plain_json",
    "common.config_known",
    "common.clock",
    "common.local_time",
    "common.said_time",
    "traffic",
    "traffic.moments",
    "traffic.archive",
    "traffic.archive.places",
    "traffic.archive.pages",
    "traffic.archive.records",
    "traffic.archive.zstd",
    "traffic.archive.direct",
    "traffic.archive.index_form",
    "traffic.archive.glance",
    "traffic.clock",
    "traffic.clock.bound",
    "traffic.collectors",
    "traffic.collectors.first_record",
    "traffic.decoders",
    "traffic.decoders.syslog",
    "traffic.decoders.syslog.prefix",
    "traffic.collectors.gap_kinds",
    "traffic.lookup",
    "traffic.lookup.spans",
    "traffic.lookup.missing",
    "traffic.lookup.sentences",
    "traffic.lookup.flows_answer",
    "traffic.lookup.flow_lines",
    "traffic.lookup.sqlite",
    "traffic.lookup.at_once",
    "yuenyan.commands",
    "yuenyan.commands.console",
    "yuenyan.at_once",
)
"""What the answer is made by, each after those that it needs."""

LIBRARIES = ("_json", "_ctypes", "_sqlite3")
"""What they need of the interpreter that is a file of its own."""

_LATE = b"\nfrom __future__ import annotations\n"
"""The first import of each. Said to the compiler instead, the module need not be looked for."""

_BROKEN_PIPE, _REFUSED = 141, 3
"""As yuenyan.cli ends."""

_AT_ONCE = 1000
"""Pieces in one call to the system; Linux takes 1,024 (IOV_MAX)."""


def run(stamps: Sequence[Stamp], libraries: Sequence[Library], parts: Sequence[Part]) -> None:
    """Answer and end the process; or return, with nothing done but modules in odd places."""
    import posix

    if not takes_utf8():
        return
    for path, *changed in stamps:
        try:
            stat = posix.stat(path)
        except OSError:
            return
        if [stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size] != changed:
            return
    try:
        document = _answer(libraries, parts)
    except Exception:  # whoever starts anew does it all again, and can say what is wrong
        return
    if document is not None:
        say(document)


def _answer(libraries: Sequence[Library], parts: Sequence[Part]) -> Sequence[bytes] | None:
    for name, is_package, code in parts:
        module = type(sys)(name)
        module.__file__ = code.co_filename
        if is_package:
            module.__path__ = []
        sys.modules[name] = module
        above, _, own = name.rpartition(".")
        if above:
            setattr(sys.modules[above], own, module)
        exec(code, module.__dict__)  # noqa: S102 - our own, by who installed it
        if name == "yuenyan.standins":
            module.stand_in()
            module.load(libraries)
    document: Sequence[bytes] | None = sys.modules["yuenyan.at_once"].answer(
        sys.argv[1:], is_last=True
    )
    return document


def takes_utf8() -> bool:
    """Whether what is printed may be written as it is."""
    return sys.stdout is not None and sys.stdout.encoding == "utf-8"


def say(document: Sequence[bytes]) -> NoReturn:
    """Print its pieces and be over, without taking the interpreter apart piece by piece first."""
    import posix

    code, left = 0, [*document, b"\n"]
    try:
        while left:
            written = posix.writev(1, left[:_AT_ONCE])
            done = 0
            while done < len(left) and written >= len(left[done]):
                written -= len(left[done])
                done += 1
            del left[:done]
            if written:
                left[0] = left[0][written:]
    except BrokenPipeError:
        code = _BROKEN_PIPE
    except OSError as error:
        posix.write(2, f"yuenyan: the system refused: {error.strerror}\n".encode())
        code = _REFUSED
    posix._exit(code)


def prepare(script: str) -> None:
    """Make the file of modules, and have `script` start its interpreter without a site.

    Only a script that starts the interpreter beside it and gives it no other options; any other
    is left as it is, and works as it did.

    Raises:
        OSError: one of them cannot be written.
    """
    import __future__

    import marshal
    from importlib.util import find_spec
    from pathlib import Path

    line, _, rest = Path(script).read_bytes().partition(b"\n")
    interpreter = line.removeprefix(b"#!").removesuffix(b" -S").decode("utf-8", "replace")
    if Path(interpreter).parent != Path(script).absolute().parent or not Path(interpreter).exists():
        return
    late = __future__.annotations.compiler_flag
    stamps: list[Stamp] = []
    parts: list[Part] = []
    for name in (__spec__.name, *MODULES):
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        path = Path(spec.origin)
        stat = path.stat()
        stamps.append((str(path), stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size))
        source = path.read_bytes().replace(_LATE, b"\n\n", 1)
        code = compile(source, str(path), "exec", late, True, optimize=2)
        is_package = spec.submodule_search_locations is not None
        parts.append((name, is_package, _without_lines(code)))
    found = [(name, find_spec(name)) for name in LIBRARIES]
    libraries = [(name, spec.origin) for name, spec in found if spec and spec.has_location]
    whole = marshal.dumps((parts[0][2], tuple(stamps), tuple(libraries), tuple(parts[1:])))
    _replace(f"{interpreter}.{sys.implementation.cache_tag}", whole, 0o644)
    _replace(script, f"#!{interpreter} -S\n".encode() + rest, 0o755)


def _without_lines(code: CodeType) -> CodeType:
    """Without its table of lines, a quarter of it: where something went wrong nobody is told."""
    kind = type(code)
    inner = [_without_lines(one) if isinstance(one, kind) else one for one in code.co_consts]
    return code.replace(co_consts=tuple(inner), co_linetable=b"")


def _replace(path: str, octets: bytes, mode: int) -> None:
    import os

    aside = f"{path}.aside"
    with open(aside, "wb") as stream:  # noqa: PTH123
        stream.write(octets)
    os.chmod(aside, mode)  # noqa: PTH101
    os.rename(aside, path)  # noqa: PTH104


if __name__ == "__main__":
    prepare(sys.argv[1])
