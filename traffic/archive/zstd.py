"""Undoes zstd by the system's own library, in a hundredth of the time that loading DuckDB takes.

Reading one client's flows needs nothing else of DuckDB. Where the library is not installed
nothing is lost but speed: `library` says so, and DuckDB reads.
"""

from __future__ import annotations

import ctypes

from common.errors import ArchiveError

_NAMES = ("libzstd.so.1", "libzstd.1.dylib")


class Decompressor:
    """The library, loaded; keeps its memory from one piece to the next. For one thread."""

    def __init__(self, library: ctypes.CDLL) -> None:
        library.ZSTD_createDCtx.restype = ctypes.c_void_p
        self._free = library.ZSTD_freeDCtx
        self._free.argtypes = (ctypes.c_void_p,)
        self._context = ctypes.c_void_p(library.ZSTD_createDCtx())
        if not self._context:
            raise OSError("no memory for zstd")
        self._decompress = library.ZSTD_decompressDCtx
        self._decompress.argtypes = (
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_size_t,
            ctypes.c_char_p,
            ctypes.c_size_t,
        )
        self._decompress.restype = ctypes.c_size_t
        self._room = ctypes.create_string_buffer(1 << 17)
        self._view = memoryview(self._room).cast("B")

    def __del__(self) -> None:
        self._free(self._context)

    def whole(self, octets: bytes, length: int) -> memoryview:
        """What `octets` hold: exactly `length` of them. Stands until this is called again.

        Raises:
            ArchiveError: they do not.
        """
        if length > len(self._room):
            self._room = ctypes.create_string_buffer(length)
            self._view = memoryview(self._room).cast("B")
        room, context = self._room, self._context
        if self._decompress(context, room, len(room), octets, len(octets)) != length:
            raise ArchiveError("archive", "a page is damaged")
        return self._view[:length]


def library() -> Decompressor | None:
    """The system's zstd, or None where there is none."""
    for name in _NAMES:
        try:
            return Decompressor(ctypes.CDLL(name))
        except (OSError, AttributeError):
            continue
    return None
