"""Content is cut out of every line, whatever its form, and what identifies somebody stays."""

from __future__ import annotations

import time

import pytest

from tests.vectors.syslog.lines import LINES
from traffic.decoders.syslog.content import MARK, cut_content

SECRETS = (b"secret", b"example.com", "ความลับ".encode())

STAMP = b"<30>Nov 27 23:57:42 gw "


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"dnsmasq[7]: query[A] www.example.com from 10.0.0.5", id="dnsmasq-query"),
        pytest.param(b"dnsmasq[7]: reply secret is 198.51.100.7", id="dnsmasq-single-label"),
        pytest.param(b"dnsmasq[7]: forwarded secret.example.com to 10.0.0.1", id="forwarded"),
        pytest.param(b"named[7]: client @0x7f 10.0.0.5#53 (www.example.com): query: "
                     b"www.example.com IN A +", id="named"),
        pytest.param(b"unbound: [7:0] info: 10.0.0.5 www.example.com. A IN", id="unbound"),
        pytest.param(b"squid: 1795 10.0.0.5 TCP_MISS/200 77 GET http://www.example.com/secret -",
                     id="squid"),
        pytest.param(b"squid: 1795 10.0.0.5 TCP_TUNNEL/200 77 CONNECT www.example.com:443",
                     id="squid-connect"),
        pytest.param(b'fw: type="utm" hostname="www.example.com" url="/secret?x=y"', id="utm"),
        pytest.param(b"fw: sni=www.example.com;url=/secret", id="sni"),
        pytest.param(b'nginx: 198.51.100.9 - - [x] "GET /secret?secret=1 HTTP/1.1" 200 1 '
                     b'"https://www.example.com/secret" "Mozilla/5.0"', id="web-of-others"),
        pytest.param(b"postfix/cleanup[7]: 4F2A: warning: header Subject: my secret plan from "
                     b"mx[10.0.0.9]; from=<a@b.test>", id="subject"),
        pytest.param("x: header Subject: ความลับ".encode(), id="thai-subject"),
        pytest.param(b"app: login password=secret ok", id="password"),
        pytest.param("x: asked for ความลับ.ไทย now".encode(), id="thai-name"),
        pytest.param(b"web,account proxy: 10.0.0.5 GET http://secret/ action=allow", id="routeros"),
        pytest.param(b'suricata: {"src_ip":"10.0.0.5","http":{"hostname":"secret","url":"/secret",'
                     b'"http_user_agent":"secret\\"secret","http_refer":"secret"}}', id="eve-http"),
        pytest.param(b'suricata: {"dns":{"type":"query","rrname":"secret","query": "secret"},'
                     b'"tls":{"sni":"secret","subject":"CN=secret, O=secret"}}', id="eve-dns-tls"),
        pytest.param(b'suricata: {"email":{"subject":"my secret plan","from":"a"},'
                     b'"fileinfo":{"filename":"secret secret', id="eve-mail-shortened"),
        pytest.param(b'caddy: {"request":{"remote_ip":"10.0.0.5","uri":"/secret?secret","headers":'
                     b'{"User-Agent":["secret]","secret"],"Cookie":[ "secret" ]}}}', id="caddy"),
        pytest.param(b'app: url = "/secret secret" sni : secret', id="spaces"),
        pytest.param(b"fw: 198.51.100.7/secret?id=9 and 198.51.100.7:81/9/secret", id="path"),
        pytest.param(b"fw: [2001:db8::1]/secret and www.example.com:81/secret", id="path-6"),
        pytest.param(b"x: WWW.EXAMPLE.COM".replace(b"EXAMPLE.COM", b"secret.TEST"), id="capitals"),
    ],
)  # fmt: skip
def test_content_is_cut_and_the_cut_is_marked(line: bytes) -> None:
    for whole in (STAMP + line, b"<30>1 - gw x - - - " + line):
        found = cut_content(whole)
        assert not any(secret in found.octets for secret in SECRETS), found.octets
        assert found.cuts == len(MARK.findall(found.octets)) > 0


@pytest.mark.parametrize("line", [line for _, line, _ in LINES])
def test_what_identifies_somebody_stays(line: str) -> None:
    octets = line.encode()
    found = cut_content(octets, own=True).octets
    if "GET" in line or "url=" in line:
        assert b"abc" not in found and b"/secret" not in found and b"search" not in found
    else:
        assert found == octets


def test_of_own_servers_the_path_stays_and_the_query_goes() -> None:
    line = (
        STAMP + b'nginx: 198.51.100.9 - - [x] "GET /a/secret.pdf?who=me HTTP/1.1" 200 1 '
        b'"https://www.example.com/x" "Mozilla"'
    )
    found = cut_content(line, own=True).octets
    assert b"GET /a/secret.pdf[cut:7] HTTP" in found
    assert b"www.example.com" not in found
    assert b"secret.pdf" not in cut_content(line).octets


def test_an_own_machine_that_is_no_server_of_that_kind_gets_no_licence() -> None:
    line = STAMP + b"dnsmasq[7]: something about www.example.com and GET /secret"
    assert cut_content(line, own=True) == cut_content(line, own=False)
    assert cut_content(line, own=True).cuts == 2


def test_what_is_cut_twice_is_as_if_it_was_cut_once() -> None:
    once = cut_content(STAMP + b"x: GET http://www.example.com/ url=abc query: a.b.c.de").octets
    assert cut_content(once) == (once, 0)


@pytest.mark.parametrize(
    "line",
    [
        b"asa: from 10.0.0.0/24 to 198.51.100.78/443 (203.0.113.5/443), [2001:db8::1]/443",
        b"srx: 192.0.2.1/9228->198.51.100.1/23 203.0.113.5/9228->198.51.100.1/23 10.0.0.0/24.",
        b'eve: {"src_ip":"10.0.0.5","src_port":50123,"dest_ip":"198.51.100.7","proto":"TCP"}',
    ],
)
def test_networks_and_ports_behind_an_address_stay(line: bytes) -> None:
    assert cut_content(STAMP + line) == (STAMP + line, 0)


def test_of_a_json_line_what_identifies_somebody_stays() -> None:
    line = b'<30>1 - gw caddy - - - {"request":{"remote_ip":"10.0.0.5","uri":"/x"},"user":"som"}'
    assert cut_content(line).octets == line.replace(b"/x", b"[cut:2]")


@pytest.mark.parametrize(
    "piece",
    [b"a.", b"a.b", b"GET ", b"query ", b"query[", b"subject: ", b'url="', b"url=[", b'url:["',
     b"url", b"url ", b'url=[\\"', b"x://", b"\\", b"=", b"reply ", b"dnssec-query[a", b"1.2.3.4/",
     b"[::1]/1", b"[1:", b"1", b"1.", b'"', b"[cut:1]"],
)  # fmt: skip
def test_a_line_eight_times_as_long_takes_no_more_than_its_share(piece: bytes) -> None:
    def took(octets: int) -> float:
        line = STAMP + b"dnsmasq: query url=" + piece * (octets // len(piece))
        best = 1.0
        for _ in range(5):
            began = time.perf_counter()
            cut_content(line)
            best = min(best, time.perf_counter() - began)
        return best

    assert took(16_000) < 24 * took(2_000)
