"""Thai text in a PDF of WeasyPrint that comes out again as it went in.

Fonts draw `ำ` as a ring and the glyph of `า`, and `ที่` as one cluster of three glyphs. WeasyPrint
tells readers that the last glyph of the first cluster is the whole cluster's text, so that every
`า` after a `ำ` is copied as `ำ`, and marks as nothing. Here each glyph gets the character that the
font has for it, and each run with such clusters its text (ActualText, ISO 32000-1 section
14.9.4). What is drawn stays as it is.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_THAI = range(0x0E01, 0x0E5C)
_RING, _AA, _AM = 0x0E4D, 0x0E32, 0x0E33
_MARKS = frozenset((0x0E31, *range(0x0E34, 0x0E3B), *range(0x0E47, 0x0E4F)))
"""Above and below a consonant."""
_TONES = range(0x0E48, 0x0E4D)
"""And the mark of a silent letter: the last of what stands on a consonant."""

_SPACES = frozenset((0x20, 0xA0))
_PRIVATE = range(0xE000, 0xF900)
_MOVED = {
    **dict(zip(range(0xF705, 0xF70A), range(0x0E48, 0x0E4D), strict=True)),
    **dict(zip(range(0xF70A, 0xF70F), range(0x0E48, 0x0E4D), strict=True)),
    **dict(zip(range(0xF713, 0xF718), range(0x0E48, 0x0E4D), strict=True)),
    **dict(zip(range(0xF718, 0xF71B), range(0x0E38, 0x0E3B), strict=True)),
    **dict(zip(range(0xF701, 0xF705), range(0x0E34, 0x0E38), strict=True)),
    **{0xF700: 0x0E10, 0xF70F: 0x0E0D, 0xF710: 0x0E31, 0xF711: 0x0E4D, 0xF712: 0x0E47},
}
"""Where fonts from Windows keep marks that were moved, and letters without their foot."""

_FONT = re.compile(rb"/([A-Za-z0-9]+) [-0-9.]+ Tf")
_SHOWN = re.compile(rb"\[(.*)\] TJ", re.DOTALL)
_PIECE = re.compile(rb"<([0-9a-f]*)>|([-0-9.]+)")
_MAPPED = re.compile(rb"<([0-9a-f]{4})> <[0-9a-f]*>")


@dataclass(slots=True)
class _Part:
    """An operator, an adjustment inside an array of glyphs, or a glyph."""

    octets: bytes
    is_operator: bool = False
    code: int | None = None
    """The character of a glyph, where the font has one for it."""
    is_glyph: bool = False


def true_text(document: Any, pdf: Any) -> None:
    """Set right what readers copy from the Thai text of `pdf`; a finisher of `write_pdf`."""
    thai = {font.hash: _characters(font) for font in document.fonts.values() if not font.bitmap}
    thai = {name: characters for name, characters in thai.items() if characters}
    if not thai:
        return
    for number in range(len(pdf.objects)):
        one = pdf.objects[number]
        if isinstance(one, dict) or hasattr(one, "get"):
            _map_glyphs(pdf, one, thai)
        elif any(isinstance(line, bytes) and line.endswith(b"TJ") for line in _lines(one)):
            one.stream[:] = list(_spanned(one.stream, thai))


def _lines(one: Any) -> Sequence[Any]:
    found = getattr(one, "stream", ())
    return found if isinstance(found, list) else ()


def _characters(font: Any) -> dict[int, int]:
    """Glyph -> character of a font with Thai, for variants too (marks that are moved aside)."""
    from fontTools.ttLib import TTFont, TTLibError
    from weasyprint.text.fonts import get_hb_object_data

    try:
        octets = io.BytesIO(get_hb_object_data(font.hb_face))
        return _read_characters(TTFont(octets, fontNumber=font.index, lazy=True))
    except (TTLibError, LookupError, ValueError, AttributeError, struct.error):
        return {}  # drawn all the same; what is copied is what WeasyPrint says


def _read_characters(tables: Any) -> dict[int, int]:
    by_name: dict[str, int] = {}
    for code, name in sorted((tables.getBestCmap() or {}).items()):
        if code not in _PRIVATE:
            by_name.setdefault(name, code)
        elif code in _MOVED:
            by_name.setdefault(name, _MOVED[code])
    if not any(code in _THAI for code in by_name.values()):
        return {}
    for variant, name in _variants(tables):
        if by_name.get(name) in _THAI:
            by_name.setdefault(variant, by_name[name])
    return {tables.getGlyphID(name): code for name, code in by_name.items()}


def _variants(tables: Any) -> Iterator[tuple[str, str]]:
    """(variant, glyph) of every single substitution of the font."""
    lookups = tables["GSUB"].table.LookupList if "GSUB" in tables else None
    for lookup in lookups.Lookup if lookups is not None else ():
        for outer in lookup.SubTable:
            inner = getattr(outer, "ExtSubTable", outer)
            if inner.LookupType == 1:
                yield from ((variant, name) for name, variant in inner.mapping.items())


def _map_glyphs(pdf: Any, one: Any, thai: Mapping[str, Mapping[int, int]]) -> None:
    """Tell readers the character of each Thai glyph of a font."""
    if one.get("Type") != "/Font" or "ToUnicode" not in one:
        return
    name = bytes(one["BaseFont"]).lstrip(b"/").partition(b"+")[0].decode()
    characters = thai.get(name, {})

    def mapped(found: re.Match[bytes]) -> bytes:
        code = characters.get(int(found[1], 16))
        return b"<%s> <%04x>" % (found[1], code) if code and code in _THAI else found[0]

    stream = pdf.objects[int(bytes(one["ToUnicode"]).split()[0])].stream
    stream[:] = [_MAPPED.sub(mapped, line) if isinstance(line, bytes) else line for line in stream]


def _spanned(lines: Iterable[Any], thai: Mapping[str, Mapping[int, int]]) -> Iterator[Any]:
    """The operators of a page, with the text of Thai runs around their glyphs."""
    font: Mapping[int, int] = {}
    block: list[Any] | None = None
    parts: list[_Part] = []
    for line in lines:
        octets = line if isinstance(line, bytes) else b""
        if octets == b"BT":
            block, parts = [], []
        found = _FONT.fullmatch(octets)
        if found is not None:
            font = thai.get(found[1].decode(), {})
        if block is None:
            yield line
            continue
        block.append(line)
        shown = _SHOWN.fullmatch(octets)
        if shown is None:
            parts.append(_Part(line, is_operator=True))
        else:
            parts += _pieces(shown[1], font)
        if octets == b"ET":
            phrases = list(_phrases(parts))
            yield from _written(parts, phrases) if phrases else block
            block = None
    yield from block or ()


def _pieces(array: bytes, font: Mapping[int, int]) -> Iterator[_Part]:
    for found in _PIECE.finditer(array):
        if found[1] is None:
            yield _Part(found[2])
        for start in range(0, len(found[1] or b""), 4):
            glyph = found[1][start : start + 4]
            yield _Part(b"<" + glyph + b">", code=font.get(int(glyph, 16)), is_glyph=True)


def _written(parts: Sequence[_Part], phrases: Iterable[tuple[int, int, str]]) -> Iterator[bytes]:
    """The parts as operators again; glyphs and adjustments are gathered into arrays."""
    begins, ends = {}, set()
    for first, last, text in phrases:
        begins[first] = text
        ends.add(last)
    array: list[bytes] = []

    def close() -> Iterator[bytes]:
        if array:
            yield b"[" + b" ".join(array) + b"] TJ"
            array.clear()

    for place, part in enumerate(parts):
        if place in begins:
            yield from close()
            encoded = begins[place].encode("utf-16-be").hex().encode()
            yield b"/Span <</ActualText <feff" + encoded + b">>> BDC"
        if part.is_operator:
            yield from close()
            yield part.octets
        else:
            array.append(part.octets)
        if place in ends:
            yield from close()
            yield b"EMC"
    yield from close()


def _phrases(parts: Sequence[_Part]) -> Iterator[tuple[int, int, str]]:
    """(first part, last part, text) of each run without spaces that has a cluster of several.

    A cluster alone would not do: readers take a mark that is drawn to the left of where the next
    consonant begins for the end of a word.
    """
    first, last = 0, 0
    clusters: list[list[int]] = []
    for place, part in enumerate(parts):
        is_break = part.is_operator and not part.octets.endswith((b" Ts", b" Tf"))
        if not part.is_glyph and not is_break:
            continue
        if part.code is None or part.code in _SPACES:
            yield from _phrase(first, last, clusters)
            clusters = []
            continue
        if not clusters:
            first = place
        last = place
        joins = part.code in _MARKS or (
            part.code == _AA and bool(clusters) and _RING in clusters[-1]
        )
        if joins and clusters:
            clusters[-1].append(part.code)
        else:
            clusters.append([part.code])
    yield from _phrase(first, last, clusters)


def _phrase(first: int, last: int, clusters: Sequence[list[int]]) -> Iterator[tuple[int, int, str]]:
    if any(len(cluster) > 1 for cluster in clusters):
        yield first, last, "".join(map(_text, clusters))


def _text(codes: list[int]) -> str:
    """What a cluster is in Unicode: as it is typed, a vowel before the tone mark.

    Ring and `า` are one letter, behind the tone mark.
    """
    if codes[-1] == _AA and _RING in codes:
        codes = [code for code in codes if code not in (_RING, _AA)] + [_AM]
    return "".join(map(chr, sorted(codes, key=lambda code: (code in _TONES) + 2 * (code == _AM))))
