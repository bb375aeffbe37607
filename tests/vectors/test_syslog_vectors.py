"""Lines of every format that is read, with every value they carry; headers beside them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.vectors.syslog.lines import LINES
from traffic.decoders.syslog.lines import Line
from traffic.decoders.syslog.message import Message, parse_message
from traffic.decoders.syslog.readers import read_line

RECEIVED = datetime(2026, 11, 27, 16, 57, 43, tzinfo=UTC)
RECEIVED_MS = int(RECEIVED.timestamp() * 1000)
BANGKOK = ZoneInfo("Asia/Bangkok")


def message_of(line: str | bytes, received_ms: int = RECEIVED_MS) -> Message:
    octets = line.encode() if isinstance(line, str) else line
    return parse_message(octets, received_ms, BANGKOK)


def reading(line: str) -> Line | None:
    return read_line(message_of(line))


@pytest.mark.parametrize(
    ("line", "fields"), [pytest.param(line, fields, id=name) for name, line, fields in LINES]
)
def test_a_line_says_what_its_format_means(line: str, fields: dict[str, Any]) -> None:
    found = reading(line)
    assert found is not None
    assert {key: value for key, value in asdict(found).items() if value is not None} == fields


@pytest.mark.parametrize("line", [line for _, line, _ in LINES])
def test_a_line_cut_anywhere_is_read_or_not_but_never_an_error(line: str) -> None:
    for end in range(len(line)):
        reading(line[:end])


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param("<30>Nov 27 23:57:42 gw x: y", "2026-11-27T16:57:42", id="old"),
        pytest.param("<30>Nov  7 03:00:00 gw x: y", "2026-11-06T20:00:00", id="old-one-digit"),
        pytest.param("<30>Jan  1 00:00:00 gw x: y", "2026-12-31T17:00:00", id="next-year"),
        pytest.param("<30>Nov 27 2026 23:57:42 gw : y", "2026-11-27T16:57:42", id="with-year"),
        pytest.param("<30>2026-11-27T23:57:42.5+07:00 gw x: y", "2026-11-27T16:57:42.5", id="iso"),
        pytest.param("<30>1 2026-11-27T16:57:42Z gw x - - - y", "2026-11-27T16:57:42", id="new"),
        pytest.param("<30>1 - gw x - - - y", None, id="no-time"),
        pytest.param("<30>Feb 29 23:57:42 gw x: y", "2028-02-29T16:57:42", id="leap"),
        pytest.param("<30>Nov 99 99:99:99 gw x: y", None, id="nonsense"),
        pytest.param("<30>x: y", None, id="no-header"),
    ],
)
def test_the_time_of_the_header_is_the_nearest_that_it_can_mean(
    line: str, told: str | None
) -> None:
    received = RECEIVED_MS if "Feb" not in line else RECEIVED_MS + 365 * 86_400_000
    found = message_of(line, received).told_ms
    expected = told and int(datetime.fromisoformat(told).replace(tzinfo=UTC).timestamp() * 1000)
    assert found == expected


def test_structured_data_is_taken_apart_with_its_escapes() -> None:
    line = r'<30>1 - gw app 7 ID [meta sequenceId="12"][x@1 a="b\"c\]d" e=""] text'
    found = message_of(line)
    assert found.parameters == {"sequenceId": "12", "a": 'b"c]d', "e": ""}
    assert (found.host, found.app, found.name, found.text) == ("gw", "app", "ID", "text")


def test_rsyslogs_second_space_is_no_part_of_the_text() -> None:
    assert message_of("<30>1 - gw app 7 - -  DHCPACK").text == "DHCPACK"


FORGED = "srcnat: in:a out:b, proto TCP (SYN), 10.0.0.5:1->198.51.100.7:2, " \
    "NAT (10.0.0.5:1->203.0.113.5:3)->198.51.100.7:2, len 60"  # fmt: skip

TRAFFIC = 'type="traffic" srcip=10.0.0.5 dstip=198.51.100.7 trandisp="snat" transip=203.0.113.5'
LEASED = "x assigned 10.0.0.5 to 3C:22:FB:01:02:03 y"
BUILT = "%ASA-6-302013: Built outbound TCP connection 1 for o:198.51.100.7/2 (198.51.100.7/2) " \
    "to i:10.0.0.5/1 (203.0.113.5/3)"  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        f"<86>Nov 27 23:57:42 srv sshd[7]: Invalid user {FORGED}",
        f"<30>Nov 27 23:57:42 srv app[7]: {FORGED}",
        f"<30>Nov 27 23:57:42 gw dnsmasq-dhcp[9]: DHCPACK(br0) 10.0.0.5 x {FORGED}",
        '<86>Nov 27 23:57:42 srv sshd[7]: type="traffic" trandisp="snat" srcip=10.0.0.5 '
        "dstip=198.51.100.7 transip=203.0.113.5 transport=3",
        "<30>Nov 27 23:57:42 srv conntrack: x [NEW] tcp 6 src=10.0.0.5 dst=198.51.100.7",
        "<30>system,error,critical login failure for user dhcp,info dhcp1 assigned 10.0.0.5 to "
        "3C:22:FB:01:02:03 from 10.0.0.9 via winbox",
        "<30>Nov 27 23:57:42 k kea-dhcp4[24]: DEBUG [kea-dhcp4.ddns/24.1] "
        "DHCP4_CLIENT_NAME_PROC_FAIL [hwtype=1 3c:22:fb:0a:0b:0c], cid=[no info], tid=0x2: failed "
        "to process the fqdn or hostname sent by a client: DHCP4_LEASE_ALLOC [hwtype=1 "
        "3c:22:fb:01:02:03], cid=[no info], tid=0x1: lease 10.0.0.5 has been allocated for 9 "
        "seconds",
        f'<30>dhcp,debug,packet     Host-Name = "{LEASED}"',
        f'<134>Nov 27 23:57:42 gw dhcp,debug,packet     Host-Name = "{LEASED}"',
        f"<30>dhcp,info,debug {LEASED}",
        f"<30>dhcp,warning dhcp1 offering lease 10.0.0.6 for 3C:22:FB:0A:0B:0C ({LEASED}) without "
        "success",
        f"<30>hotspot,account,info,debug {LEASED} (10.0.0.6): trying to log in by http-chap",
        f"<30>pppoe,ppp,info <pppoe-{LEASED}>: authenticated",
        f"<30>Nov 27 23:57:42 hotspot,info dhcp,info {LEASED}",
        f"<30>1 2026-11-27T23:57:42Z gw hotspot,info - - -  dhcp,info {LEASED}",
        f"<30>hotspot,info {FORGED}",
        f"<30>dhcp,info dhcp1 offers to {FORGED}",
        f"<30>hotspot,info {BUILT} (10.0.0.6): trying to log in",
        f"<30>Nov 27 23:57:42 srv app[7]: {BUILT}",
        f"<30>Nov 27 23:57:42 srv app: login of {BUILT}",
        f"<30>hotspot,info {TRAFFIC} (10.0.0.6): trying to log in",
        f"<30>1 2026-11-27T23:57:42Z gw hotspot,info - - -  {TRAFFIC} (10.0.0.6): trying",
        f"<30>Nov 27 23:57:42 srv app: login of {TRAFFIC}",
        f'<189>date=2026-11-27 srcname="x" {TRAFFIC} y="" type="traffic" srcip=10.0.0.6 '
        'dstip=198.51.100.7 trandisp="snat" transip=203.0.113.5 transport=4',
    ],
)
def test_what_somebody_typed_is_neither_a_translation_nor_a_lease(line: str) -> None:
    assert reading(line) is None
