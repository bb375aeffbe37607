"""Any octets at all, and real lines cut anywhere with junk behind, as syslog."""

from __future__ import annotations

import itertools
import time
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import MalformedPacket
from tests.vectors.syslog.lines import LINES
from traffic.decoders.syslog.content import cut_content
from traffic.decoders.syslog.framing import LONGEST, Frame, Framer
from traffic.decoders.syslog.lines import Line
from traffic.decoders.syslog.message import parse_message
from traffic.decoders.syslog.readers import read_line

BANGKOK = ZoneInfo("Asia/Bangkok")
_PROGRAMS = sorted({"", *(line.partition(": ")[0] for _, line, _ in LINES)})


def read(octets: bytes) -> None:
    """As the collector does: a line or none, never an error, and never for long."""
    began = time.perf_counter()
    message = parse_message(cut_content(octets).octets, 1_795_000_000_000, BANGKOK)
    line = read_line(message)
    assert time.perf_counter() - began < 1.0
    assert line is None or isinstance(line, get_args(Line))


@given(st.binary(max_size=3000))
def test_any_octets_are_a_message(octets: bytes) -> None:
    read(octets)


@given(
    st.sampled_from([line for _, line, _ in LINES]),
    st.integers(0, 700),
    st.text(max_size=100),
    st.integers(0, 700),
)
def test_a_real_line_with_anything_in_it_is_read_or_not(
    line: str, at: int, junk: str, rest: int
) -> None:
    read((line[:at] + junk + line[rest:]).encode())


@given(st.sampled_from(_PROGRAMS), st.text(max_size=400))
def test_any_text_of_any_program_is_read_or_not(program: str, text: str) -> None:
    read(f"{program}: {text}".encode())


@pytest.mark.parametrize(
    "piece",
    [
        " in: out:",
        "in:",
        "a=",
        "src=1 dst=1 ",
        "DHCPACK",
        '"',
        "[a b=",
        "x: in:a out:b, ",
        "(",
        "->",
    ],
)
@pytest.mark.parametrize("program", ["", "conntrack: ", "nginx: ", "ulogd: IN=", "kea-dhcp4: "])
def test_no_repetition_keeps_a_reader_busy(program: str, piece: str) -> None:
    read(f"<30>{program}{piece * (16_000 // len(piece))}".encode())


@given(
    st.data(), st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=300)), max_size=8)
)
def test_messages_come_out_as_they_went_in_wherever_the_stream_is_cut(
    data: st.DataObject, messages: list[tuple[bool, bytes]]
) -> None:
    stream, expected = b"", []
    for counted, octets in messages:
        line = b"<30>" + octets.replace(b"\n", b" ").rstrip(b"\r\0")
        body = octets if counted else line
        stream += b"%d %s" % (len(body), body) if counted else body + b"\n"
        expected.append(Frame(body, whole=True))
    places = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=12)))
    framer, found = Framer(), []
    for begin, end in itertools.pairwise([0, *places, len(stream)]):
        found += framer.feed(stream[begin:end])
    assert found == expected
    assert (framer.waiting, framer.finish()) == (0, [])


@given(st.lists(st.binary(max_size=5000), max_size=6))
def test_any_stream_is_messages_or_malformed_and_never_held_without_end(
    parts: list[bytes],
) -> None:
    framer = Framer()
    try:
        for part in parts:
            for frame in framer.feed(part):
                assert len(frame.octets) <= LONGEST
            assert framer.waiting <= LONGEST + 8
    except MalformedPacket:
        pass


@pytest.mark.parametrize("counted", [True, False])
def test_a_message_that_is_too_long_is_cut_and_the_next_one_is_whole(counted: bool) -> None:
    long, short = b"<30>" + b"x" * 50_000, b"<30>short"
    stream = (
        b"%d %s%d %s" % (len(long), long, len(short), short)
        if counted
        else long + b"\n" + short + b"\n"
    )
    framer, found = Framer(), []
    for begin in range(0, len(stream), 1000):
        found += framer.feed(stream[begin : begin + 1000])
    assert found == [Frame(long[:LONGEST], whole=False), Frame(short, whole=True)]


def test_what_was_sent_of_a_message_before_the_end_is_kept() -> None:
    framer = Framer()
    assert framer.feed(b"<30>unfinish") == []
    assert framer.finish() == [Frame(b"<30>unfinish", whole=True)]


@pytest.mark.parametrize("octets", [b"12345678 x", b"0 x", b"1x3 abc", b"99999999"])
def test_a_count_that_is_none_is_malformed(octets: bytes) -> None:
    with pytest.raises(MalformedPacket):
        Framer().feed(octets)
