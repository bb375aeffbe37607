"""JSON with what CPython has built in, for commands that are over before `json` is loaded.

`json` brings regular expressions with it, which take as long to load as everything else that
such a command does. The same octets come out of both, and a test compares them.
"""

from __future__ import annotations

import _json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


class _Reading:
    """What the built-in scanner wants to be told; as `json.loads` has it."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = None
    memo: dict[str, str] = {}


quote = _json.encode_basestring
"""A text as JSON, in its quotation marks."""

_scan = _json.make_scanner(_Reading)  # type: ignore[arg-type]  # it takes any such object


class Written:
    """A part of a document that is octets of JSON already, as deep as it stands in it."""

    __slots__ = ("pieces",)

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.pieces = pieces


def loads(text: str) -> Any:
    """The value of a text that is one JSON document and nothing else.

    Raises:
        ValueError: it is not.
    """
    try:
        value, end = _scan(text, 0)
    except (StopIteration, RecursionError) as error:
        raise ValueError("is no JSON") from error
    if end != len(text):
        raise ValueError("goes on after its end")
    return value


def dumps(value: Any, indent: int | None = None) -> str:
    """As `json.dumps(value, ensure_ascii=False, indent=indent)`, of what it is made of here.

    Raises:
        TypeError: there is something else in it than texts, whole numbers, truth values, None,
            lists, tuples and dictionaries.
    """
    pieces: list[str] = []
    _write(value, pieces.append, "\n" if indent is not None else "", " " * (indent or 0))
    return "".join(pieces)


def octets(tree: dict[str, Any], indent: int) -> list[bytes]:
    """As `dumps(tree, indent).encode()`, in pieces, of a tree that may have `Written` in it.

    A text is copied several times on its way into a longer one, and takes twice the room beside
    Thai: what is `Written` is not copied.
    """
    found: list[bytes] = []
    texts: list[str] = []

    def put(piece: Any) -> None:
        if type(piece) is Written:
            found.append("".join(texts).encode())
            found.extend(piece.pieces)
            texts.clear()
        else:
            texts.append(piece)

    _write(tree, put, "\n", " " * indent)
    found.append("".join(texts).encode())
    return found


_PLAIN: dict[type, Callable[[Any], str]] = {
    str: quote,
    int: int.__repr__,
    bool: lambda value: "true" if value else "false",
    type(None): lambda value: "null",
}


_HEADS: dict[tuple[str, ...], list[str]] = {}
"""What goes before each value of a dictionary, by its depth and keys: many are alike."""


def _write(value: Any, put: Callable[[Any], None], line: str, step: str) -> None:
    plain = _PLAIN.get(type(value))
    if plain is not None:
        put(plain(value))
        return
    inner = line + step
    between = f",{inner}" if line else ", "
    if type(value) is dict:
        if not value:
            put("{}")
            return
        shape = (inner, *value)
        heads = _HEADS.get(shape)
        if heads is None:
            heads = [f"{between}{quote(key)}: " for key in value]
            heads[0] = f"{{{inner}{quote(next(iter(value)))}: "
            _HEADS[shape] = heads
        for head, part in zip(heads, value.values(), strict=True):
            plain = _PLAIN.get(type(part))
            if plain is not None:
                put(head + plain(part))
            else:
                put(head)
                _write(part, put, inner, step)
        put(line + "}")
    elif type(value) is Written:
        put(value)
    elif type(value) in (list, tuple):
        before = "[" + inner
        for part in value:
            put(before)
            _write(part, put, inner, step)
            before = between
        put(line + "]" if value else "[]")
    else:
        raise TypeError(f"{type(value).__name__} is not written here")
