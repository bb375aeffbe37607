"""QR codes as inline SVG, one path, so that a page needs no image request."""

from __future__ import annotations

import qrcode
from markupsafe import Markup, escape
from qrcode.constants import ERROR_CORRECT_M

_QUIET_MODULES = 4
"""ISO/IEC 18004: scanners need four light modules around the code."""


_MASK = 3
"""Any of the eight is as readable; weighing them all up takes eight times as long."""


def modules(text: str) -> list[list[bool]]:
    """The dark modules of `text`, row by row, without the quiet zone."""
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, border=0, mask_pattern=_MASK)
    code.add_data(text, optimize=0)
    code.make(fit=True)
    return code.get_matrix()


def svg(text: str, label: str) -> Markup:
    """`text` as an SVG element that screen readers call `label`."""
    rows = modules(text)
    path = "".join(_row(index, row) for index, row in enumerate(rows))
    side = len(rows) + 2 * _QUIET_MODULES
    return Markup(
        '<svg class="qr" role="img" aria-label="{}" viewBox="{} {} {} {}" '
        'shape-rendering="crispEdges"><path fill="#fff" d="M{} {}h{}v{}h-{}z"/>'
        '<path stroke="#000" d="{}"/></svg>'
    ).format(
        escape(label),
        -_QUIET_MODULES, -_QUIET_MODULES, side, side,
        -_QUIET_MODULES, -_QUIET_MODULES, side, side, side,
        path,
    )  # fmt: skip


def _row(index: int, row: list[bool]) -> str:
    runs: list[str] = []
    start: int | None = None
    for column, dark in enumerate([*row, False]):
        if dark and start is None:
            start = column
        elif not dark and start is not None:
            runs.append(f"M{start} {index}.5h{column - start}")
            start = None
    return "".join(runs)
