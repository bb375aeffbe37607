"""The columns of every kind of segment but `flow`, documented in docs/archive-format.md.

Pure. A kind is a table: column names with their Parquet types, and the columns its rows are
sorted by. `received_at` is when our machine learned of it, in every kind; it is the time of
record. Times that a device told are kept beside it, never instead of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TEXT, BLOB, TIME = "VARCHAR", "BLOB", "TIMESTAMP_MS"
U8, U16, U32, U64, I64 = "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "BIGINT"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of segment."""

    name: str
    columns: Mapping[str, str]
    """Column name -> type. Every column but `received_at` may be absent (NULL)."""
    sorted_by: tuple[str, ...]
    """Rows of one segment lie in this order; a reader prunes by the first."""


_ORIGIN = {
    "received_at": TIME,
    "event_at": TIME,  # as the device told it
    "source": TEXT,  # who told us: address, or the process on this machine
    "form": TEXT,  # which reader understood it, such as `mikrotik-nat`; empty: none did
}

NAT = Kind(
    "nat",
    _ORIGIN
    | {
        "event": TEXT,  # create | delete | session | seen | block-create | block-delete
        "protocol": U8,
        "inside_address": TEXT,
        "inside_port": U16,
        "outside_address": TEXT,
        "outside_port": U16,
        "outside_port_to": U16,  # the last port of a block; NULL: one port
        "destination_address": TEXT,
        "destination_port": U16,
        "mac": TEXT,  # twelve hex digits
        "started_at": TIME,  # of a translation told when it ended, or while it goes on
        "raw": BLOB,  # as received
    },
    ("outside_address", "received_at"),
)

LEASE = Kind(
    "lease",
    _ORIGIN
    | {
        "event": TEXT,  # assign | renew | release | expire | decline
        "address": TEXT,
        "mac": TEXT,
        "client_id": TEXT,
        "lease_seconds": U32,
        "raw": BLOB,
    },
    ("address", "received_at"),
)

ACCESS = Kind(
    "access",
    _ORIGIN
    | {
        "service": TEXT,  # radius | portal | web | mail | ftp | login | firewall | unread
        "method": TEXT,
        "user_name": TEXT,
        "account_id": I64,
        "client_address": TEXT,
        "mac": TEXT,
        "called_station_id": TEXT,
        "nas_client_id": I64,
        "outcome": TEXT,
        "reason": TEXT,
        "session_ref": TEXT,
        "octets": U64,
        "row": I64,  # its id in the database, where it lay there before
        "detail": TEXT,
        "raw": BLOB,
    },
    ("received_at",),
)

SESSION = Kind(
    "session",
    {
        "received_at": TIME,
        "record": TEXT,  # session | address | accounting | boot
        "row": I64,
        "session_key": TEXT,
        "account_id": I64,
        "user_name": TEXT,
        "mac": TEXT,
        "nas_client_id": I64,
        "address": TEXT,
        "from_at": TIME,
        "to_at": TIME,
        "data": TEXT,  # JSON: every column of the row that has none here
        "raw": BLOB,  # of an Accounting-Request: the datagram
    },
    ("session_key", "received_at"),
)

ADMIN = Kind(
    "admin",
    {
        "received_at": TIME,
        "row": I64,
        "actor": TEXT,
        "action": TEXT,
        "target": TEXT,
        "detail": TEXT,  # JSON
    },
    ("received_at",),
)

GAP = Kind(
    "gap",
    {
        "received_at": TIME,
        "row": I64,
        "kind": TEXT,
        "source": TEXT,
        "from_at": TIME,
        "to_at": TIME,
        "lost": U64,
        "reason": TEXT,
    },
    ("from_at",),
)

THIS_MACHINE = "this-machine"
"""The `source` of a row of `clock` that is about the clock of the machine that wrote it."""

CLOCK = Kind(
    "clock",
    {
        "received_at": TIME,
        "source": TEXT,  # the server asked, or the equipment whose clock was seen
        "offset_us": I64,  # ours minus theirs
        "error_us": I64,  # bound of the offset's error
        "stratum": U8,
        "state": TEXT,  # synchronised | unsynchronised | step | unreachable
        "data": TEXT,  # JSON
    },
    ("received_at",),
)

RAW = Kind(
    "raw",
    {
        "received_at": TIME,
        "source": TEXT,  # who sent it: address
        "port": U16,  # from which port
        "listener": TEXT,  # netflow | ipfix
        "reason": TEXT,  # why it was not decoded whole; several with a comma between
        "raw": BLOB,  # the datagram as received
    },
    ("source", "received_at"),
)

KINDS = {kind.name: kind for kind in (NAT, LEASE, ACCESS, SESSION, ADMIN, GAP, CLOCK, RAW)}
