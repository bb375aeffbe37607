"""Templates of NetFlow version 9 and IPFIX, and the data sets that wait for theirs.

RFC 3954 sections 5.2, 6.1 and 9: a template belongs to one exporter and one Source ID, may
be redefined, and data may overtake it. RFC 7011 section 8 has it belong to one transport
session and observation domain, and lets it be withdrawn. Holds no more than its limits allow.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass

from common.errors import MalformedPacket
from traffic.decoders.fields import Field
from traffic.decoders.plan import FieldSpecs, Plan, compile_plan
from traffic.decoders.variable import VARIABLE, fixed_fields, flatten

MAX_FIELDS = 512
"""Real templates have up to about 60 fields; this only stops absurd ones."""

MAX_TEMPLATES = 20_000
"""Over all exporters. A forger could otherwise fill the memory with templates."""

MAX_TEMPLATE_FIELDS = 400_000
"""Of all templates together: about 50 MB."""

PENDING_OCTETS = 16 << 20
"""Data sets that wait for a template, over all exporters."""

PENDING_OVERHEAD = 200
"""What a waiting set costs besides its octets, so that empty ones are bounded too."""

PENDING_MS = 2 * 3600 * 1000
"""Exporters repeat templates every few minutes, the slowest every 30 minutes."""

Key = tuple[str, int, int]
"""Who sends (NetFlow 9: the exporter's address; IPFIX: the transport session), Source ID or
observation domain, template id."""

_STALE = 1000
"""Passed-over entries of the order that are not worth a look at all of it."""

_PAIR = struct.Struct("!HH")
_OPTIONS_HEADER = struct.Struct("!HHH")


@dataclass(frozen=True, slots=True)
class Template:
    """One template as announced. `plan` is None for options and what else describes no flow."""

    fields: FieldSpecs
    record_octets: int
    """Of the fixed fields."""
    plan: Plan | None
    variable: bool = False
    """Some field brings its own length."""
    init_at: int | None = None
    """Of options: where in a record's fixed fields stands when the exporter was started."""

    def records(self, body: memoryview) -> tuple[int, memoryview | bytes]:
        """(number of records in the data set, octets of their fixed fields).

        Raises:
            MalformedPacket: variable fields do not fit.
        """
        if self.variable:
            return flatten(body, self.fields)
        number = len(body) // self.record_octets
        return number, body[: number * self.record_octets]


@dataclass(frozen=True, slots=True)
class PendingSet:
    """A data set whose template is not known yet, with the moments it needs later."""

    received_ms: int
    exported_ms: int
    uptime_ms: int
    body: bytes


class TemplateStore:
    """Templates of all exporters and what waits for them."""

    def __init__(self) -> None:
        self.templates: dict[Key, Template] = {}
        self.pending: dict[Key, deque[PendingSet]] = {}
        self._fields = 0
        self._order: deque[tuple[Key, deque[PendingSet]]] = deque()
        """One for each waiting set, oldest first, with the queue it is in. Those whose queue
        has been taken away stay until they are passed over, because looking for them costs
        more than they do."""
        self._waiting = 0
        self.pending_octets = 0

    def find(self, key: Key) -> Template | None:
        """The template of `key`, which counts as used now."""
        template = self.templates.get(key)
        if template is not None and self._is_crowded():
            self.templates[key] = self.templates.pop(key)
        return template

    def _is_crowded(self) -> bool:
        """Whether it matters which template was used last, because some may have to go."""
        return len(self.templates) > MAX_TEMPLATES // 2 or self._fields > MAX_TEMPLATE_FIELDS // 2

    def define(self, key: Key, template: Template) -> list[PendingSet]:
        """Remember `template`; returns the sets that waited for it, oldest first.

        When there are too many, those used longest ago are forgotten: an exporter that still
        lives sends its own again, and a flood of forged ones keeps nobody out for good.
        """
        known = self.templates.pop(key, None)
        self._fields += len(template.fields) - (len(known.fields) if known else 0)
        self.templates[key] = template
        while len(self.templates) > MAX_TEMPLATES or (
            self._fields > MAX_TEMPLATE_FIELDS and len(self.templates) > 1
        ):
            oldest = next(iter(self.templates))
            self._fields -= len(self.templates.pop(oldest).fields)
        waiting = self.pending.pop(key, None)
        if waiting is None:
            return []
        self.pending_octets -= sum(len(one.body) + PENDING_OVERHEAD for one in waiting)
        self._waiting -= len(waiting)
        if len(self._order) > 2 * self._waiting + _STALE:
            self._order = deque(one for one in self._order if self._is_live(one))
        found = list(waiting)
        waiting.clear()
        return found

    def withdraw(self, key: Key) -> None:
        """Forget the template of `key`, if there is one; what waits goes on waiting."""
        known = self.templates.pop(key, None)
        if known is not None:
            self._fields -= len(known.fields)

    def withdraw_all(self, sender: str, domain: int, *, options: bool) -> None:
        """Forget all templates, or all options templates, of one sender's domain."""
        for key, template in list(self.templates.items()):
            if key[:2] == (sender, domain) and (template.plan is None) == options:
                self.withdraw(key)

    def forget_session(self, sender: str) -> list[tuple[Key, PendingSet]]:
        """Forget every template of `sender`; returns what waited for one, which is let go."""
        for key in [key for key in self.templates if key[0] == sender]:
            self.withdraw(key)
        gone = []
        for key in [key for key in self.pending if key[0] == sender]:
            for late in self.pending.pop(key):
                gone.append((key, late))
                self._waiting -= 1
                self.pending_octets -= len(late.body) + PENDING_OVERHEAD
        return gone

    def wait(self, key: Key, late: PendingSet) -> list[tuple[Key, PendingSet]]:
        """Keep `late` until its template comes; returns what had to go to make room."""
        queue = self.pending.setdefault(key, deque())
        queue.append(late)
        self._order.append((key, queue))
        self._waiting += 1
        self.pending_octets += len(late.body) + PENDING_OVERHEAD
        dropped = []
        while self.pending_octets > PENDING_OCTETS:
            dropped.append(self._drop_oldest())
        return dropped

    def expire(self, now_ms: int) -> list[tuple[Key, PendingSet]]:
        """Give up on sets that waited longer than PENDING_MS before `now_ms`."""
        dropped = []
        while self._waiting and self._oldest_ms() < now_ms - PENDING_MS:
            dropped.append(self._drop_oldest())
        return dropped

    def waiting(self) -> list[tuple[Key, PendingSet]]:
        """Everything that waits, in the order of its arrival."""
        places: dict[Key, int] = {}
        found = []
        for key, queue in filter(self._is_live, self._order):
            place = places.get(key, 0)
            places[key] = place + 1
            found.append((key, queue[place]))
        return found

    def forget_waiting(self) -> None:
        """Let go of everything that waits, without a word: for who decodes what is kept anyway."""
        self.pending.clear()
        self._order.clear()
        self._waiting = self.pending_octets = 0

    def _is_live(self, one: tuple[Key, deque[PendingSet]]) -> bool:
        key, queue = one
        return self.pending.get(key) is queue

    def _oldest_ms(self) -> int:
        while not self._is_live(self._order[0]):
            self._order.popleft()
        return self._order[0][1][0].received_ms

    def _drop_oldest(self) -> tuple[Key, PendingSet]:
        self._oldest_ms()
        key, waiting = self._order.popleft()
        gone = waiting.popleft()
        self._waiting -= 1
        self.pending_octets -= len(gone.body) + PENDING_OVERHEAD
        if not waiting:
            del self.pending[key]
        return key, gone


def make_template(fields: FieldSpecs, *, options: bool = False) -> Template:
    """A usable template of `fields`.

    Raises:
        MalformedPacket: it has no field, too many, or records without octets.
    """
    if not fields or len(fields) > MAX_FIELDS:
        raise MalformedPacket(f"template of {len(fields)} fields")
    fixed = fixed_fields(fields)
    octets = sum(width for _, width in fixed)
    if not 0 < octets < VARIABLE and (fixed or octets):
        raise MalformedPacket(f"template record of {octets} octets")
    # Strings alone, as YAF has them in templates for lists, describe no flow either.
    plan = None if options or not fixed else compile_plan(fixed)
    init_at = _position_of(Field.SYSTEM_INIT_MILLISECONDS, 8, fixed) if options else None
    return Template(fields, octets, plan, len(fixed) < len(fields), init_at)


def _position_of(wanted: int, width: int, fields: FieldSpecs) -> int | None:
    position = 0
    for element, octets in fields:
        if (element, octets) == (wanted, width):
            return position
        position += octets
    return None


def decode_templates(body: memoryview) -> list[tuple[int, FieldSpecs]]:
    """(template id, fields) of each template in a Template FlowSet, RFC 3954 section 5.2.

    Raises:
        MalformedPacket: a template reaches beyond the set or has a reserved id.
    """
    found = []
    position = 0
    while position + 4 <= len(body):
        number, count = _PAIR.unpack_from(body, position)
        if number == 0 and count == 0:
            break  # padding
        if number < 256:
            raise MalformedPacket(f"template id {number} is reserved", position)
        position += 4
        if position + 4 * count > len(body):
            raise MalformedPacket("template reaches beyond its set", position)
        found.append((number, _fields(body, position, count)))
        position += 4 * count
    return found


def decode_options_templates(body: memoryview) -> list[tuple[int, FieldSpecs]]:
    """(template id, scope and option fields) of an Options Template FlowSet, section 6.1.

    Raises:
        MalformedPacket: lengths do not fit the set.
    """
    found = []
    position = 0
    while position + 6 <= len(body):
        number, scope_octets, option_octets = _OPTIONS_HEADER.unpack_from(body, position)
        if number == 0:
            break  # padding
        if number < 256 or scope_octets % 4 or option_octets % 4:
            raise MalformedPacket("options template header", position)
        position += 6
        total = scope_octets + option_octets
        if position + total > len(body):
            raise MalformedPacket("options template reaches beyond its set", position)
        found.append((number, _fields(body, position, total // 4)))
        position += total
    return found


def _fields(body: memoryview, position: int, count: int) -> FieldSpecs:
    values = struct.unpack_from(f"!{2 * count}H", body, position)
    return tuple(zip(values[::2], values[1::2], strict=True))
