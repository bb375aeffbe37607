"""What a decoder remembers over a restart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from common.errors import MalformedPacket
from tests.vectors.flows.datagrams import (
    STANDARD,
    Flow,
    data_set,
    encode_flow,
    template_set,
    version_9,
)
from traffic.decoders.decoder import Datagram, FlowDecoder
from traffic.decoders.state import dump_state, load_state


def reborn(decoder: FlowDecoder) -> FlowDecoder:
    return load_state(json.loads(json.dumps(dump_state(decoder))))


def feed(decoder: FlowDecoder, octets: bytes) -> int:
    return len(decoder.decode([Datagram(10**18, "192.0.2.1", memoryview(octets))]).batch)


def test_templates_and_sequence_numbers_survive() -> None:
    decoder = FlowDecoder()
    feed(decoder, version_9(template_set(256, STANDARD)))
    again = reborn(decoder)
    data = version_9(data_set(256, [encode_flow(Flow(), STANDARD)]), sequence=4)
    found = again.decode([Datagram(10**18, "192.0.2.1", memoryview(data))])
    assert len(found.batch) == 1
    assert [gap.lost for gap in found.gaps] == [3]


def test_waiting_data_survives() -> None:
    decoder = FlowDecoder()
    feed(decoder, version_9(data_set(256, [encode_flow(Flow(), STANDARD)])))
    again = reborn(decoder)
    assert again.store.pending_octets == decoder.store.pending_octets > 0
    assert feed(again, version_9(template_set(256, STANDARD), sequence=1)) == 1


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param({}, id="empty"),
        pytest.param({"format": 2}, id="another-format"),
        pytest.param({"format": 1, "templates": [["a"]]}, id="damaged"),
    ],
)
def test_a_state_that_is_not_ours_is_refused(tree: dict[str, Any]) -> None:
    with pytest.raises(MalformedPacket):
        load_state(tree)
