"""Undoes zstd by the system's own library, in a hundredth of the time that loading DuckDB takes.

Reading one client's flows needs nothing else of DuckDB. Where the library is not installed
nothing is lost but speed: `library` says so, and DuckDB reads. Called by what `ctypes` itself is
made of: loading that takes as long as unpacking the pages of some segments.
"""

from __future__ import annotations

import _ctypes
from _ctypes import FUNCFLAG_CDECL, CFuncPtr, _SimpleCData

from common.errors import ArchiveError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NAMES = ("libzstd.so.1", "libzstd.1.dylib")
_NOW = 2
"""RTLD_NOW: what the library lacks is noticed when it is loaded."""

_ROOM = 1 << 17

HEAD_OCTETS = 5
_MAGIC = b"\x28\xb5\x2f\xfd"
_ONE_SEGMENT = 0x20
"""No window, no checksum, no dictionary: what DuckDB writes."""
_SIZE_OCTETS = (1, 2, 4, 8)
_BLOCK = 1 << 17


class _Address(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "P"


class _Size(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "L"


class _Octets(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "z"


class _Octet(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "B"


class _Create(CFuncPtr):
    _flags_, _restype_, _argtypes_ = FUNCFLAG_CDECL, _Address, ()


class _Free(CFuncPtr):
    _flags_, _restype_, _argtypes_ = FUNCFLAG_CDECL, _Size, (_Address,)


class _Decompress(CFuncPtr):
    _flags_, _restype_ = FUNCFLAG_CDECL, _Size
    _argtypes_ = (_Address, _Address, _Size, _Octets, _Size)


class Decompressor:
    """The library, loaded; keeps its memory from one piece to the next. For one thread."""

    def __init__(self, handle: int) -> None:
        create = _Create(_ctypes.dlsym(handle, "ZSTD_createDCtx"))
        self._free = _Free(_ctypes.dlsym(handle, "ZSTD_freeDCtx"))
        self._decompress = _Decompress(_ctypes.dlsym(handle, "ZSTD_decompressDCtx"))
        self._context = create()
        if not self._context:
            raise OSError("no memory for zstd")
        self._make_room(_ROOM)

    def __del__(self) -> None:
        self._free(self._context)

    def whole(self, octets: bytes, length: int) -> memoryview:
        """What `octets` hold: exactly `length` of them. Stands until this is called again.

        Raises:
            ArchiveError: they do not.
        """
        if length > self._length:
            self._make_room(length)
        found = self._decompress(self._context, self._room, self._length, octets, len(octets))
        if found != length:
            raise ArchiveError("archive", "a page is damaged")
        return self._view[:length]

    def _make_room(self, length: int) -> None:
        self._array: Any = (_Octet * length)()
        self._view = memoryview(self._array).cast("B")
        self._room = _ctypes.addressof(self._array)
        self._length = length


def stored_at(
    head: bytes, packed: int, unpacked: int, begin: int, end: int
) -> list[tuple[int, int]]:
    """Where the octets `begin` to `end` stand in a piece that could not be made shorter.

    Such a piece is a head, and blocks of the octets themselves, three octets before each
    (RFC 8878 section 3.1.1). A block is never longer packed than stored, so that the length of
    the whole tells.

    Args:
        head: at least the first `HEAD_OCTETS` of the piece.

    Returns:
        (position, octets) of what they are in; nothing, when the piece is another.
    """
    if head[:4] != _MAGIC or head[4] & 0x3F != _ONE_SEGMENT:
        return []
    before = 5 + _SIZE_OCTETS[head[4] >> 6]
    if packed != before + unpacked + 3 * -(-unpacked // _BLOCK) or end > unpacked:
        return []
    found = []
    while begin < end:
        block = begin // _BLOCK
        stop = min(end, (block + 1) * _BLOCK)
        found.append((before + 3 * (block + 1) + begin, stop - begin))
        begin = stop
    return found


def library() -> Decompressor | None:
    """The system's zstd, or None where there is none."""
    for name in _NAMES:
        try:
            return Decompressor(_ctypes.dlopen(name, _NOW))
        except (OSError, AttributeError):
            continue
    return None
