"""Where everything stands on a slip, in millimetres; one source for the browser and for PDF."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MONOSPACED_WIDTH = 0.6
"""Of a character of Courier, in its size."""
_POINTS_A_MM = 72 / 25.4
_TWO_LINES = 8.0
"""From this height on, in millimetres, a long name of a site takes two lines."""


@dataclass(frozen=True, slots=True)
class Box:
    """A place on a card, from its upper left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A kind of paper and the card on it."""

    name: str
    page_width: float
    page_height: float
    columns: int
    rows: int
    card_width: float
    card_height: float
    head: Box
    """Logo and the name of the site."""
    network: Box
    """The name of the Wi-Fi."""
    code: Box
    terms: Box
    login: Box
    wifi: Box
    """QR codes are square; below each is its caption."""
    head_points: float
    code_points: float
    text_points: float
    is_centred: bool = False

    @property
    def on_page(self) -> int:
        return self.columns * self.rows

    @property
    def margin_x(self) -> float:
        return (self.page_width - self.columns * self.card_width) / 2

    @property
    def margin_y(self) -> float:
        return (self.page_height - self.rows * self.card_height) / 2

    def code_size(self, length: int) -> float:
        """The size in points at which a code of so many characters fits its box."""
        fitting = self.code.width * _POINTS_A_MM / (MONOSPACED_WIDTH * length)
        return round(min(self.code_points, fitting), 2)

    def corner(self, place: int) -> tuple[float, float]:
        """The upper left corner of a card on its page."""
        row, column = divmod(place % self.on_page, self.columns)
        return (
            self.margin_x + column * self.card_width,
            self.margin_y + row * self.card_height,
        )

    def crop_marks(self) -> Iterator[tuple[float, float, float, float]]:
        """Lines outside the cards that show where to cut; none on a roll."""
        if self.on_page == 1:
            return
        right, bottom = self.page_width - self.margin_x, self.page_height - self.margin_y
        for column in range(self.columns + 1):
            x = self.margin_x + column * self.card_width
            yield x, self.margin_y - 5, x, self.margin_y - 1
            yield x, bottom + 1, x, bottom + 5
        for row in range(self.rows + 1):
            y = self.margin_y + row * self.card_height
            yield self.margin_x - 5, y, self.margin_x - 1, y
            yield right + 1, y, right + 5, y


_SMALL = Layout(
    name="24", page_width=210, page_height=297, columns=3, rows=8,
    card_width=64.6, card_height=35.1,
    head=Box(3, 1.8, 58.6, 4.4), network=Box(3, 6.2, 38, 3.6), code=Box(3, 10, 38, 5.4),
    terms=Box(3, 15.8, 24.5, 18.4), wifi=Box(28.2, 16.4, 13.4, 13.4),
    login=Box(42.2, 8.4, 20.4, 20.4),
    head_points=7.5, code_points=14, text_points=5.6,
)  # fmt: skip
_LARGE = Layout(
    name="10", page_width=210, page_height=297, columns=2, rows=5,
    card_width=97, card_height=56.2,
    head=Box(5, 2.4, 87, 8.2), network=Box(5, 10.6, 54, 5.4), code=Box(5, 16.4, 54, 8.6),
    terms=Box(5, 26, 31, 28), wifi=Box(37, 27, 21, 21),
    login=Box(60, 13.5, 33, 33),
    head_points=12, code_points=20, text_points=8,
)  # fmt: skip
_ROLL_58 = Layout(
    name="58", page_width=58, page_height=124, columns=1, rows=1, card_width=58, card_height=124,
    head=Box(4, 4, 50, 10), network=Box(4, 14.4, 50, 5.4), code=Box(4, 20.4, 50, 9),
    login=Box(13, 30, 32, 32), terms=Box(4, 67.5, 50, 22), wifi=Box(16, 90, 26, 26),
    head_points=10, code_points=19, text_points=8, is_centred=True,
)  # fmt: skip
_ROLL_80 = Layout(
    name="80", page_width=80, page_height=140, columns=1, rows=1, card_width=80, card_height=140,
    head=Box(5, 5, 70, 12), network=Box(5, 17.6, 70, 6.6), code=Box(5, 25, 70, 11),
    login=Box(20, 37, 40, 40), terms=Box(5, 83.5, 70, 21), wifi=Box(26, 105, 28, 28),
    head_points=12, code_points=25, text_points=9, is_centred=True,
)  # fmt: skip

LAYOUTS: dict[str, Layout] = {one.name: one for one in (_SMALL, _LARGE, _ROLL_58, _ROLL_80)}
"""By what people choose: cards on an A4 page, or the width of a roll."""


def style(layout: Layout) -> str:
    """The style sheet of this layout, for a browser and for PDF."""
    rules = [
        f"@page {{ size: {layout.page_width}mm {layout.page_height}mm; margin: 0; }}",
        f".sheet {{ width: {layout.page_width}mm; height: {layout.page_height}mm; }}",
        f".card {{ width: {layout.card_width}mm; height: {layout.card_height}mm; }}",
        f".head {{ font-size: {layout.head_points}pt; {_at(layout.head)} }}",
        f".network {{ font-size: {layout.text_points + 1}pt; {_at(layout.network)} }}",
        f".code {{ {_at(layout.code)} line-height: {layout.code.height}mm; }}",
        f".terms, .caption {{ font-size: {layout.text_points}pt; }}",
        f".terms {{ {_at(layout.terms)} }}",
        f".head.long {{ font-size: {layout.head_points * 0.86:.2f}pt; }}",
        f".head.longest {{ font-size: {layout.head_points * 0.7:.2f}pt; }}",
        *(
            f".{name} {{ {_at(box)} }} .{name}-caption {{ {_at(_below(box, layout))} }}"
            for name, box in (("login", layout.login), ("wifi", layout.wifi))
        ),
        *(
            f".length-{length} {{ font-size: {layout.code_size(length)}pt; }}"
            for length in range(8, 22)
        ),
        *(
            f".place-{place} {{ left: {x:.2f}mm; top: {y:.2f}mm; }}"
            for place in range(layout.on_page)
            for x, y in (layout.corner(place),)
        ),
    ]
    if layout.head.height > _TWO_LINES:
        rules.append(".head.longest { white-space: normal; line-height: 1.3; }")
    if not layout.is_centred:
        wide = layout.wifi.x + layout.wifi.width - layout.terms.x
        rules.append(f".terms.wide {{ width: {wide}mm; }}")
    else:
        rules.append(".head, .network, .code, .terms { text-align: center; }")
        # A roll is narrower than the name of a usual school: two lines, none of them cut.
        rules.append(".head { white-space: normal; line-height: 1.3; }")
    return "\n".join(rules)


def _at(box: Box) -> str:
    return f"left: {box.x}mm; top: {box.y}mm; width: {box.width}mm; height: {box.height}mm;"


def _below(box: Box, layout: Layout) -> Box:
    height = layout.text_points * 0.6
    return Box(box.x - 1, box.y + box.height + 0.2, box.width + 2, height)
