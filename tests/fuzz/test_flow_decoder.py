"""Whatever arrives, the decoder answers with flows and counts, never with another error."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vectors.flows.datagrams import (
    IPV6,
    STANDARD,
    TRANSLATED,
    Flow,
    data_set,
    encode_flow,
    options_template_set,
    template_set,
    version_5,
    version_9,
)
from tests.vectors.flows.ipfix import REVERSE, message, options_set, text, withdraw_all
from tests.vectors.flows.ipfix import data_set as ipfix_data
from tests.vectors.flows.ipfix import template_set as ipfix_template
from traffic.decoders.decoder import Datagram, FlowDecoder
from traffic.decoders.state import dump_state, load_state

SEEDS = [
    version_5([Flow(), Flow(protocol=17)]),
    version_9(template_set(256, STANDARD), data_set(256, [encode_flow(Flow(), STANDARD)] * 3)),
    version_9(template_set(257, TRANSLATED), data_set(257, [encode_flow(Flow(), TRANSLATED)])),
    version_9(template_set(258, IPV6), data_set(258, [bytes(57)])),
    version_9(options_template_set(259, [(1, 4)], [(34, 4)]), data_set(259, [bytes(8)])),
    version_9(template_set(260, ((8, 4), (96, 0xFFFF))), data_set(260, [b"\x0a\0\0\1\x02ab"])),
    message(ipfix_template(256, STANDARD), ipfix_data(256, [encode_flow(Flow(), STANDARD)] * 3)),
    message(ipfix_template(257, ((8, 4), (1, 8, REVERSE))), ipfix_data(257, [bytes(12)] * 2)),
    message(ipfix_template(258, ((8, 4), (82, 0xFFFF))), ipfix_data(258, [bytes(4) + text(b"x")])),
    message(options_set(259, [(149, 4)], [(160, 8)]), ipfix_data(259, [bytes(12)])),
    message(ipfix_template(260, ((8, 4), (230, 1), (361, 2))), ipfix_data(260, [b"\1" * 7] * 2)),
    message(ipfix_template(261, ((8, 4), (22, 4), (154, 8))), ipfix_data(261, [b"\7" * 16])),
    message(withdraw_all(), ipfix_template(256, ()), withdraw_all(options=True)),
]

mutations = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=0, max_size=8)


@settings(max_examples=400, deadline=2000)
@given(
    st.lists(
        st.tuples(st.sampled_from(SEEDS), mutations, st.integers(0, 400), st.binary(max_size=40)),
        max_size=6,
    )
)
def test_mutated_datagrams_never_break_the_decoder(
    parts: list[tuple[bytes, list[tuple[int, int]], int, bytes]],
) -> None:
    datagrams = []
    for seed, changes, cut, junk in parts:
        octets = bytearray(seed)
        for position, value in changes:
            octets[position % len(octets)] = value
        datagrams.append(bytes(octets[: cut or None]) + junk)
    check(datagrams)


@settings(max_examples=300, deadline=2000)
@given(st.lists(st.binary(max_size=200), max_size=5), st.sampled_from([5, 9, 10]))
def test_random_octets_never_break_the_decoder(tails: list[bytes], version: int) -> None:
    check([version.to_bytes(2, "big") + tail for tail in tails])


@settings(max_examples=300, deadline=2000)
@given(st.lists(st.tuples(st.sampled_from([2, 3, 256, 257]), st.binary(max_size=60)), max_size=6))
def test_whole_ipfix_sets_of_random_octets_never_break_the_decoder(
    sets: list[tuple[int, bytes]],
) -> None:
    bodies = [number.to_bytes(2, "big") + (4 + len(body)).to_bytes(2, "big") + body
              for number, body in sets]  # fmt: skip
    check([message(*bodies, sequence=number) for number in range(2)])


def check(datagrams: list[bytes]) -> None:
    decoder = FlowDecoder()
    octets = sum(len(one) for one in datagrams)
    found = decoder.decode(Datagram(10**18, "192.0.2.1", memoryview(one)) for one in datagrams)
    assert found.counts.datagrams == len(datagrams)
    assert len(found.batch) + len(found.blocks) <= octets
    # Whatever was not decoded whole is kept as it came.
    assert {one.octets for one in found.unread} <= set(datagrams)
    assert len(found.unread) == found.counts.unread >= found.counts.malformed
    for name, values in found.batch.columns.items():
        assert len(values) == len(found.batch), name
    assert dump_state(load_state(dump_state(decoder))) == dump_state(decoder)
