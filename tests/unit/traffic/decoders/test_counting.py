"""Whichever way an IPFIX exporter counts, only what is missing is a gap."""

from __future__ import annotations

import json

import pytest

from traffic.decoders.counting import RecordWatch
from traffic.decoders.decoder import FlowDecoder
from traffic.decoders.state import dump_state, load_state

KEY = ("192.0.2.1 port 4000", 10, 7)

Message = tuple[int, int | None, int]
"""Sequence number, flows (None: unknown), options."""

SOFTFLOWD = [(18, 18, 1), (40, 22, 0), (50, 10, 0)]
ULOGD = [(13, 13, 0), (27, 14, 0), (41, 14, 0), (44, 3, 0)]


def lost(*messages: Message) -> list[int]:
    """The gaps that one decoder tells, which is put away and taken up again at every message."""
    decoder, found = FlowDecoder(), []
    for position, (number, flows, options) in enumerate(messages):
        decoder = load_state(json.loads(json.dumps(dump_state(decoder))))
        RecordWatch(decoder.watch).observe(KEY, number, flows, options, 1000 + position)
        found += [gap.lost for gap in decoder.watch.take_gaps()]
    return found


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param([(0, 2, 0), (2, 8, 0), (10, 3, 1), (14, 1, 0)], [], id="by-the-letter"),
        pytest.param([(0, 2, 0), (2, 8, 0), (15, 3, 0)], [5], id="by-the-letter-with-a-loss"),
        pytest.param(SOFTFLOWD, [], id="softflowd"),
        pytest.param([*SOFTFLOWD, (61, 10, 0)], [1], id="softflowd-with-a-loss"),
        pytest.param([SOFTFLOWD[0], SOFTFLOWD[2]], [13], id="softflowd-loss-before-it-is-known"),
        pytest.param(ULOGD, [], id="ulogd"),
        pytest.param([ULOGD[0], ULOGD[1], ULOGD[3]], [14], id="ulogd-with-a-loss"),
        pytest.param([(100, 4, 0), (106, 6, 0), (113, 7, 0)], [], id="joined-in-the-middle"),
        pytest.param([(100, 4, 0), (106, 6, 0), (112, 1, 0)], [2], id="it-was-chance-after-all"),
        pytest.param(
            [(100, 4, 0), (104, 9, 0), (122, 9, 0), (131, 2, 0)],
            [9],
            id="a-loss-like-the-other-way",
        ),
        pytest.param([(5, 5, 0), (10, 5, 0), (15, 5, 0), (17, 2, 0)], [], id="equal-sizes-first"),
        pytest.param([*ULOGD, (50, None, 0), (53, 3, 0)], [], id="uncounted-by-one-who-counts-so"),
        pytest.param([(2**32 - 3, 3, 0), (0, 5, 0), (5, 1, 0)], [], id="wrap"),
        pytest.param([(2**32 - 3, 3, 0), (2, 5, 0), (9, 7, 0)], [], id="wrap-of-the-other-way"),
    ],
)
def test_what_a_run_of_messages_means(messages: list[Message], expected: list[int]) -> None:
    assert lost(*messages) == expected
