"""captive_portal.gateway.admissions with a kernel of our own that keeps sets as nft does."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest

from captive_portal.gateway.admissions import FORGOTTEN_AFTER_SECONDS, Admissions
from captive_portal.gateway.counting import COUNTING_SETS
from captive_portal.gateway.verbs import Admit, Answer, Install, Neighbours, Remove, Usage
from common.config_gateway import GatewayKernel
from common.errors import BackendUnavailable

SETTINGS = GatewayKernel.model_validate(
    {"inside": ["eth1"], "outside": ["eth0"], "addresses": ["10.7.0.1/24", "fd07::1/64"]}
)
ONE, OTHER = "02aa00000005", "02aa00000006"
_ELEMENT = re.compile(
    r"(add|delete) element inet yuenyan_gateway (\w+) "
    r"\{ (\S+(?: \. \S+)?)(?: : (\S+))?(?: timeout (\d+)s)?"
    r"(?: counter packets (\d+) bytes (\d+))? \}"
)


class Kernel:
    """Sets with counters and timeouts; strict where nft is."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sets: dict[str, dict[str, dict[str, Any]]] = {}
        self.rates: dict[tuple[str, int], int] = {}
        self.fails = False
        self.told = b"[]"
        self.chains = b""

    def forward(self) -> None:
        return None

    def change(self, text: str) -> None:
        if self.fails:
            raise BackendUnavailable("nft", "no")
        if text.startswith("add table"):
            self.chains = b"as installed"
        elif not self.sets:
            raise BackendUnavailable("nft", "no such table")
        for line in text.splitlines():
            made = re.match(r"add (?:set|map) inet yuenyan_gateway (\w+)", line)
            if made:
                self.sets.setdefault(made[1], {})
            found = _ELEMENT.fullmatch(line)
            if found:
                self._element(*found.groups())

    def _element(
        self, verb: str, name: str, key: str, data: str, timeout: str, packets: str, octets: str
    ) -> None:
        there = self.sets[name]
        if verb == "delete":
            del there[key]
        elif key in there:
            assert there[key]["data"] == data, "nft refuses other data for a key that is there"
        else:
            there[key] = {"data": data, "until": self.now + int(timeout) if timeout else None,
                          "packets": int(packets or 0), "bytes": int(octets or 0)}  # fmt: skip

    def listing(self) -> bytes:
        if not self.sets:
            raise BackendUnavailable("nft", "no such table")
        listed = []
        for name, there in self.sets.items():
            elements: list[Any] = []
            for key, one in list(there.items()):
                if one["until"] is not None and one["until"] <= self.now:
                    del there[key]
                    continue
                if name.startswith("class"):
                    elements.append([key, one["data"]])
                    continue
                value: Any = {"concat": key.split(" . ")} if " . " in key else key
                element: dict[str, Any] = {"val": value}
                if name.startswith(("up", "down", "past")):
                    element["counter"] = {"packets": one["packets"], "bytes": one["bytes"]}
                if one["until"] is not None:
                    element["expires"] = int(one["until"] - self.now)
                elements.append({"elem": element} if len(element) > 1 else value)
            listed.append({"set": {"name": name, "elem": elements}})
        return json.dumps({"nftables": [{"metainfo": {}}, *listed]}).encode()

    def counters(self) -> str:
        if not self.sets:
            raise BackendUnavailable("nft", "no such table")
        return "\n".join(
            f"{key} counter packets {one['packets']} bytes {one['bytes']}"
            for name in COUNTING_SETS
            for key, one in self.sets[name].items()
        )

    def counters_of(self, asked: str) -> str:
        found = []
        for name, keys in re.findall(r"yuenyan_gateway (\w+) \{ ([^}]+) \}", asked):
            for key in keys.split(", "):
                one = self.sets[name][key]
                found.append(f"{key} counter packets {one['packets']} bytes {one['bytes']}")
        return "\n".join(found)

    def is_installed(self) -> bool:
        return bool(self.sets)

    def rules(self) -> bytes:
        return self.chains if self.sets else b""

    def neighbours(self) -> bytes:
        return self.told

    def set_rate(self, interfaces: Sequence[str], minor: int, kbps: int) -> None:
        self.rates.update({(name, minor): kbps for name in interfaces})

    def drop_rate(self, interfaces: Sequence[str], minor: int) -> None:
        for name in interfaces:
            self.rates.pop((name, minor), None)

    def drop_rates_but(self, interfaces: Sequence[str], kept: set[int]) -> None:
        self.rates = {key: rate for key, rate in self.rates.items() if key[1] in kept}

    def passes(self, mac: str, address: str, octets: int) -> bool:
        """Count as the rules do."""
        number = 6 if ":" in address else 4
        key = ":".join(mac[at : at + 2] for at in range(0, 12, 2)) + f" . {address}"
        self.listing()
        if key not in self.sets[f"admitted{number}"] or key not in self.sets[f"up{number}"]:
            return False
        for name, one in ((f"up{number}", key), (f"down{number}", address)):
            self.sets[name][one]["bytes"] += octets
            self.sets[name][one]["packets"] += 1
        return True


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def gate(kernel: Kernel) -> Admissions:
    return started(kernel)


def started(kernel: Kernel) -> Admissions:
    made = Admissions(SETTINGS, kernel, lambda: kernel.now)
    made.start()
    return made


def admit(gate: Admissions, mac: str, *addresses: str, seconds: int = 60, **rates: int) -> Answer:
    return gate.answer(Admit(mac=mac, addresses=addresses, seconds=seconds, **rates))


def octets(gate: Admissions) -> dict[str, int]:
    return {one.mac: one.up_octets for one in gate.answer(Usage()).counters}


def test_a_device_loses_an_address_but_not_what_it_counted(
    gate: Admissions, kernel: Kernel
) -> None:
    assert admit(gate, ONE, "10.7.0.5", "fd07::5").error == ""
    assert kernel.passes(ONE, "10.7.0.5", 100) and kernel.passes(ONE, "fd07::5", 10)
    assert admit(gate, ONE, "fd07::5").error == ""
    assert not kernel.passes(ONE, "10.7.0.5", 1)
    assert octets(gate) == {ONE: 110}
    assert admit(gate, ONE, "10.7.0.5").error == ""
    assert kernel.passes(ONE, "10.7.0.5", 1)
    assert octets(gate) == {ONE: 111}
    assert [one.up_octets for one in gate.answer(Remove(mac=ONE)).counters] == [111]
    assert not any(kernel.sets.values())


def test_an_address_is_one_devices_until_its_time_is_over(gate: Admissions, kernel: Kernel) -> None:
    assert admit(gate, ONE, "10.7.0.5", seconds=60).error == ""
    assert kernel.passes(ONE, "10.7.0.5", 100)
    assert "02:aa:00:00:00:05; remove that device first" in admit(gate, OTHER, "10.7.0.5").error
    kernel.now += 61
    assert admit(gate, OTHER, "10.7.0.5").error == ""
    assert octets(gate) == {ONE: 100, OTHER: 0}
    assert gate.answer(Remove(mac=ONE)).counters[0].up_octets == 100
    assert kernel.passes(OTHER, "10.7.0.5", 1)


@pytest.mark.parametrize(
    "address", ["10.8.0.5", "10.7.0.1", "10.7.0.0", "10.7.0.255", "fe80::5", "fd07::1", "fd07::"]
)
def test_an_address_that_is_no_devices_is_refused(
    gate: Admissions, kernel: Kernel, address: str
) -> None:
    assert "inside's addresses" in admit(gate, ONE, "10.7.0.5", address).error
    assert not any(kernel.sets.values())


def test_a_helper_that_starts_anew_adopts_everybody(kernel: Kernel) -> None:
    before = started(kernel)
    admit(before, ONE, "10.7.0.5", "fd07::5", down_kbps=500, up_kbps=200)
    admit(before, OTHER, "10.7.0.6", seconds=10)
    kernel.passes(ONE, "10.7.0.5", 100)
    kernel.rates["eth1", 77] = 1
    kernel.now += 20
    gate = started(kernel)
    assert kernel.passes(ONE, "fd07::5", 10)
    assert octets(gate) == {ONE: 110, OTHER: 0}
    assert kernel.rates == {("eth1", 1): 500, ("eth0", 1): 200}
    assert "remove that device first" in admit(gate, OTHER, "10.7.0.5").error
    admit(gate, ONE, "10.7.0.5")
    assert kernel.rates == {} and kernel.sets["class4"] == kernel.sets["class6"] == {}


def test_rates_of_one_direction_leave_the_other_free(gate: Admissions, kernel: Kernel) -> None:
    admit(gate, ONE, "10.7.0.5", down_kbps=500)
    admit(gate, OTHER, "10.7.0.6", up_kbps=100)
    assert kernel.rates == {("eth1", 1): 500, ("eth0", 2): 100}
    admit(gate, ONE, "10.7.0.5", up_kbps=300)
    assert kernel.rates == {("eth0", 1): 300, ("eth0", 2): 100}
    gate.answer(Remove(mac=ONE))
    assert kernel.rates == {("eth0", 2): 100}


def test_a_kernel_that_refuses_is_told_and_nothing_is_believed(
    gate: Admissions, kernel: Kernel
) -> None:
    kernel.fails = True
    assert "nft is unavailable" in admit(gate, ONE, "10.7.0.5").error
    kernel.fails = False
    assert octets(gate) == {}
    assert admit(gate, OTHER, "10.7.0.5").error == ""


@pytest.mark.parametrize("verb", [Usage(), Install(), None], ids=["usage", "install", "watch"])
def test_flushed_tables_are_made_again_with_everybody_in_them(
    gate: Admissions, kernel: Kernel, verb: Usage | Install | None
) -> None:
    admit(gate, ONE, "10.7.0.5", "fd07::5", down_kbps=500)
    admit(gate, OTHER, "10.7.0.6", seconds=5)
    for mac, address in ((ONE, "10.7.0.5"), (ONE, "fd07::5"), (OTHER, "10.7.0.6")):
        assert kernel.passes(mac, address, 100)
    assert octets(gate) == {ONE: 200, OTHER: 100}
    kernel.now += 10
    kernel.sets.clear()
    if verb is None:
        gate.watch()
    else:
        assert gate.answer(verb).error == ""
    assert kernel.passes(ONE, "10.7.0.5", 1) and not kernel.passes(OTHER, "10.7.0.6", 1)
    assert octets(gate) == {ONE: 201, OTHER: 100}
    assert kernel.sets["class6"]["fd07::5"]["data"] == "7957:1"
    kernel.now += 51
    assert not kernel.passes(ONE, "10.7.0.5", 1)


def test_rules_that_somebody_changed_are_put_right(gate: Admissions, kernel: Kernel) -> None:
    admit(gate, ONE, "10.7.0.5")
    gate.watch()
    kernel.chains = b"of somebody else"
    gate.watch()
    assert kernel.chains == b"of somebody else"
    kernel.now += 21
    gate.watch()
    assert kernel.chains == b"as installed"
    assert kernel.passes(ONE, "10.7.0.5", 1)


def test_a_kernel_that_takes_no_tables_is_waited_for(gate: Admissions, kernel: Kernel) -> None:
    admit(gate, ONE, "10.7.0.5")
    kernel.sets.clear()
    kernel.fails = True
    gate.watch()
    assert "nft is unavailable" in gate.answer(Usage()).error
    kernel.fails = False
    gate.watch()
    assert kernel.passes(ONE, "10.7.0.5", 1)


def test_a_device_of_yesterday_is_forgotten(gate: Admissions, kernel: Kernel) -> None:
    admit(gate, ONE, "10.7.0.5", down_kbps=9)
    kernel.now += 61
    assert octets(gate) == {ONE: 0}
    kernel.now += FORGOTTEN_AFTER_SECONDS
    gate.answer(Usage())
    assert octets(gate) == {} and not any(kernel.sets.values()) and kernel.rates == {}


def test_a_full_house_forgets_whose_time_is_over_and_nobody_else(
    gate: Admissions, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("captive_portal.gateway.admissions.MOST_DEVICES", 2)
    admit(gate, ONE, "10.7.0.5", seconds=5)
    admit(gate, OTHER, "10.7.0.6")
    assert "2 devices already" in admit(gate, "02aa00000007", "10.7.0.7").error
    kernel.now += 6
    assert admit(gate, "02aa00000007", "10.7.0.7").error == ""
    assert set(octets(gate)) == {OTHER, "02aa00000007"}
    assert admit(gate, OTHER, "10.7.0.6").error == ""


def test_neighbours_are_what_could_be_admitted(gate: Admissions, kernel: Kernel) -> None:
    def entry(dst: str, lladdr: str, dev: str = "eth1", state: str = "STALE") -> dict[str, Any]:
        return {"dst": dst, "dev": dev, "lladdr": lladdr, "state": [state]}

    kernel.told = json.dumps(
        [
            entry("10.7.0.5", "02:aa:00:00:00:05"),
            entry("fd07::5", "02:aa:00:00:00:05", state="REACHABLE"),
            entry("fe80::5", "02:aa:00:00:00:05"),
            entry("10.7.0.6", "02:aa:00:00:00:06", dev="eth0"),
            entry("10.7.0.7", "02:aa:00:00:00:07", state="FAILED"),
            entry("10.7.0.8", "01:00:5e:00:00:01"),
            entry("10.7.0.9", "00:00:00:00:00:00"),
            {"dst": "10.7.0.10", "dev": "eth1", "state": ["INCOMPLETE"]},
        ]
    ).encode()
    assert gate.answer(Neighbours()).neighbours == (("10.7.0.5", ONE), ("fd07::5", ONE))
    kernel.told = b"not JSON"
    assert "not understood" in gate.answer(Neighbours()).error
