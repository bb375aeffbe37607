"""The courier of accounting in this process: home servers that are deaf, dead, late or refuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from common.config import Config
from common.config_access import HomeServer, Proxy, ProxyRealm
from common.metrics import Counters
from db.ledger import Batch, open_ledger
from db.models import RelayOutbox
from db.models.base import to_micros
from identity.office import Office
from identity.services import relay_outbox
from radius_server.packet.codes import Code
from radius_server.packet.forming import form_request
from radius_server.packet.hiding import Hop
from radius_server.packet.packet import decode
from radius_server.proxy import courier as couriers
from radius_server.proxy.courier import Courier
from tests.conftest import Site, wait_until
from tests.integration.test_proxy_relay import HomeServerOnLoopback, home, server

__all__ = ["home"]  # the fixture

pytestmark = pytest.mark.timeout(90)

ANSWERS = Code.ACCOUNTING_RESPONSE


def owe(office: Office, realm: str, *names: str, ago: float = 10.0) -> None:
    """Accounting of sessions of these names, as a worker's commit writes it."""
    at = office.clock() - timedelta(seconds=ago)
    rows = []
    for name in names:
        hop = Hop(b"of the NAS", bytes(16))
        octets = form_request(
            Code.ACCOUNTING_REQUEST,
            1,
            hop,
            [(40, bytes((0, 0, 0, 1))), (44, name.encode()), (2, bytes(16))],
        )
        rows.append((to_micros(at), realm, name, octets, to_micros(at), 0))
    ledger = open_ledger(office.database.url)
    try:
        ledger.commit(Batch(relays=list(rows)))
    finally:
        ledger.close()


@contextmanager
def couriering(
    office: Office, servers: Mapping[str, HomeServer], realms: Mapping[str, tuple[str, ...]]
) -> Iterator[Counters]:
    proxy = Proxy(
        answer_seconds=0.5,
        probe_seconds=0.5,
        accounting_hours=1.0,
        server=dict(servers),
        realm=tuple(ProxyRealm(name=name, servers=asked) for name, asked in realms.items()),
    )
    counters = Counters()
    courier = Courier(Config().model_copy(update={"proxy": proxy}), office, counters)
    courier.start()
    try:
        yield counters
    finally:
        courier.stop()


def accounting_server(where: HomeServerOnLoopback) -> HomeServer:
    return server("127.0.0.1", where.port).model_copy(update={"acct_port": where.port})


def waiting(office: Office) -> dict[str, tuple[int, int]]:
    """By realm: how many wait, and the most rounds that any has gone unanswered."""
    with office.database.read() as session:
        return {one.realm: (one.waiting, one.attempts) for one in relay_outbox.backlogs(session)}


def sessions(where: HomeServerOnLoopback) -> list[str]:
    """Acct-Session-Id of every Accounting-Request that came, copies left out."""
    found = [decode(octets) for octets in where.received]
    said = [one.values[44].decode() for one in found if one.code == Code.ACCOUNTING_REQUEST]
    return list(dict.fromkeys(said))


def test_a_federation_that_is_dead_keeps_no_other_waiting(
    office_on: Office,
    home: Callable[..., HomeServerOnLoopback],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(couriers, "UNDER_WAY", 8)
    dead, alive = home(code=None), home(code=ANSWERS)
    owe(office_on, "dead.example", *(f"d{number}" for number in range(40)))
    owe(office_on, "alive.example", *(f"a{number}" for number in range(40)))
    servers = {"dead": accounting_server(dead), "alive": accounting_server(alive)}
    realms = {"dead.example": ("dead",), "alive.example": ("alive",)}
    with couriering(office_on, servers, realms) as counters:
        wait_until(lambda: "alive.example" not in waiting(office_on), 20, f"{waiting(office_on)}")
        assert sorted(sessions(alive)) == sorted(f"a{number}" for number in range(40))
        assert counters.get("proxy_accounting_delivered", server="alive/acct") == 40
    # No round is counted against those it was not offered: they are due when it is back.
    ((count, rounds),) = waiting(office_on).values()
    assert (count, rounds <= 1) == (40, True)
    with office_on.database.read() as session:
        untried = select(func.count()).where(RelayOutbox.attempts == 0)
        assert (session.scalar(untried) or 0) >= 20


def test_a_server_that_is_back_gets_everything_and_nothing_that_is_secret(
    office_on: Office,
    home: Callable[..., HomeServerOnLoopback],
) -> None:
    late = home(code=None)
    owe(office_on, "x", "s1", "s2")
    with couriering(office_on, {"late": accounting_server(late)}, {"x": ("late",)}):
        wait_until(lambda: len(sessions(late)) == 2, 10, "it was never offered")
        late.code = ANSWERS
        wait_until(lambda: waiting(office_on) == {}, 20, f"{waiting(office_on)}")
    first = decode(late.received[0])
    assert 2 not in first.values, "a value that is hidden for the NAS went to home"
    assert int.from_bytes(first.values[41], "big") >= 10


def test_the_second_server_takes_what_the_first_does_not_answer(
    office_on: Office,
    home: Callable[..., HomeServerOnLoopback],
) -> None:
    first, second = home(code=None), home(code=ANSWERS)
    owe(office_on, "x", "s1")
    servers = {"first": accounting_server(first), "second": accounting_server(second)}
    with couriering(office_on, servers, {"x": ("first", "second")}):
        wait_until(lambda: waiting(office_on) == {}, 15, f"{waiting(office_on)}")
    assert sessions(first) == sessions(second) == ["s1"]


def test_what_is_too_old_is_given_up_and_counted(
    office_on: Office,
    home: Callable[..., HomeServerOnLoopback],
) -> None:
    alive = home(code=ANSWERS)
    owe(office_on, "x", "old", ago=3700)
    owe(office_on, "x", "young", ago=60)
    with couriering(office_on, {"one": accounting_server(alive)}, {"x": ("one",)}) as counters:
        wait_until(lambda: waiting(office_on) == {}, 15, f"{waiting(office_on)}")
        assert sessions(alive) == ["young"]
        assert counters.get("proxy_accounting_lost") == 1


def test_doctor_warns_when_home_takes_nothing_and_of_a_realm_that_is_gone(
    site: Site, office: Office
) -> None:
    def found() -> list[tuple[str, str]]:
        told = json.loads(site.yuenyan("doctor", "--json").stdout)["findings"]
        return [(one["level"], one["what"]) for one in told if one["check"] == "foreign realms"]

    assert found() == []
    text = site.config_file.read_text()
    more = (
        '[proxy.server.one]\nhost = "192.0.2.1"\nsecret = "a secret between institutions"\n'
        '[[proxy.realm]]\nname = "partner.example"\nservers = ["one"]\n[database]'
    )
    site.config_file.write_text(text.replace("[database]", more, 1))
    assert found() == [("ok", "no accounting waits for a home server")]
    owe(office, "partner.example", "young", ago=60)
    assert found() == []
    owe(office, "partner.example", "old", ago=3600)
    ((level, what),) = found()
    assert level == "warn" and "2 accounting packets of partner.example" in what
    owe(office, "gone.example", "x")
    assert [what for _, what in found() if "gone.example" in what]
    shown = json.loads(site.yuenyan("proxy", "status", "--json").stdout)
    assert {one["realm"]: one["waiting"] for one in shown["realms"]} == {
        "partner.example": 2,
        "gone.example": 1,
    }
    assert "not configured any more" in site.yuenyan("proxy", "status").stdout
