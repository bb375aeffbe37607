"""Captures of many vendors' equipment: as many records as independent decoders get."""

from __future__ import annotations

import json

import pytest

from tests.vectors.flows.captures import Capture, captures
from traffic.decoders.decoder import FlowDecoder
from traffic.decoders.state import dump_state, load_state

CAPTURES = captures()
EACH = [pytest.param(one, id=one.name) for one in CAPTURES]


def test_every_capture_is_here() -> None:
    assert len(CAPTURES) == 50
    assert sum(one.records or 0 for one in CAPTURES) == 474
    assert sum(one.options for one in CAPTURES) == 42


@pytest.mark.parametrize("capture", EACH)
def test_as_many_records_as_independent_decoders_find(capture: Capture) -> None:
    datagrams = capture.datagrams()
    found = FlowDecoder().decode(datagrams)
    assert found.counts.datagrams == len(datagrams) > 0
    if capture.records is None:
        assert len(found.batch) <= 2
    else:
        assert len(found.batch) + len(found.blocks) == capture.records
        assert found.counts.options_records == capture.options
        assert found.counts.malformed == 0
    for name, values in found.batch.columns.items():
        assert len(values) == len(found.batch), name


@pytest.mark.parametrize("capture", EACH)
def test_a_restart_between_any_two_datagrams_changes_nothing(capture: Capture) -> None:
    datagrams = capture.datagrams()
    whole = FlowDecoder().decode(datagrams)
    decoder, records, options = FlowDecoder(), 0, 0
    for datagram in datagrams:
        decoder = load_state(json.loads(json.dumps(dump_state(decoder))))
        found = decoder.decode([datagram])
        records += len(found.batch)
        options += found.counts.options_records
    assert (records, options) == (len(whole.batch), whole.counts.options_records)


@pytest.mark.parametrize("capture", EACH)
def test_data_that_came_before_its_templates_is_decoded_when_they_come(capture: Capture) -> None:
    datagrams = capture.datagrams()
    whole = FlowDecoder().decode(datagrams)
    decoder = FlowDecoder()
    late = decoder.decode(reversed(datagrams))
    assert len(late.batch) == len(whole.batch)
    if late.counts.pending_sets:
        assert any("no-template" in one.reasons for one in late.unread)
