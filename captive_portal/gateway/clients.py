"""Who is admitted, until when, and what it has used: pure, driven by time and by counters.

Times are seconds of the clock that runs since this machine was started and is never set
(CLOCK_BOOTTIME): a gateway without a battery for its clock may learn the date an hour after its
first visitor. Knows nothing of sockets, and nothing of how sessions are reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import ip_address

from captive_portal.gateway.verbs import LONGEST_SECONDS, MAXIMUM_ADDRESSES, Counters

FORGET_ADDRESS_SECONDS = 600.0
"""An address that nobody was seen with for so long is free for the next device."""

LEASE_SECONDS = 12 * 3600
"""What the kernel lets a device stay without hearing of it again. A gateway process that is away
must not cut a lesson off, and one that never comes back must not leave the door open for ever."""


class Cause(IntEnum):
    """Why a session ended: Acct-Terminate-Cause, RFC 2866 section 5.10."""

    USER_REQUEST = 1
    LOST_CARRIER = 2
    """Another device has its address now."""
    IDLE_TIMEOUT = 4
    SESSION_TIMEOUT = 5
    ADMIN_RESET = 6
    NAS_ERROR = 9
    """The kernel has lost the device while this gateway was not looking."""
    NAS_REQUEST = 10
    """Its quota is used up: RFC 2866 has no word of its own for that."""
    NAS_REBOOT = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What an Access-Accept, or a CoA-Request after it, lets a device have."""

    user_name: str
    class_values: tuple[bytes, ...] = ()
    session_seconds: int
    """From the beginning of the session."""
    idle_seconds: int = 0
    """0: it may be silent for as long as it likes."""
    interim_seconds: int
    down_kbps: int | None = None
    up_kbps: int | None = None
    up_octets: int | None = None
    down_octets: int | None = None
    total_octets: int | None = None


@dataclass(slots=True)
class Held:
    """One address of a device."""

    since: float
    seen_at: float


@dataclass(slots=True, kw_only=True)
class Client:
    """One session. `up` is from the device, which accounting calls input."""

    mac: str
    session_id: str
    grant: Grant
    started_at: float
    opened_by: str = ""
    """Names the token that opened it: a form that is sent again changes nothing."""
    addresses: dict[str, Held] = field(default_factory=dict)
    admitted: tuple[str, ...] = ()
    """Those the kernel was told last."""
    up_octets: int = 0
    down_octets: int = 0
    up_packets: int = 0
    down_packets: int = 0
    counted: tuple[int, int, int, int] = (0, 0, 0, 0)
    """What the kernel's counters showed last."""
    busy_at: float = 0.0
    """When the device last sent something."""
    reported_at: float = 0.0
    lease_ends_at: float = 0.0

    def current(self) -> tuple[str, ...]:
        """The addresses it may use: one IPv4, the newest, and its IPv6 ones.

        Accounting can name one IPv4 address only, and nothing goes through that is not named.
        """
        newest = sorted(self.addresses, key=lambda one: -self.addresses[one].since)
        v4 = [one for one in newest if ":" not in one][:1]
        v6 = [one for one in newest if ":" in one]
        return (*v4, *sorted(v6[: MAXIMUM_ADDRESSES - 1]))

    def seconds(self, now: float) -> int:
        """How long the session has lasted."""
        return max(0, int(now - self.started_at))

    def seconds_left(self, now: float) -> int:
        """What the kernel is to be told; at least one second."""
        left = self.started_at + self.grant.session_seconds - now
        return max(1, int(min(left, LEASE_SECONDS, LONGEST_SECONDS)))

    def over(self, now: float) -> Cause | None:
        """Why the session is over, or None."""
        grant = self.grant
        if now - self.started_at >= grant.session_seconds:
            return Cause.SESSION_TIMEOUT
        if (
            _is_used(self.up_octets, grant.up_octets)
            or _is_used(self.down_octets, grant.down_octets)
            or _is_used(self.up_octets + self.down_octets, grant.total_octets)
        ):
            return Cause.NAS_REQUEST
        if grant.idle_seconds and now - self.busy_at >= grant.idle_seconds:
            return Cause.IDLE_TIMEOUT
        return None

    def count(self, counters: Counters, now: float) -> None:
        """Add what has passed since the last look; a counter that went back began anew."""
        seen = (
            counters.up_octets,
            counters.down_octets,
            counters.up_packets,
            counters.down_packets,
        )
        more = [
            new - old if new >= old else new for new, old in zip(seen, self.counted, strict=True)
        ]
        self.counted = seen
        self.up_octets += more[0]
        self.down_octets += more[1]
        self.up_packets += more[2]
        self.down_packets += more[3]
        if more[0]:
            self.busy_at = now


def _is_used(octets: int, limit: int | None) -> bool:
    return limit is not None and octets >= limit


@dataclass(frozen=True, slots=True)
class Moved:
    """A device has other addresses now: tell the kernel, and accounting at once."""

    client: Client


@dataclass(frozen=True, slots=True)
class Lapsing:
    """The kernel would soon forget a device that may stay."""

    client: Client


@dataclass(frozen=True, slots=True)
class Due:
    """An interim update is to be sent."""

    client: Client


@dataclass(frozen=True, slots=True)
class Ended:
    """A session is over; it is no longer among the clients."""

    client: Client
    cause: Cause


Event = Moved | Lapsing | Due | Ended


class Clients:
    """Every admitted device by its MAC address. No two of them hold one address."""

    def __init__(self, clients: Iterable[Client] = ()) -> None:
        self._clients: dict[str, Client] = {}
        self._holders: dict[str, Client] = {}
        """Whose each address is."""
        for client in clients:
            self._clients[client.mac] = client
            self._holders |= dict.fromkeys(client.addresses, client)

    def __iter__(self) -> Iterator[Client]:
        return iter(list(self._clients.values()))

    def __len__(self) -> int:
        return len(self._clients)

    def find(self, mac: str) -> Client | None:
        """The session of a device, or None."""
        return self._clients.get(mac)

    def begin(
        self,
        mac: str,
        session_id: str,
        grant: Grant,
        addresses: Iterable[str],
        now: float,
        opened_by: str = "",
        earlier: Iterable[str] = (),
    ) -> tuple[Client, list[Event]]:
        """A new session of a device that has none, and whom it took an address from.

        Args:
            earlier: the kernel shows these with it too, from before: to see them later is no news,
                and does not take the place of the address that the browser came from.
        """
        client = Client(
            mac=mac,
            session_id=session_id,
            grant=grant,
            started_at=now,
            opened_by=opened_by,
            busy_at=now,
            reported_at=now,
        )
        self._clients[mac] = client
        held = list(addresses)
        events = self._claim([(one, mac) for one in earlier if one not in held], now - 1)
        events += self._claim([(address, mac) for address in held], now)
        client.lease_ends_at = now + client.seconds_left(now)
        return client, [event for event in events if event.client is not client]

    def end(self, mac: str, cause: Cause) -> Ended | None:
        """End a session; None when there is none."""
        client = self._clients.get(mac)
        if client is None:
            return None
        self._drop(client)
        return Ended(client, cause)

    def see(self, neighbours: Iterable[tuple[str, str]], now: float) -> list[Event]:
        """Take up which address has which device now.

        Args:
            neighbours: (address, MAC address), as the kernel shows them.
        """
        forgetful = [client for client in self._clients.values() if self._forget(client, now)]
        events = self._claim(neighbours, now)
        told = {event.client.mac for event in events}
        return events + [Moved(client) for client in forgetful if client.mac not in told]

    def _claim(self, pairs: Iterable[tuple[str, str]], now: float) -> list[Event]:
        """Give addresses to whom the kernel shows them with; whoever that changes."""
        before: dict[str, tuple[str, ...]] = {}
        touched: dict[str, Client] = {}
        for address, mac in pairs:
            client = self._clients.get(mac)
            holder = self._holders.get(address)
            if holder is not None and holder is client:
                client.addresses[address].seen_at = now
                continue
            for one in (holder, client):
                if one is not None and one.mac not in before:
                    before[one.mac] = one.current()
                    touched[one.mac] = one
            if holder is not None:
                del holder.addresses[address], self._holders[address]
            if client is not None and _goes_out(address):
                client.addresses[address] = Held(now, now)
                self._holders[address] = client
        events: list[Event] = []
        for client in touched.values():
            if not client.addresses:
                self._drop(client)
                events.append(Ended(client, Cause.LOST_CARRIER))
            elif client.current() != before[client.mac]:
                events.append(Moved(client))
        return events

    def _drop(self, client: Client) -> None:
        del self._clients[client.mac]
        for address in client.addresses:
            del self._holders[address]

    def _forget(self, client: Client, now: float) -> bool:
        """Let go of addresses nobody was seen with for long; whether that changes anything."""
        newest = max((held.seen_at for held in client.addresses.values()), default=now)
        # Who is silent altogether keeps the last ones, until its session is over.
        gone = [
            address
            for address, held in client.addresses.items()
            if now - held.seen_at >= FORGET_ADDRESS_SECONDS and held.seen_at < newest
        ]
        if not gone:
            return False
        before = client.current()
        for address in gone:
            del client.addresses[address], self._holders[address]
        return client.current() != before

    def use(self, address: str, mac: str, now: float) -> list[Event]:
        """A device was just heard from this very address: of two IPv4 ones this is in use."""
        client = self._clients.get(mac)
        if client is None or not _goes_out(address) or address in client.current():
            return []
        if client.addresses.pop(address, None) is not None:
            del self._holders[address]
        return self._claim([(address, mac)], now)

    def look(
        self, counters: Mapping[str, Counters], asked_at: float, now: float, missing: Cause
    ) -> list[Event]:
        """Take up the counters, and find what is over or due.

        Args:
            counters: by MAC address; a device that is not among them is not admitted any more.
            asked_at: before the counters were read; what began since is not in them.
            missing: why a device is gone that ought to be there.
        """
        events: list[Event] = []
        for client in list(self._clients.values()):
            if client.started_at >= asked_at:
                continue
            found = counters.get(client.mac)
            if found is not None:
                client.count(found, now)
            cause = client.over(now)
            if cause is None and found is None:
                cause = missing
            if cause is not None:
                self._drop(client)
                events.append(Ended(client, cause))
                continue
            if now - client.reported_at >= client.grant.interim_seconds:
                client.reported_at = now
                events.append(Due(client))
            if self._is_lapsing(client, now):
                client.lease_ends_at = now + client.seconds_left(now)
                events.append(Lapsing(client))
        return events

    @staticmethod
    def _is_lapsing(client: Client, now: float) -> bool:
        if client.lease_ends_at - now > LEASE_SECONDS / 2:
            return False
        return now + client.seconds_left(now) > client.lease_ends_at + 1


def _goes_out(address: str) -> bool:
    """Whether what it sends may pass a router."""
    one = ip_address(address)
    return not (one.is_link_local or one.is_multicast or one.is_unspecified)
