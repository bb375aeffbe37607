"""What `flows` uses of the standard library, without what it does not use of it.

Only for the process of yuenyan.headstart, which answers one question and is over, or becomes
another program: there `import datetime` gives what is built into the interpreter, and not first
the same once more in Python. Together these save as long as the whole answer takes.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType
    from typing import Any

_BUILT_IN = ("bisect", "datetime", "stat", "struct")
"""Modules whose C half, called the same with an underscore, has all that is asked of them."""


def stand_in() -> None:
    """Put them in the place of the modules they stand for."""
    for name in _BUILT_IN:
        sys.modules[name] = __import__("_" + name)
    _make("collections.abc", Callable=_Callable)
    _make("collections", abc=sys.modules["collections.abc"])
    _make("functools", lru_cache=_lru_cache)
    sys.modules["os"] = _os()


def load(libraries: Iterable[tuple[str, str]]) -> None:
    """Have modules of the interpreter at once, by their files: looking for them takes longer.

    Raises:
        ImportError: one is not there any more.
    """
    from _imp import create_dynamic, exec_dynamic

    for name, path in libraries:
        module = create_dynamic(type(sys.__spec__)(name, None, origin=path))
        exec_dynamic(module)
        sys.modules[name] = module


def _make(name: str, **what: Any) -> ModuleType:
    module = type(sys)(name)
    module.__dict__.update(what)
    sys.modules[name] = module
    return module


class _Callable:
    """For the names of types, which nobody looks at."""

    def __class_getitem__(cls, _: object) -> type:
        return cls


def _lru_cache(size: int) -> Any:
    """What the interpreter's own part of SQLite keeps its statements in."""
    from _functools import _lru_cache_wrapper  # type: ignore[import-not-found]  # not described

    return lambda function: _lru_cache_wrapper(function, size, False, tuple)


def _os() -> ModuleType:
    import posix

    class Environment(dict[str, str]):
        """Variables as texts; what is set or taken away here is so for the C library too."""

        def __setitem__(self, name: str, value: str) -> None:
            posix.putenv(_octets(name), _octets(value))
            super().__setitem__(name, value)

        def __delitem__(self, name: str) -> None:
            super().__delitem__(name)
            posix.unsetenv(_octets(name))

    class Path:
        """The few of os.path."""

        @staticmethod
        def exists(path: str) -> bool:
            return _kind(path) is not None

        @staticmethod
        def isfile(path: str) -> bool:
            return _kind(path) == 0o100000

        @staticmethod
        def abspath(path: str) -> str:
            whole = path if path.startswith("/") else f"{posix.getcwd()}/{path}"
            if "//" in whole or any(part in (".", "..", "") for part in whole.split("/")[1:]):
                raise OSError("a path that is to be read otherwise")
            return whole

        @staticmethod
        def dirname(path: str) -> str:
            return path.rpartition("/")[0]

    def _kind(path: str) -> int | None:
        try:
            return posix.stat(path).st_mode & 0o170000
        except (OSError, ValueError):
            return None

    def _octets(text: str) -> bytes:
        return text.encode("utf-8", "surrogateescape")

    def _text(octets: bytes) -> str:
        return octets.decode("utf-8", "surrogateescape")

    module = type(sys)("os")
    module.__dict__.update(posix.__dict__)
    environment = {_text(name): _text(value) for name, value in posix.environ.items()}
    module.__dict__.update(environ=Environment(environment), path=Path)
    return module
