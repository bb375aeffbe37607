"""captive_portal.gateway.rules: what must be, and must not be, in the tables."""

from __future__ import annotations

from typing import Any

from captive_portal.gateway.rules import install
from common.config_gateway import GatewayKernel

_SOME = {"inside": ["eth1"], "outside": ["eth0"], "addresses": ["10.7.0.1/24", "fd07::1/64"]}


def rules(**changes: Any) -> dict[str, list[str]]:
    """The rules by chain."""
    found: dict[str, list[str]] = {}
    for line in install(GatewayKernel.model_validate({**_SOME, **changes})).splitlines():
        if line.startswith("add rule "):
            *_, chain, rule = line.split(" ", 5)
            found.setdefault(chain, []).append(rule)
    return found


def elements(name: str, **changes: Any) -> str:
    text = install(GatewayKernel.model_validate({**_SOME, **changes}))
    return next(
        (line.split(f" {name} ")[1] for line in text.splitlines()
         if line.startswith("add element") and f" {name} " in line),
        "",
    )  # fmt: skip


def test_nothing_from_inside_passes_because_its_connection_once_did() -> None:
    chain = rules()["from_inside"]
    assert not [rule for rule in chain if "established" in rule]
    returns = [rule for rule in chain if rule.endswith("return")]
    assert len(returns) == 2
    assert all("@admitted" in rule and "@up" in rule for rule in returns)


def test_whatever_is_not_let_through_is_refused_aloud() -> None:
    found = rules()
    for chain in ("from_inside", "to_inside", "to_us"):
        assert found[chain][-2:] == [
            *("meta l4proto tcp reject with tcp reset", "reject with icmpx admin-prohibited"),
        ]
        assert not [rule for rule in found[chain] if rule == "drop"]


def test_the_garden_has_prefixes_of_its_family_and_overlaps_are_one() -> None:
    garden = ["10.9.0.0/16", "10.9.3.0/24", "2001:db8::/32", "moodle.school.example"]
    assert elements("fixed4", garden=garden, portal_hosts=["192.0.2.1"]) == (
        "{ 10.9.0.0/16, 192.0.2.1/32 }"
    )
    assert elements("fixed6", garden=garden) == "{ 2001:db8::/32 }"
    assert elements("fixed4") == ""


def test_questions_of_whoever_is_not_admitted_are_led_to_our_resolver() -> None:
    assert "meta nfproto ipv4 udp dport 53 redirect" in rules()["catch"]
    found = rules(dns=["192.0.2.53", "192.0.2.54"])
    assert "meta nfproto ipv4 udp dport 53 dnat ip to 192.0.2.53" in found["catch"]
    assert "meta nfproto ipv6 udp dport 53 redirect" in found["catch"]
    assert any("ip daddr 192.0.2.54" in rule for rule in found["to_everybody"])
    order = [at for at, rule in enumerate(found["catch"]) if "admitted" in rule or "dnat" in rule]
    assert found["catch"][order[0]].endswith("@admitted4 return")


def test_before_the_login_no_resolver_is_asked_without_end() -> None:
    limit = "update @asking { ether saddr limit rate over 30/second burst 60 packets } drop"
    for dns in ([], ["192.0.2.53"]):
        found = rules(dns=dns)
        for chain in ("to_everybody", "to_us"):
            first = found[chain][0]
            assert first == f"meta l4proto {{ tcp, udp }} th dport 53 {limit}"
    asked = [rule for rule in found["to_everybody"] if "192.0.2.53" in rule]
    assert asked and asked[0].endswith("accept")
    ways = found["from_inside"]
    admitted = [at for at, rule in enumerate(ways) if rule.endswith("return")]
    assert max(admitted) < ways.index("jump to_everybody"), "who is signed in is not slowed down"


def test_addresses_are_hidden_only_where_it_is_asked_for() -> None:
    assert rules()["hide"] == ['oifname { "eth0" } ip saddr { 10.7.0.0/24 } masquerade']
    assert "hide" not in rules(nat=False)
    assert any("ip6 saddr { fd07::/64 } masquerade" in rule for rule in rules(nat6=True)["hide"])
    assert not any("invalid" in rule for rule in rules(nat=False)["from_inside"])


def test_this_machine_shows_the_inside_its_named_ports_alone() -> None:
    ports = next(rule for rule in rules(open_ports=[443])["to_us"] if rule.startswith("tcp"))
    assert ports == "tcp dport { 53, 443, 8090 } accept"


def test_clocks_and_connections_from_outside_are_choices() -> None:
    assert (
        "udp dport 123 udp length <= 92 limit rate 64/second burst 64 packets accept"
        in rules()["to_everybody"]
    )
    assert not any("dport 123" in rule for rule in rules(ntp=False).get("to_everybody", []))
    assert any("ct state new reject" in rule for rule in rules()["to_inside"])
    assert not any("ct state new" in rule for rule in rules(from_outside=True)["to_inside"])


def test_sets_of_the_admitted_are_never_flushed() -> None:
    text = install(GatewayKernel.model_validate(_SOME))
    flushed = {line.split()[-1] for line in text.splitlines() if line.startswith("flush set")}
    assert flushed == {"fixed4", "fixed6"}
    assert "delete" not in text and "flush ruleset" not in text
