"""Flows as text, the same octets that their trees would give (a test compares them).

For the command that is over in a blink: making five hundred trees, to take them apart again,
takes as long as finding what is in them. Loads nothing.
"""

from __future__ import annotations

from common.plain_json import Written, quote
from traffic.lookup.flows_answer import PROTOCOL_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from traffic.archive.direct import Found

_PIECE = 16
"""Flows that become octets together: their text is then still near, and its room used again."""


class NoEnds(Exception):  # noqa: N818 - nothing is wrong
    """A flow lacks an end: the answer needs words about that."""


def flow_lines(flows: Sequence[Found], text: Callable[[int], str]) -> Written:
    """A list of what `traffic.lookup.flows_answer.flow_tree` gives, indented as part of an answer.

    Raises:
        NoEnds: one of them lacks an address of its own.
    """
    if not flows:
        return Written([b"[]"])
    pieces, lines = list[bytes](), list[str]()
    records, exporters, ends = dict[str, str](), dict[str, str](), _Ends()
    before = "["
    for path, number, (
        received, start, end, exporter,
        src, src_high, src_low, dst, dst_high, dst_low,
        nat_src, nat_src_high, nat_src_low, nat_dst, nat_dst_high, nat_dst_low,
        src_port, dst_port, nat_src_port, nat_dst_port,
        protocol, tcp_flags, octets, packets, reverse_octets, reverse_packets, nat_event,
    ) in flows:  # fmt: skip
        src_text = ends[src, src_high, src_low]
        dst_text = _address(dst, dst_high, dst_low)
        if src_text == "null" or dst_text == "null":
            raise NoEnds
        record = records.get(path) or records.setdefault(path, quote(f"flow:{path}#")[:-1])
        shown = exporters.get(exporter) or exporters.setdefault(exporter, quote(exporter))
        lines.append(
            f"""{before}
    {{
      "start": "{text(start)}",
      "end": "{text(end)}",
      "received": "{text(received)}",
      "protocol": "{PROTOCOL_NAMES.get(protocol) or protocol}",
      "src": {src_text},
      "src_port": {src_port},
      "dst": {dst_text},
      "dst_port": {dst_port},
      "nat_src": {ends[nat_src, nat_src_high, nat_src_low]},
      "nat_src_port": {nat_src_port or "null"},
      "nat_dst": {ends[nat_dst, nat_dst_high, nat_dst_low]},
      "nat_dst_port": {nat_dst_port or "null"},
      "octets": {octets},
      "packets": {packets},
      "reverse_octets": {reverse_octets},
      "reverse_packets": {reverse_packets},
      "tcp_flags": {tcp_flags},
      "nat_event": {nat_event},
      "exporter": {shown},
      "record": {record}{number}"
    }}"""
        )
        before = ","
        if len(lines) == _PIECE:
            pieces.append("".join(lines).encode())
            lines.clear()
    lines.append("\n  ]")
    pieces.append("".join(lines).encode())
    return Written(pieces)


class _Ends(dict[tuple[int, int, int], str]):
    """What ends are written as that are few: the client, and its public addresses."""

    def __missing__(self, end: tuple[int, int, int]) -> str:
        text = self[end] = _address(*end)
        return text


def _address(four: int, high: int, low: int) -> str:
    if high or low:
        from traffic.archive.records import address_text

        return f'"{address_text(four, high, low)}"'
    return f'"{four >> 24}.{four >> 16 & 255}.{four >> 8 & 255}.{four & 255}"' if four else "null"
