"""What an IPFIX exporter's sequence number counts: the records before a message, or also in it.

RFC 7011 section 3.1 says before. softflowd and ulogd count those of the message itself too, and
leave options out; taken by the letter, each message of another size would be a gap.
"""

from __future__ import annotations

from dataclasses import dataclass

from traffic.decoders.sequences import UNCOUNTED, FlowGap, GapReason, SequenceWatch, StreamKey

_MODULUS = 1 << 32


@dataclass(slots=True)
class Counting:
    """What is known of one stream's way to count."""

    number: int
    """Of its last message."""
    after: bool | None = None
    """True: the message's own records are counted. None: nothing told the two apart yet."""
    hint: bool = False
    """Its first message bore its own number of records, as of one who counts from itself."""
    withheld: int = 0
    """Records missing by the letter, if the next message does not show the other way."""
    withheld_from_ms: int = 0
    withheld_to_ms: int = 0


class RecordWatch:
    """Notes IPFIX messages in a SequenceWatch, whichever way their exporter counts."""

    def __init__(self, watch: SequenceWatch) -> None:
        self._watch = watch

    def observe(
        self, key: StreamKey, number: int, flows: int | None, options: int, received_ms: int
    ) -> None:
        """Note a message with `flows` and `options` records; flows None: they cannot be counted.

        What cannot be counted (a template is missing) makes no gap: it is told apart.
        """
        stream = self._watch.streams.get(key)
        if stream is None:
            hint = bool(flows) and number in (flows, (flows or 0) + options)
            self._by_letter(key, number, flows, options, received_ms)
            self._watch.streams[key].counting = Counting(number, hint=hint)
            return
        counting = stream.counting = stream.counting or Counting(number)
        if flows is None:
            if counting.after:
                stream.expected, stream.last_ms = number, received_ms
            else:
                self._by_letter(key, number, None, options, received_ms)
        elif counting.after:
            records = _nearest(number - stream.expected, flows, options)
            self._watch.observe(key, (number - records) % _MODULUS, records, received_ms, 0)
        elif counting.after is None and stream.expected != UNCOUNTED:
            self._undecided(key, counting, number, flows, options, received_ms)
        else:
            self._by_letter(key, number, flows, options, received_ms)
        counting.number = number

    def _undecided(
        self,
        key: StreamKey,
        counting: Counting,
        number: int,
        flows: int,
        options: int,
        received_ms: int,
    ) -> None:
        stream = self._watch.streams[key]
        ahead = (number - stream.expected) % _MODULUS
        advanced = (number - counting.number) % _MODULUS
        counts_itself = bool(flows + options) and advanced in (flows, flows + options)
        if ahead == 0 and not counts_itself:
            counting.after = False
        if ahead == 0 or not counts_itself:
            if not counts_itself:
                self._release(key, counting)
            self._by_letter(key, number, flows, options, received_ms)
        elif counting.hint or counting.withheld:
            counting.after, counting.withheld = True, 0
            stream.expected, stream.last_ms = number, received_ms
        else:
            # One message of the other way may be chance; the next one tells.
            counting.withheld = ahead
            counting.withheld_from_ms, counting.withheld_to_ms = stream.last_ms, received_ms
            stream.expected, stream.last_ms = number + flows + options, received_ms

    def _release(self, key: StreamKey, counting: Counting) -> None:
        """Tell the gap that was withheld: it was one."""
        if counting.withheld:
            first, last = sorted((counting.withheld_from_ms, counting.withheld_to_ms))
            self._watch.add(
                FlowGap(
                    source=self._watch.streams[key].source,
                    from_ms=first,
                    to_ms=last,
                    lost=counting.withheld,
                    reason=GapReason.SEQUENCE,
                )
            )
            counting.withheld = 0
        counting.after = False

    def _by_letter(
        self, key: StreamKey, number: int, flows: int | None, options: int, received_ms: int
    ) -> None:
        stream = self._watch.streams.get(key)
        if stream is not None and stream.expected == UNCOUNTED:
            stream.expected = number
        self._watch.observe(key, number, (flows or 0) + options, received_ms, 0)
        if flows is None:
            self._watch.streams[key].expected = UNCOUNTED


def _nearest(advanced: int, flows: int, options: int) -> int:
    """The records of a message as its exporter counted them: with its options, or without."""
    return flows + options if advanced % _MODULUS == flows + options else flows
