"""Admits devices, watches them, lets them go: the one place where state, kernel and RADIUS meet.

Everything that changes a session happens under one lock, in this order: the kernel, what is
known here, the disk. RADIUS is asked outside it. What the kernel lets through and nobody here
knows of is removed at the next look.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Protocol

from captive_portal.gateway.attributes import Device, accounting_pairs, boot_pairs
from captive_portal.gateway.clients import (
    Cause,
    Client,
    Clients,
    Due,
    Ended,
    Event,
    Grant,
    Lapsing,
    Moved,
)
from captive_portal.gateway.helper import Kernel
from captive_portal.gateway.neighbourhood import Neighbourhood
from captive_portal.gateway.radius import Rejected
from captive_portal.gateway.refusals import Refusals
from captive_portal.gateway.store import Record, Store
from captive_portal.gateway.times import Times
from captive_portal.gateway.verbs import Admit, Remove, Usage
from common.config_gateway import Gateway
from common.errors import BackendUnavailable
from common.logging import get_logger
from common.metrics import Counters
from identity.domain.sessions import StatusType
from identity.domain.tokens import PREFIX

SAVE_SECONDS = 30.0
"""The counters on the disk are so old at most; without a power cut the kernel's are exact."""

_BOOT, _LOOKED_UP, _LOOKED_AT = "boot", "looked_up", "looked_at"
_PATIENCE_SECONDS = 20.0
"""A second click waits for the first one's answer, and a class for its turn, longer than RADIUS
may take."""


class Decider(Protocol):
    """Whoever says whether a token is good."""

    def log_in(
        self, device: Device, username: str, password: str, session_id: str
    ) -> Grant | Rejected:
        """BackendUnavailable when nobody says."""
        ...


@dataclass(frozen=True, slots=True)
class Entered:
    """The device is through; `record` is the number of its Accounting-Start."""

    client: Client
    record: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """It is not, for this reason: reject, timeout, token, busy or gateway."""

    reason: str
    text: str = ""


class Doorkeeper:
    """The sessions of one gateway. `tick` is called every few seconds by one thread."""

    def __init__(
        self,
        settings: Gateway,
        kernel: Kernel,
        decider: Decider,
        store: Store,
        times: Times,
        counters: Counters,
        on_record: Callable[[], object] = lambda: None,
    ) -> None:
        """Args: on_record: called when there is something new to tell RADIUS."""
        self._on_record = on_record
        self._settings = settings
        self._kernel = kernel
        self._decider = decider
        self._store = store
        self._times = times
        self._counters = counters
        self._neighbours = Neighbourhood(kernel, times)
        self._changed = threading.Condition(threading.RLock())
        self._clients = Clients()
        self._is_ready = False
        self._entering: set[str] = set()
        self._waiting = 0
        self._refusals = Refusals()
        self._unwritten: list[Record] = []
        self._dropped: set[str] = set()
        self._saved_at = 0.0
        self._log = get_logger(__name__)

    def mac_of(self, address: str) -> str | None:
        """The device at this address of the inside, or None; BackendUnavailable without helper."""
        return self._neighbours.find(address)

    def clients(self) -> Sequence[Client]:
        """Every session there is now; not to be changed."""
        with self._changed:
            return list(self._clients)

    def notice(self, address: str, mac: str) -> tuple[Client | None, bool]:
        """The session of a device that was caught at this address, and whether that was news.

        An admitted device may have taken up another address a moment ago; it is let through.
        """
        with self._changed:
            client = self._clients.find(mac)
            if client is None:
                return None, False
            events = self._clients.use(address, mac, self._times.up())
            self._apply(events)
            return self._clients.find(mac), bool(events)

    def log_in(self, address: str, username: str, token: str) -> Entered | Failed:
        """Let the device at `address` in, if RADIUS takes the token. Blocks for seconds."""
        if not token.startswith(PREFIX):
            # A password of somebody's would be tried over plain HTTP, and a page elsewhere
            # could sign a visitor in with the password of whoever made it.
            return Failed("token")
        try:
            mac = self._neighbours.find(address)
            if mac is None or not self._is_ready:
                return Failed("gateway")
            if not self._begin_entering(mac):
                return Failed("busy")
            try:
                return self._enter(mac, address, username, token)
            finally:
                with self._changed:
                    self._entering.discard(mac)
                    self._changed.notify_all()
        except BackendUnavailable as error:
            self._log.warning("login_not_decided", address=address, reason=str(error))
            return Failed("timeout" if error.backend == "RADIUS" else "gateway")

    def _begin_entering(self, mac: str) -> bool:
        with self._changed:
            threads = self._settings.threads
            if len(self._entering) + self._waiting >= threads * 3 // 4:
                # The other threads are for who is only to be shown the way.
                return False
            self._waiting += 1
            try:
                has_turn = self._changed.wait_for(
                    lambda: mac not in self._entering and len(self._entering) < threads // 2,
                    _PATIENCE_SECONDS,
                )
            finally:
                self._waiting -= 1
            if has_turn:
                self._entering.add(mac)
            return has_turn

    def _enter(self, mac: str, address: str, username: str, token: str) -> Entered | Failed:
        digest = sha256(token.encode()).hexdigest()
        with self._changed:
            client = self._clients.find(mac)
            if client is not None and client.opened_by == digest:
                return Entered(client)
            if self._refusals.is_too_much(mac, self._times.up()):
                return Failed("busy")
        held = self._neighbours.addresses_of(mac)
        device = Device(mac=mac, addresses=_told(address, held))
        session_id = secrets.token_hex(8)
        grant = self._decider.log_in(device, username, token, session_id)
        if isinstance(grant, Rejected):
            self._count("logins", outcome="rejected")
            with self._changed:
                self._refusals.add(mac, self._times.up())
            return Failed("reject", grant.text)
        with self._changed:
            entered = self._admit_new(device, session_id, grant, digest, held)
        self._count("logins", outcome="accepted")
        self._log.info("device_admitted", mac=mac, session=session_id, user=grant.user_name)
        return entered

    def _admit_new(
        self,
        device: Device,
        session_id: str,
        grant: Grant,
        opened_by: str,
        held: Sequence[str],
    ) -> Entered:
        """A new session; one that the device had is over by its own wish."""
        now = self._times.up()
        if self._clients.find(device.mac) is not None:
            self._count_now()
            self._kernel.ask(Remove(mac=device.mac))
            ended = self._clients.end(device.mac, Cause.USER_REQUEST)
            self._note([ended] if ended else [], now)
        client, events = self._clients.begin(
            device.mac, session_id, grant, device.addresses, now, opened_by, held
        )
        try:
            self._tell_kernel(events, now)
            self._note(events, now)
            self._admit(client, now)
            record = self._record(StatusType.START, client, now)
            number = self._write([client], [record])
        except BackendUnavailable:
            self._clients.end(device.mac, Cause.NAS_ERROR)
            self._remove(device.mac)
            raise
        return Entered(client, number)

    def log_out(self, address: str) -> Client | None:
        """End the session of the device at `address`; None when it has none.

        Raises:
            BackendUnavailable: the kernel still lets it through.
        """
        mac = self._neighbours.find(address)
        client = None if mac is None else self.end(mac, Cause.USER_REQUEST)
        return client

    def end(self, mac: str, cause: Cause, session_id: str = "") -> Client | None:
        """End a session; None when it is not there, or is another one than `session_id`.

        Raises:
            BackendUnavailable: the kernel still lets it through.
        """
        with self._changed:
            client = self._clients.find(mac)
            if client is None or (session_id and client.session_id != session_id):
                return None
            # Its last octets; the counters go with the device.
            self._count_now()
            self._kernel.ask(Remove(mac=mac))
            ended = self._clients.end(mac, cause)
            self._apply([ended] if ended else [], is_removed=True)
        return client

    def change(self, mac: str, session_id: str, grant: Grant) -> bool:
        """Give a session another grant; False when it is not there any more.

        Raises:
            BackendUnavailable: the kernel has not taken it; then the old one holds.
        """
        with self._changed:
            client = self._clients.find(mac)
            if client is None or client.session_id != session_id:
                return False
            before, now = client.grant, self._times.up()
            client.grant = grant
            try:
                self._admit(client, now)
            except BackendUnavailable:
                client.grant = before
                raise
            self._write([client], [])
            self._log.info("session_changed", mac=mac, session=session_id)
            return True

    def tick(self) -> None:
        """Look at neighbours and counters, and do what has become due.

        Raises:
            BackendUnavailable: the helper or the disk does not answer; the next tick goes on.
        """
        pairs = self._neighbours.read()
        asked_at = self._times.up()
        usage = {one.mac: one for one in self._kernel.ask(Usage()).counters}
        with self._changed:
            if not self._is_ready:
                self._take_up(usage)
            events = self._clients.see(pairs, self._times.up())
            events += self._clients.look(usage, asked_at, self._times.up(), Cause.NAS_ERROR)
            self._apply(events)
            for mac in usage.keys() - {client.mac for client in self._clients}:
                self._remove(mac)
            if self._times.up() - self._saved_at >= SAVE_SECONDS:
                self._write(list(self._clients), [])

    def _take_up(self, usage: Container[str]) -> None:
        """Go on where an earlier run stopped; sessions the kernel has lost are over.

        They end when they were last seen, because nobody knows when since then it was.
        """
        stored, boot, up = self._store.clients(), self._times.boot(), self._times.up()
        earlier = self._store.fact(_BOOT)
        looked_up = float(self._store.fact(_LOOKED_UP) or up)
        looked_at = float(self._store.fact(_LOOKED_AT) or self._times.calendar())
        same = earlier == boot
        kept = [client for client in stored if same and client.mac in usage]
        lost = [client for client in stored if client not in kept]
        cause = Cause.NAS_ERROR if same else Cause.NAS_REBOOT
        records = [
            self._record(StatusType.STOP, client, looked_up, cause, int(looked_at), earlier)
            for client in lost
        ]
        if not earlier or (lost and not kept):
            records.append(self._boot_record())
        self._clients = Clients(kept)
        self._dropped |= {client.mac for client in lost}
        self._write(kept, records)
        self._is_ready = True
        self._log.info("gateway_ready", kept=len(kept), lost=len(lost))

    def save(self) -> None:
        """Write what the next start goes on from; the devices stay admitted."""
        with self._changed:
            if self._is_ready:
                self._write(list(self._clients), [])

    def _count_now(self) -> None:
        """Take up the counters; without them the last ones hold."""
        asked_at = self._times.up()
        try:
            usage = self._kernel.ask(Usage()).counters
        except BackendUnavailable:
            return
        for one in usage:
            client = self._clients.find(one.mac)
            if client is not None and client.started_at < asked_at:
                client.count(one, asked_at)

    def _apply(self, events: Iterable[Event], *, is_removed: bool = False) -> None:
        """Tell the kernel and the disk what has happened."""
        events = list(events)
        if not events:
            return
        now = self._times.up()
        if not is_removed:
            self._tell_kernel(events, now)
        self._note(events, now)
        over = _ended(events)
        self._write([event.client for event in events if event.client.mac not in over], [])

    def _tell_kernel(self, events: Sequence[Event], now: float) -> None:
        over = _ended(events)
        for mac in over:
            self._remove(mac)
        again = [event.client for event in events if isinstance(event, Moved | Lapsing)]
        again = [client for client in again if client.mac not in over]
        # The kernel gives nobody an address that another still has, and two may have changed.
        for client in again:
            if not set(client.admitted) <= set(client.current()):
                self._release(client, now)
        for client in again:
            self._admit_again(client, now)

    def _note(self, events: Iterable[Event], now: float) -> None:
        """Make the records of events, to be written with the next change."""
        for event in events:
            client = event.client
            if isinstance(event, Ended):
                self._unwritten.append(self._record(StatusType.STOP, client, now, event.cause))
                self._dropped.add(client.mac)
                self._count("sessions_ended", cause=event.cause.name.lower())
                self._log.info(
                    "session_ended",
                    mac=client.mac,
                    session=client.session_id,
                    cause=event.cause.name.lower(),
                )
            elif isinstance(event, Due | Moved):
                # What names other addresses than the one before is evidence, and stays.
                record = self._record(StatusType.INTERIM, client, now)
                self._unwritten.append(replace(record, replaceable=isinstance(event, Due)))

    def _release(self, client: Client, now: float) -> None:
        """Leave a device only those of its addresses that it had and still has."""
        left = tuple(one for one in client.current() if one in client.admitted)
        if left:
            self._admit_again(client, now, left)
            return
        self._count_now()
        self._remove(client.mac)
        client.counted, client.admitted = (0, 0, 0, 0), ()

    def _admit(self, client: Client, now: float, addresses: tuple[str, ...] = ()) -> None:
        admission = Admit(
            mac=client.mac,
            addresses=addresses or client.current(),
            seconds=client.seconds_left(now),
            down_kbps=client.grant.down_kbps,
            up_kbps=client.grant.up_kbps,
        )
        self._kernel.ask(admission)
        client.admitted = tuple(admission.addresses)
        client.lease_ends_at = now + admission.seconds

    def _admit_again(self, client: Client, now: float, addresses: tuple[str, ...] = ()) -> None:
        try:
            self._admit(client, now, addresses)
        except BackendUnavailable as error:
            client.lease_ends_at = 0.0  # the next look finds it lapsing, and tries again
            self._log.warning("device_not_admitted_again", mac=client.mac, reason=str(error))

    def _remove(self, mac: str) -> None:
        try:
            self._kernel.ask(Remove(mac=mac))
        except BackendUnavailable as error:
            # The next look finds a device that nobody knows, and removes it.
            self._log.error("device_not_removed", mac=mac, reason=str(error))

    def _write(self, keep: Sequence[Client], records: Sequence[Record]) -> int:
        """Put a change on the disk, with what earlier ones could not put there."""
        up, at = self._times.up(), self._times.calendar()
        dropped = self._dropped - {client.mac for client in keep}
        facts = [(_BOOT, self._times.boot()), (_LOOKED_UP, str(up)), (_LOOKED_AT, str(at))]
        unwritten = [*self._unwritten, *records]
        number = self._store.write(keep=keep, drop=dropped, records=unwritten, facts=facts)
        self._unwritten.clear()
        self._dropped.clear()
        self._saved_at = up
        if unwritten:
            self._on_record()
        return number

    def _record(
        self,
        status: StatusType,
        client: Client,
        up: float,
        cause: Cause | None = None,
        at: int | None = None,
        boot: str | None = None,
    ) -> Record:
        timestamp = int(self._times.calendar()) if at is None else at
        pairs = accounting_pairs(self._settings, status, client, up, timestamp, cause)
        return Record(
            session_id=client.session_id,
            pairs=list(pairs),
            boot=self._times.boot() if boot is None else boot,
            up_seconds=up,
            at_seconds=float(timestamp),
        )

    def _boot_record(self) -> Record:
        at = self._times.calendar()
        return Record(
            session_id="",
            pairs=list(boot_pairs(self._settings, int(at))),
            boot=self._times.boot(),
            up_seconds=self._times.up(),
            at_seconds=at,
        )

    def _count(self, name: str, **labels: str) -> None:
        self._counters.add(f"gateway_{name}", 1, **labels)


def _ended(events: Iterable[Event]) -> set[str]:
    return {event.client.mac for event in events if isinstance(event, Ended)}


def _told(address: str, held: Iterable[str]) -> tuple[str, ...]:
    """The addresses of an Access-Request: one IPv4, which the browser came from if it can be."""
    others = [one for one in held if one != address]
    v4 = [one for one in (address, *others) if ":" not in one][:1]
    v6 = [one for one in (address, *others) if ":" in one]
    return (*v4, *v6[:31])
