"""Looks after the sessions that the portal began by a call: ends them, and asks who is still on.

Each step is one turn's worth; the housekeeper's threads drive it. A controller that does not
answer is left alone for a while, and its sessions stay as they are.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence

from sqlalchemy import select

from captive_portal.vendors.control import Control, Ended
from captive_portal.vendors.controller import Declined, Unreachable
from captive_portal.vendors.profile import Gateway
from captive_portal.vendors.registered import gateway_from
from captive_portal.vendors.registry import control_of, vendor_called
from captive_portal.vendors.settings import missing
from common.logging import get_logger
from common.metrics import Counters
from db.models import NasClient
from identity.domain.dynamic import Kind, State
from identity.office import Office
from identity.services import granted_sessions, outbox
from identity.services.granted_sessions import Told, Watched
from identity.services.outbox import Order

_ORDERS_AT_ONCE = 3
"""A call takes eight seconds at the longest, some makes need three, and a lease lasts forty."""
_NOT_FOUND = 503
"""Error-Cause Session-Context-Not-Found, RFC 5176 section 3.5: as a NAS would say it."""

ENDINGS, LOOKS = "grant_endings_total", "grant_looks_total"
_log = get_logger(__name__)


class GrantKeeper:
    """May be driven by two threads: one for `end_due`, one for `look_due`."""

    def __init__(self, office: Office, counters: Counters | None = None) -> None:
        self._office = office
        self._counters = counters or Counters()
        for outcome in (*State, "put_off"):
            self._counters.add(ENDINGS, 0, outcome=outcome)
        for outcome in ("listed", "unreachable"):
            self._counters.add(LOOKS, 0, outcome=outcome)
        self._node = f"keeper/{os.uname().nodename}/{os.getpid()}/{secrets.token_hex(4)}"

    def end_due(self) -> int:
        """Call the controllers of sessions that are to end; how many requests were worked on.

        Raises:
            BackendUnavailable: the database does not answer.
        """
        office = self._office
        with office.database.read() as session:
            if not granted_sessions.is_order_due(session, office.clock()):
                return 0
        with office.database.write() as session:
            orders = granted_sessions.claim_orders(session, office, self._node, _ORDERS_AT_ONCE)
        for order in orders:
            self._settle(order, *self._end(order))
        return len(orders)

    def _end(self, order: Order) -> tuple[State | None, int | None]:
        """What came of one call; no state where it is to be tried again."""
        office = self._office
        with office.database.read() as session:
            nas = session.scalar(select(NasClient).where(NasClient.name == order.nas_name))
            device = granted_sessions.device_of(session, order.session_key)
        called = None if nas is None else _called(office, nas)
        if nas is None or called is None or device is None or order.kind is not Kind.DISCONNECT:
            return State.UNSUPPORTED, None
        control, gateway = called
        try:
            said = control.end(gateway, device)
        except Declined as error:
            _log.warning("controller_refused", nas=nas.name, reason=str(error))
            return State.NAKKED, None
        except Unreachable as error:
            _log.warning("controller_unreachable", nas=nas.name, reason=str(error))
            return None, None
        except Exception:
            # One strange answer must not keep the others waiting for ever.
            _log.exception("controller_not_understood", nas=nas.name)
            return State.FAILED, None
        if said is Ended.NOT_THERE:
            return State.NAKKED, _NOT_FOUND
        return State.ACKED, None

    def _settle(self, order: Order, state: State | None, error_cause: int | None) -> None:
        office = self._office
        now = office.clock()
        with office.database.write() as session:
            if state is None:
                outbox.put_off(session, now, self._node, order.request_id)
            else:
                outbox.finish(session, now, self._node, order.request_id, state, error_cause)
            if state is State.ACKED:
                # Who is not there may only sleep: looked after further, and ended when it is back.
                granted_sessions.ended(session, now, order.session_key)
        outcome = "put_off" if state is None else state
        self._counters.add(ENDINGS, outcome=outcome)
        _log.info(
            "grant_ending", nas=order.nas_name, session=order.session_key, outcome=str(outcome)
        )

    def look_due(self) -> int:
        """Ask the controllers of what is due who is still on; how many sessions were looked at.

        Raises:
            BackendUnavailable: the database does not answer.
        """
        office = self._office
        with office.database.read() as session:
            due = granted_sessions.due(session, office.clock())
        for nas_client_id, watched in due.items():
            self._look(nas_client_id, watched)
        return sum(map(len, due.values()))

    def _look(self, nas_client_id: int, watched: Sequence[Watched]) -> None:
        office = self._office
        with office.database.read() as session:
            nas = session.get(NasClient, nas_client_id)
        called = None if nas is None else _called(office, nas)
        if nas is None or called is None:
            self._put_off(watched)
            return
        control, gateway = called
        # The others stay due, and are asked for in the next turn.
        watched = watched[: control.most(gateway)]
        try:
            listed = control.look(gateway, [one.device for one in watched])
        except (Declined, Unreachable) as error:
            self._counters.add(LOOKS, outcome="unreachable")
            _log.warning("controller_not_asked", nas=nas.name, reason=str(error))
            self._put_off(watched)
            return
        except Exception:
            _log.exception("controller_not_understood", nas=nas.name)
            self._put_off(watched)
            return
        self._counters.add(LOOKS, outcome="listed")
        told = {
            device: Told(
                ip=seen.ip,
                sent_octets=seen.sent_octets,
                received_octets=seen.received_octets,
                octets=seen.told,
            )
            for device, seen in listed.items()
        }
        granted_sessions.store_look(office, nas, watched, told)

    def _put_off(self, watched: Sequence[Watched]) -> None:
        with self._office.database.write() as session:
            granted_sessions.put_off(session, self._office.clock(), watched)


def _called(office: Office, nas: NasClient) -> tuple[Control, Gateway] | None:
    """Who calls a network device's controller, where it has one and all is set for it."""
    control, gateway = control_of(nas.vendor), gateway_from(office, nas)
    if control is None or control.most(gateway) == 0:
        return None
    lacking = missing(vendor_called(nas.vendor).settings, gateway)
    return None if lacking else (control, gateway)
