# long file: a table, a line of log and what it says each
"""Lines as equipment and programs send them, and what each says.

Origin: the formats named in the readers' docstrings, with addresses of RFC 1918 and RFC 5737.
"""

from __future__ import annotations

from typing import Any

LINES: list[tuple[str, str, dict[str, Any]]] = [
    (
        "mikrotik-nat-1",
        "<30>firewall,info forward: in:bridge out:ether1, src-mac 3c:22:fb:01:02:03, proto TCP "
        "(SYN), 192.168.88.254:50123->198.51.100.78:443, NAT "
        "(192.168.88.254:50123->203.0.113.5:50123)->198.51.100.78:443, len 60",
        {
            "form": "mikrotik-nat",
            "event": "create",
            "protocol": 6,
            "inside_address": "192.168.88.254",
            "inside_port": 50123,
            "outside_address": "203.0.113.5",
            "outside_port": 50123,
            "destination_address": "198.51.100.78",
            "destination_port": 443,
            "mac": "3c22fb010203",
        },
    ),
    (
        "mikrotik-nat-2",
        "<134>Oct  1 12:00:00 gw firewall,info forward: in:bridge out:ether1, proto UDP, "
        "192.168.88.7:40000->198.51.100.28:123, NAT "
        "(192.168.88.7:40000->203.0.113.5:40000)->198.51.100.28:123, len 76",
        {
            "form": "mikrotik-nat",
            "event": "create",
            "protocol": 17,
            "inside_address": "192.168.88.7",
            "inside_port": 40000,
            "outside_address": "203.0.113.5",
            "outside_port": 40000,
            "destination_address": "198.51.100.28",
            "destination_port": 123,
        },
    ),
    (
        "mikrotik-nat-3",
        "<134>Oct  1 12:00:00 gw firewall,info LOG srcnat: in:(unknown 0) out:ether1, "
        "connection-state:new src-mac 3c:22:fb:01:02:03, proto TCP (SYN), "
        "192.168.88.254:50123->198.51.100.78:443, NAT "
        "(192.168.88.254:50123->203.0.113.5:61001)->198.51.100.78:443, len 60",
        {
            "form": "mikrotik-nat",
            "event": "create",
            "protocol": 6,
            "inside_address": "192.168.88.254",
            "inside_port": 50123,
            "outside_address": "203.0.113.5",
            "outside_port": 61001,
            "destination_address": "198.51.100.78",
            "destination_port": 443,
            "mac": "3c22fb010203",
        },
    ),
    (
        "mikrotik-nat-4",
        "firewall,info lan: lan forward: in:wireguard1 out:Fibre Uplink, "
        "connection-state:established,snat proto TCP (ACK,PSH), "
        "192.168.5.50:57922->198.51.100.72:443, NAT "
        "(192.168.5.50:57922->203.0.113.224:57922)->198.51.100.72:443, len 97",
        {
            "form": "mikrotik-nat",
            "event": "seen",
            "protocol": 6,
            "inside_address": "192.168.5.50",
            "inside_port": 57922,
            "outside_address": "203.0.113.224",
            "outside_port": 57922,
            "destination_address": "198.51.100.72",
            "destination_port": 443,
        },
    ),
    (
        "mikrotik-nat-5",
        "<30>firewall,info dstnat: in:ether1 out:(unknown 0), connection-state:new src-mac "
        "00:11:22:33:44:55, proto TCP (SYN), 198.51.100.7:33000->203.0.113.5:8443, NAT "
        "198.51.100.7:33000->(203.0.113.5:8443->192.168.88.10:443), len 60",
        {
            "form": "mikrotik-nat",
            "event": "create",
            "protocol": 6,
            "inside_address": "192.168.88.10",
            "inside_port": 443,
            "outside_address": "203.0.113.5",
            "outside_port": 8443,
            "destination_address": "198.51.100.7",
            "destination_port": 33000,
        },
    ),
    (
        "mikrotik-firewall-1",
        "<30>firewall,info drop input: in:ether1 out:(unknown 0), src-mac 00:11:22:33:44:55, "
        "proto ICMP (type 8, code 0), 198.51.100.7->203.0.113.5, len 84",
        {
            "form": "mikrotik-firewall",
            "service": "firewall",
            "client_address": "198.51.100.7",
            "mac": "001122334455",
            "outcome": "input",
            "detail": "1 198.51.100.7 > 203.0.113.5",
        },
    ),
    (
        "mikrotik-dhcp-1",
        "<30>dhcp,info dhcp1 assigned 10.0.0.5 to 3C:22:FB:01:02:03",
        {
            "form": "mikrotik-dhcp",
            "event": "assign",
            "address": "10.0.0.5",
            "mac": "3c22fb010203",
        },
    ),
    (
        "mikrotik-dhcp-2",
        "<30>dhcp,info defconf assigned 192.168.88.250 for E4:5F:01:0A:0B:0C raspberrypi",
        {
            "form": "mikrotik-dhcp",
            "event": "assign",
            "address": "192.168.88.250",
            "mac": "e45f010a0b0c",
        },
    ),
    (
        "mikrotik-dhcp-3",
        "<30>dhcp,info dhcp1 deassigned 10.0.0.5 from 3C:22:FB:01:02:03",
        {
            "form": "mikrotik-dhcp",
            "event": "release",
            "address": "10.0.0.5",
            "mac": "3c22fb010203",
        },
    ),
    (
        "mikrotik-dhcp-4",
        "<30>Nov 27 23:57:42 MikroTik dhcp,info wifi นักเรียน assigned 10.0.0.5 for "
        "3C:22:FB:01:02:03 ไอแพดของมาลี",
        {
            "form": "mikrotik-dhcp",
            "event": "assign",
            "address": "10.0.0.5",
            "mac": "3c22fb010203",
        },
    ),
    (
        "mikrotik-dhcp-5",
        "<30>dhcp,info gw-1: dhcp1 deassigned 10.0.0.5 from 3C:22:FB:01:02:03",
        {
            "form": "mikrotik-dhcp",
            "event": "release",
            "address": "10.0.0.5",
            "mac": "3c22fb010203",
        },
    ),
    (
        "mikrotik-dhcp-6",
        "<30>dhcp,info dhcp1 assigned 10.0.0.5 for 3C:22:FB:01:02:03 x assigned 10.0.0.6 for "
        "3C:22:FB:0A:0B:0C",
        {
            "form": "mikrotik-dhcp",
            "event": "assign",
            "address": "10.0.0.5",
            "mac": "3c22fb010203",
        },
    ),
    (
        "mikrotik-dhcp-7",
        "<30>dhcp,info dhcp1 assigned 10.0.0.5 for 3C:22:FB:01:02:03  x assigned 10.0.0.6 to "
        "3C:22:FB:0A:0B:0C y",
        {
            "form": "mikrotik-dhcp",
            "event": "assign",
            "address": "10.0.0.5",
            "mac": "3c22fb010203",
        },
    ),
    (
        "mikrotik-dhcp-8",
        "<30>dhcp,info dhcp1 deassigned 10.0.0.5 for 3C:22:FB:01:02:03 " + "a" * 200 + " assigned "
        "10.0.0.6 to 3C:22:FB:0A:0B:0C y",
        {
            "form": "mikrotik-dhcp",
            "event": "release",
            "address": "10.0.0.5",
            "mac": "3c22fb010203",
        },
    ),
    (
        "mikrotik-dhcp-9",
        "<30>dhcp,info dhcp1 assigned 10.0.0.5 for 3C:22:FB:01:02:03 f: in:a out:b, proto UDP, "
        "10.0.0.9:1->198.51.100.7:2, NAT (10.0.0.9:1->203.0.113.5:3)->198.51.100.7:2",
        {
            "form": "mikrotik-dhcp",
            "event": "assign",
            "address": "10.0.0.5",
            "mac": "3c22fb010203",
        },
    ),
    (
        "mikrotik-dhcp-10",
        "<30>dhcp,info dhcp1 assigned 10.0.0.5 for 3C:22:FB:01:02:03 two\nlines",
        {
            "form": "mikrotik-dhcp",
            "event": "assign",
            "address": "10.0.0.5",
            "mac": "3c22fb010203",
        },
    ),
    (
        "mikrotik-dhcp-11",
        "<30>1 2026-11-27T23:57:42+07:00 gw dhcp,info - - -  dhcp1 assigned 10.0.0.5 for "
        "3C:22:FB:01:02:03 phone",
        {
            "form": "mikrotik-dhcp",
            "event": "assign",
            "address": "10.0.0.5",
            "mac": "3c22fb010203",
        },
    ),
    (
        "mikrotik-dhcp-12",
        "<30>Nov 27 23:57:42 dhcp,info dhcp1 assigned 10.0.0.5 for 3C:22:FB:01:02:03 phone",
        {
            "form": "mikrotik-dhcp",
            "event": "assign",
            "address": "10.0.0.5",
            "mac": "3c22fb010203",
        },
    ),
    (
        "conntrack-by-rsyslog",
        "<13>Nov 28 00:25:11 vm conntrack: [1795825511.796663]#011    [NEW] tcp      6 120 "
        "SYN_SENT src=10.77.0.109 dst=198.18.67.9 sport=38880 dport=45089 [UNREPLIED] "
        "src=198.18.67.9 dst=198.18.67.10 sport=45089 dport=50296",
        {
            "form": "conntrack",
            "event": "create",
            "protocol": 6,
            "inside_address": "10.77.0.109",
            "inside_port": 38880,
            "outside_address": "198.18.67.10",
            "outside_port": 50296,
            "destination_address": "198.18.67.9",
            "destination_port": 45089,
            "told_ms": 1795825511796,
        },
    ),
    (
        "conntrack-1",
        "<30>Nov 27 23:57:42 gw conntrack: [1795000000.123456]\t    [NEW] tcp      6 120 "
        "SYN_SENT src=10.77.0.9 dst=203.0.113.10 sport=40000 dport=8080 [UNREPLIED] "
        "src=203.0.113.10 dst=198.18.5.2 sport=8080 dport=40001",
        {
            "form": "conntrack",
            "event": "create",
            "protocol": 6,
            "inside_address": "10.77.0.9",
            "inside_port": 40000,
            "outside_address": "198.18.5.2",
            "outside_port": 40001,
            "destination_address": "203.0.113.10",
            "destination_port": 8080,
            "told_ms": 1795000000123,
        },
    ),
    (
        "conntrack-2",
        "<30>Nov 27 23:57:42 gw conntrack[77]: [1795000005.5]\t[DESTROY] tcp      6 "
        "src=10.77.0.9 dst=203.0.113.10 sport=40000 dport=8080 packets=6 bytes=400 "
        "src=203.0.113.10 dst=198.18.5.2 sport=8080 dport=40001 packets=4 bytes=300 [ASSURED] "
        "delta-time=5",
        {
            "form": "conntrack",
            "event": "delete",
            "protocol": 6,
            "inside_address": "10.77.0.9",
            "inside_port": 40000,
            "outside_address": "198.18.5.2",
            "outside_port": 40001,
            "destination_address": "203.0.113.10",
            "destination_port": 8080,
            "duration_ms": 5000,
            "told_ms": 1795000005500,
        },
    ),
    (
        "conntrack-3",
        "<30>1 2026-11-27T23:57:42.5Z gw conntrack - - -  [UPDATE] icmp     1 30 src=10.77.0.9 "
        "dst=203.0.113.10 type=8 code=0 id=77 src=203.0.113.10 dst=198.18.5.2 type=0 code=0 "
        "id=77",
        {
            "form": "conntrack",
            "event": "seen",
            "protocol": 1,
            "inside_address": "10.77.0.9",
            "outside_address": "198.18.5.2",
            "destination_address": "203.0.113.10",
        },
    ),
    (
        "conntrack-4",
        "<30>Nov 27 23:57:42 gw conntrack:     [NEW] tcp      6 120 SYN_SENT src=198.51.100.7 "
        "dst=203.0.113.5 sport=33000 dport=8443 [UNREPLIED] src=10.0.0.10 dst=198.51.100.7 "
        "sport=443 dport=33000",
        {
            "form": "conntrack",
            "event": "create",
            "protocol": 6,
            "inside_address": "10.0.0.10",
            "inside_port": 443,
            "outside_address": "203.0.113.5",
            "outside_port": 8443,
            "destination_address": "198.51.100.7",
            "destination_port": 33000,
        },
    ),
    (
        "conntrack-5",
        "<30>Nov 27 23:57:42 gw conntrack:     [NEW] udp      17 30 src=10.0.0.9 dst=10.0.0.1 "
        "sport=5353 dport=53 [UNREPLIED] src=10.0.0.1 dst=10.0.0.9 sport=53 dport=5353",
        {
            "form": "conntrack",
            "service": "firewall",
            "client_address": "10.0.0.9",
            "outcome": "create",
            "detail": "17 10.0.0.9:5353 > 10.0.0.1:53",
        },
    ),
    (
        "ulogd-1",
        "<30>Nov 27 23:57:42 gw ulogd[91]: [NEW] ORIG: SRC=10.0.0.5 DST=198.51.100.8 PROTO=TCP "
        "SPT=40000 DPT=443 PKTS=0 BYTES=0 , REPLY: SRC=198.51.100.8 DST=203.0.113.5 PROTO=TCP "
        "SPT=443 DPT=50000 PKTS=0 BYTES=0 ",
        {
            "form": "ulogd",
            "event": "create",
            "protocol": 6,
            "inside_address": "10.0.0.5",
            "inside_port": 40000,
            "outside_address": "203.0.113.5",
            "outside_port": 50000,
            "destination_address": "198.51.100.8",
            "destination_port": 443,
        },
    ),
    (
        "ulogd-2",
        "<30>Nov 27 23:57:42 gw ulogd[91]: "
        "timestamp=2026/11/27-23:57:42,orig.ip.saddr.str=10.0.0.5,orig.ip.daddr.str=198.51.100.8,orig.ip.protocol=17,orig.l4.sport=40000,orig.l4.dport=53,reply.ip.saddr.str=198.51.100.8,reply.ip.daddr.str=203.0.113.5,reply.l4.sport=53,reply.l4.dport=50000,flow.start.sec=1795000000,flow.end.sec=1795000030,ct.event=4",
        {
            "form": "ulogd",
            "event": "delete",
            "protocol": 17,
            "inside_address": "10.0.0.5",
            "inside_port": 40000,
            "outside_address": "203.0.113.5",
            "outside_port": 50000,
            "destination_address": "198.51.100.8",
            "destination_port": 53,
            "duration_ms": 30000,
            "told_ms": 1795000030000,
        },
    ),
    (
        "netfilter-log-1",
        "<4>Nov 27 23:57:42 gw kernel: [106049.329054] lan-new: IN=br0 OUT=eth0 PHYSIN=eth2 "
        "MAC=00:90:0b:34:b4:7f:3c:22:fb:01:02:03:08:00 SRC=172.16.3.2 DST=198.51.100.70 LEN=52 "
        "TOS=0x00 PREC=0x00 TTL=60 ID=3868 DF PROTO=TCP SPT=63308 DPT=22 WINDOW=29200 RES=0x00 "
        "SYN URGP=0",
        {
            "form": "netfilter-log",
            "service": "firewall",
            "client_address": "172.16.3.2",
            "mac": "3c22fb010203",
            "outcome": "lan-new",
            "detail": "6 172.16.3.2:63308 > 198.51.100.70:22",
        },
    ),
    (
        "pf-filterlog-1",
        "<134>Nov 27 23:57:42 fw filterlog[37151]: "
        "4,,,1000000103,igb1,match,pass,in,4,0x0,,64,12345,0,DF,6,tcp,60,10.0.0.5,198.51.100.9,40000,443,0,S,123456789,,64240,,mss",
        {
            "form": "pf-filterlog",
            "service": "firewall",
            "client_address": "10.0.0.5",
            "outcome": "pass in",
            "detail": "6 10.0.0.5:40000 > 198.51.100.9:443",
        },
    ),
    (
        "pf-filterlog-2",
        "<134>Nov 27 23:57:42 fw filterlog[37151]: "
        "4,,,1000000105,igb1,match,block,in,6,0x00,0x12345,64,udp,17,48,2001:db8::5,2001:db8:1::9,5353,53,48",
        {
            "form": "pf-filterlog",
            "service": "firewall",
            "client_address": "2001:db8::5",
            "outcome": "block in",
            "detail": "17 2001:db8::5:5353 > 2001:db8:1::9:53",
        },
    ),
    (
        "pf-state-1",
        "<134>Nov 27 23:57:42 fw pfstate: igb0 tcp 203.0.113.5:50000 (10.0.0.5:40000) -> "
        "198.51.100.9:443       ESTABLISHED:ESTABLISHED   age 00:01:23, expires in 23:59:58, "
        "10:8 pkts, 4000:9000 bytes, rule 77",
        {
            "form": "pf-state",
            "event": "seen",
            "protocol": 6,
            "inside_address": "10.0.0.5",
            "inside_port": 40000,
            "outside_address": "203.0.113.5",
            "outside_port": 50000,
            "destination_address": "198.51.100.9",
            "destination_port": 443,
            "duration_ms": 83000,
        },
    ),
    (
        "pf-filterlog-3",
        "<134>Nov 27 23:57:42 filterlog[37151]: "
        "4,,,1000000103,igb1,match,pass,in,6,0x00,0x00000,255,ICMPv6,58,32,fe80::5,ff02::1",
        {
            "form": "pf-filterlog",
            "service": "firewall",
            "client_address": "fe80::5",
            "outcome": "pass in",
            "detail": "58 fe80::5 > ff02::1",
        },
    ),
    (
        "pf-state-2",
        "<134>Nov 27 23:57:42 fw pfstate[7]: igb0 tcp 10.0.0.10:443 (203.0.113.5:8443) <- "
        "198.51.100.7:33000       ESTABLISHED:ESTABLISHED",
        {
            "form": "pf-state",
            "event": "seen",
            "protocol": 6,
            "inside_address": "10.0.0.10",
            "inside_port": 443,
            "outside_address": "203.0.113.5",
            "outside_port": 8443,
            "destination_address": "198.51.100.7",
            "destination_port": 33000,
        },
    ),
    (
        "fortigate-traffic-1",
        '<189>date=2026-11-27 time=23:57:42 devname="fg" devid="FG1" '
        'eventtime=1795000000000000000 tz="+0700" logid="0000000013" type="traffic" '
        'subtype="forward" level="notice" vd="root" srcip=10.0.0.5 srcname="tablet" '
        'srcport=45719 srcintf="port15" dstip=198.51.100.9 dstport=443 dstintf="port19" '
        'sessionid=56633 proto=6 action="close" policyid=10 trandisp="snat" transip=203.0.113.5 '
        'transport=45800 service="HTTPS" duration=7 sentbyte=398 rcvdbyte=1605 '
        'srcmac="3c:22:fb:01:02:03" hostname="www.example.com" url="/secret"',
        {
            "form": "fortigate-traffic",
            "event": "session",
            "protocol": 6,
            "inside_address": "10.0.0.5",
            "inside_port": 45719,
            "outside_address": "203.0.113.5",
            "outside_port": 45800,
            "destination_address": "198.51.100.9",
            "destination_port": 443,
            "mac": "3c22fb010203",
            "duration_ms": 7000,
            "told_ms": 1795000000000,
        },
    ),
    (
        "fortigate-traffic-2",
        '<189>date=2026-11-27 time=23:57:42 logid="0000000020" type="traffic" subtype="forward" '
        "srcip=10.0.0.5 srcport=45719 dstip=198.51.100.9 dstport=443 sessionid=56633 proto=6 "
        'action="accept" trandisp="snat" transip=203.0.113.5 transport=45800 duration=120',
        {
            "form": "fortigate-traffic",
            "event": "seen",
            "protocol": 6,
            "inside_address": "10.0.0.5",
            "inside_port": 45719,
            "outside_address": "203.0.113.5",
            "outside_port": 45800,
            "destination_address": "198.51.100.9",
            "destination_port": 443,
            "duration_ms": 120000,
        },
    ),
    (
        "fortigate-traffic-3",
        '<189>date=2026-11-27 time=23:57:42 logid="0000000013" type="traffic" subtype="forward" '
        'srcip=198.51.100.7 srcport=33000 dstip=203.0.113.5 dstport=8443 proto=6 action="close" '
        'trandisp="dnat" tranip=10.0.0.10 tranport=443 duration=3',
        {
            "form": "fortigate-traffic",
            "event": "session",
            "protocol": 6,
            "inside_address": "10.0.0.10",
            "inside_port": 443,
            "outside_address": "203.0.113.5",
            "outside_port": 8443,
            "destination_address": "198.51.100.7",
            "destination_port": 33000,
            "duration_ms": 3000,
        },
    ),
    (
        "fortigate-traffic-4",
        '<189>date=2026-11-27 time=23:57:42 logid="0000000013" type="traffic" subtype="local" '
        'srcip=10.0.0.5 srcport=4000 dstip=10.0.0.1 dstport=53 proto=17 action="deny" '
        'trandisp="noop"',
        {
            "form": "fortigate-traffic",
            "service": "firewall",
            "client_address": "10.0.0.5",
            "outcome": "deny",
            "detail": "17 10.0.0.5:4000 > 10.0.0.1:53",
        },
    ),
    (
        "fortigate-traffic-5",
        "<189>1 2026-11-27T16:57:42Z โรงเรียน - - 0000000013 [FTNTFGT@12356 "
        'logid="0000000013" type="traffic" srcip="10.0.0.5" srcport="45719" '
        'srcname="ไอแพดของมาลี" dstip="198.51.100.9" dstport="443" proto="6" action="close" '
        'trandisp="snat" transip="203.0.113.5" transport="45800"]',
        {
            "form": "fortigate-traffic",
            "event": "session",
            "protocol": 6,
            "inside_address": "10.0.0.5",
            "inside_port": 45719,
            "outside_address": "203.0.113.5",
            "outside_port": 45800,
            "destination_address": "198.51.100.9",
            "destination_port": 443,
        },
    ),
    (
        "cisco-asa-1",
        "<166>Nov 27 2026 23:57:42 fw01 : %ASA-6-305011: Built dynamic TCP translation from "
        "inside:10.0.0.5/40000 to outside:203.0.113.5/50000",
        {
            "form": "cisco-asa",
            "event": "create",
            "protocol": 6,
            "inside_address": "10.0.0.5",
            "inside_port": 40000,
            "outside_address": "203.0.113.5",
            "outside_port": 50000,
        },
    ),
    (
        "cisco-asa-2",
        "<166>Nov 27 23:57:42 fw01 %ASA-6-305012: Teardown dynamic TCP translation from "
        "inside:10.0.0.5/40000(LOCAL\\somchai) to outside:203.0.113.5/50000 duration 0:01:30",
        {
            "form": "cisco-asa",
            "event": "delete",
            "protocol": 6,
            "inside_address": "10.0.0.5",
            "inside_port": 40000,
            "outside_address": "203.0.113.5",
            "outside_port": 50000,
            "duration_ms": 90000,
        },
    ),
    (
        "cisco-asa-3",
        "<166>:Nov 27 23:57:42 UTC: %ASA-session-6-302013: Built outbound TCP connection 42 for "
        "outside:198.51.100.20/443 (198.51.100.20/443) to inside:10.0.0.8/51000 "
        "(203.0.113.8/32000)",
        {
            "form": "cisco-asa",
            "event": "seen",
            "protocol": 6,
            "inside_address": "10.0.0.8",
            "inside_port": 51000,
            "outside_address": "203.0.113.8",
            "outside_port": 32000,
            "destination_address": "198.51.100.20",
            "destination_port": 443,
        },
    ),
    (
        "juniper-srx-1",
        "<14>1 2026-11-27T23:57:42.801+07:00 srx RT_FLOW - RT_FLOW_SESSION_CLOSE "
        '[junos@2636.1.1.1.2.41 reason="TCP FIN" source-address="10.0.1.250" '
        'source-port="58474" destination-address="198.51.100.106" destination-port="443" '
        'service-name="junos-https" nat-source-address="203.0.113.162" nat-source-port="19428" '
        'nat-destination-address="198.51.100.106" nat-destination-port="443" protocol-id="6" '
        'session-id-32="6560" elapsed-time="2" username="N/A"]',
        {
            "form": "juniper-srx",
            "event": "delete",
            "protocol": 6,
            "inside_address": "10.0.1.250",
            "inside_port": 58474,
            "outside_address": "203.0.113.162",
            "outside_port": 19428,
            "destination_address": "198.51.100.106",
            "destination_port": 443,
            "duration_ms": 2000,
        },
    ),
    (
        "isc-dhcp-1",
        "<30>Nov 27 23:57:42 ns dhcpd[812]: DHCPACK on 10.0.0.5 to 3c:22:fb:01:02:03 "
        "(somchai-phone) via eth0",
        {
            "form": "isc-dhcp",
            "event": "assign",
            "address": "10.0.0.5",
            "mac": "3c22fb010203",
        },
    ),
    (
        "isc-dhcp-2",
        "<30>Nov 27 23:57:42 ns dhcpd: DHCPACK on 10.0.0.5 to 3c:22:fb:01:02:03 via eth0 relay "
        "10.0.0.2 lease-duration 600 (RENEW) uid 01:3c:22:fb:01:02:03",
        {
            "form": "isc-dhcp",
            "event": "renew",
            "address": "10.0.0.5",
            "mac": "3c22fb010203",
            "client_id": "01:3c:22:fb:01:02:03",
            "lease_seconds": 600,
        },
    ),
    (
        "isc-dhcp-3",
        "<30>Nov 27 23:57:42 ns dhcpd: DHCPRELEASE of 10.0.0.5 from 3c:22:fb:01:02:03 "
        "(somchai-phone) via eth0 (found)",
        {
            "form": "isc-dhcp",
            "event": "release",
            "address": "10.0.0.5",
            "mac": "3c22fb010203",
        },
    ),
    (
        "isc-dhcp-4",
        "<30>Nov 27 23:57:42 ns dhcpd: DHCPDECLINE of 10.0.0.5 from 3c:22:fb:01:02:03 via eth0: "
        "abandoned",
        {
            "form": "isc-dhcp",
            "event": "decline",
            "address": "10.0.0.5",
            "mac": "3c22fb010203",
        },
    ),
    (
        "isc-dhcp-5",
        '<190>1 2026-11-27T23:57:42.5+07:00 fw.lan dhcpd 33 - [meta sequenceId="5"] DHCPACK '
        "on 10.0.0.5 to 3c:22:fb:01:02:03 (เครื่องครู (2) via x) via igb1.10",
        {
            "form": "isc-dhcp",
            "event": "assign",
            "address": "10.0.0.5",
            "mac": "3c22fb010203",
        },
    ),
    (
        "dnsmasq-dhcp-1",
        "<30>Nov 27 23:57:42 gw dnsmasq-dhcp[99]: DHCPACK(br0) 10.0.0.5 3c:22:fb:01:02:03 "
        "somchai-phone",
        {
            "form": "dnsmasq-dhcp",
            "event": "assign",
            "address": "10.0.0.5",
            "mac": "3c22fb010203",
        },
    ),
    (
        "dnsmasq-dhcp-2",
        "<30>Nov 27 23:57:42 gw dnsmasq-dhcp[99]: 2841309 DHCPRELEASE(br0) 10.0.0.5 "
        "3c:22:fb:01:02:03",
        {
            "form": "dnsmasq-dhcp",
            "event": "release",
            "address": "10.0.0.5",
            "mac": "3c22fb010203",
        },
    ),
    (
        "dnsmasq-dhcp-3",
        "<30>Nov 27 23:57:42 gw dnsmasq-dhcp[99]: DHCPACK(br-lan) 10.0.0.5 3c:22:fb:01:02:03 "
        "เครื่องครูสมชาย",
        {
            "form": "dnsmasq-dhcp",
            "event": "assign",
            "address": "10.0.0.5",
            "mac": "3c22fb010203",
        },
    ),
    (
        "kea-dhcp4-1",
        "<30>Nov 27 23:57:42 k kea-dhcp4[24]: INFO  [kea-dhcp4.leases/24.139710796402304] "
        "DHCP4_LEASE_ALLOC [hwtype=1 3c:22:fb:01:02:03], cid=[01:3c:22:fb:01:02:03], "
        "tid=0x21f2433a: lease 10.104.0.23 has been allocated for 300 seconds",
        {
            "form": "kea-dhcp4",
            "event": "assign",
            "address": "10.104.0.23",
            "mac": "3c22fb010203",
            "client_id": "01:3c:22:fb:01:02:03",
            "lease_seconds": 300,
        },
    ),
    (
        "kea-dhcp4-2",
        "<30>Nov 27 23:57:42 k kea-dhcp4[24]: INFO  [kea-dhcp4.leases/24.1] DHCP4_RELEASE "
        "[hwtype=1 3c:22:fb:01:02:03], cid=[no info], tid=0x21f2433a: address 10.104.0.23 was "
        "released properly.",
        {
            "form": "kea-dhcp4",
            "event": "release",
            "address": "10.104.0.23",
            "mac": "3c22fb010203",
        },
    ),
    (
        "kea-dhcp4-3",
        "<30>Nov 27 23:57:42 k kea-dhcp4[24]: Address: 10.104.0.23 has been renewed for 1 hrs 0 "
        "mins 5 secs to a device with hardware address: hwtype=1 3c:22:fb:01:02:03, client-id: "
        "17:34:e2",
        {
            "form": "kea-dhcp4",
            "event": "renew",
            "address": "10.104.0.23",
            "mac": "3c22fb010203",
            "lease_seconds": 3605,
        },
    ),
    (
        "kea-dhcp4-4",
        "<30>Nov 27 23:57:42 k kea-dhcp4[24]: DEBUG [kea-dhcp4.alloc-engine/24.1] "
        "ALLOC_ENGINE_V4_LEASE_RECLAIM [hwtype=1 3c:22:fb:01:02:03], cid=[no info], tid=0x0: "
        "reclaiming expired lease for address 10.104.0.23",
        {
            "form": "kea-dhcp4",
            "event": "expire",
            "address": "10.104.0.23",
        },
    ),
    (
        "kea-dhcp4-5",
        "<30>1 2026-11-27T23:57:42.5+07:00 k kea-dhcp4 24 - - 2026-11-27 23:57:42.123 INFO  "
        "[kea-dhcp4.leases.0x7f] DHCP4_LEASE_REUSE [hwtype=1 3c:22:fb:01:02:03], cid=[no "
        "info], tid=0x21f2433a: lease 10.104.0.23 has been reused for 7200 seconds",
        {
            "form": "kea-dhcp4",
            "event": "renew",
            "address": "10.104.0.23",
            "mac": "3c22fb010203",
            "lease_seconds": 7200,
        },
    ),
    (
        "web-combined-1",
        "<190>Nov 27 23:57:42 www nginx: 198.51.100.9 - somchai [27/Nov/2026:23:57:42 +0700] "
        '"GET /files/plan.pdf?token=abc HTTP/1.1" 200 1234 '
        '"https://www.example.com/search?q=secret" "Mozilla/5.0"',
        {
            "form": "web-combined",
            "service": "web",
            "method": "GET",
            "user_name": "somchai",
            "client_address": "198.51.100.9",
            "outcome": "200",
            "octets": 1234,
            "detail": "/files/plan.pdf?token=abc",
        },
    ),
    (
        "web-combined-2",
        "<190>Nov 27 23:57:42 www apache2[7]: 2001:db8::7 - - [27/Nov/2026:23:57:42 +0700] "
        '"POST /login HTTP/1.1" 302 -',
        {
            "form": "web-combined",
            "service": "web",
            "method": "POST",
            "client_address": "2001:db8::7",
            "outcome": "302",
            "detail": "/login",
        },
    ),
    (
        "postfix-1",
        "<22>Nov 27 23:57:42 mail postfix/smtpd[77]: 4F2A1B3C4D: client=unknown[10.0.0.5], "
        "sasl_method=PLAIN, sasl_username=somchai",
        {
            "form": "postfix",
            "service": "mail",
            "method": "PLAIN",
            "user_name": "somchai",
            "client_address": "10.0.0.5",
            "session_ref": "4F2A1B3C4D",
        },
    ),
    (
        "postfix-2",
        "<22>Nov 27 23:57:42 mail postfix/cleanup[77]: 4F2A1B3C4D: "
        "message-id=<20261127.1@mail.school.example>",
        {
            "form": "postfix",
            "service": "mail",
            "session_ref": "4F2A1B3C4D",
            "detail": '{"message_id": "20261127.1@mail.school.example"}',
        },
    ),
    (
        "postfix-3",
        "<22>Nov 27 23:57:42 mail postfix/qmgr[77]: 4F2A1B3C4D: "
        "from=<somchai.jaidee@school.example>, size=1234, nrcpt=1 (queue active)",
        {
            "form": "postfix",
            "service": "mail",
            "session_ref": "4F2A1B3C4D",
            "octets": 1234,
            "detail": '{"sender": "somchai.jaidee@school.example"}',
        },
    ),
    (
        "postfix-4",
        "<22>Nov 27 23:57:42 mail postfix/smtp[77]: 4F2A1B3C4D: to=<a@b.example>, "
        "relay=mx.b.example[198.51.100.25]:25, delay=1, dsn=2.0.0, status=sent (250 ok)",
        {
            "form": "postfix",
            "service": "mail",
            "outcome": "sent",
            "session_ref": "4F2A1B3C4D",
            "detail": '{"recipient": "a@b.example"}',
        },
    ),
    (
        "dovecot-1",
        "<22>Nov 27 23:57:42 mail dovecot: imap-login: Login: user=<somchai>, method=PLAIN, "
        "rip=10.0.0.5, lip=10.0.0.2, mpid=77, TLS, session=<abcDEF123>",
        {
            "form": "dovecot",
            "service": "mail",
            "method": "PLAIN",
            "user_name": "somchai",
            "client_address": "10.0.0.5",
            "outcome": "accept",
            "session_ref": "abcDEF123",
            "detail": "imap",
        },
    ),
    (
        "dovecot-2",
        "<22>Nov 27 23:57:42 mail dovecot: imap-login: Disconnected (auth failed, 1 attempts in "
        "2 secs): user=<malee>, method=PLAIN, rip=10.0.0.6, lip=10.0.0.2, session=<x>",
        {
            "form": "dovecot",
            "service": "mail",
            "method": "PLAIN",
            "user_name": "malee",
            "client_address": "10.0.0.6",
            "outcome": "reject",
            "session_ref": "x",
            "detail": "imap",
        },
    ),
    (
        "vsftpd-1",
        '<86>Nov 27 23:57:42 ftp vsftpd[77]: [pid 77] [somchai] OK UPLOAD: Client "10.0.0.5", '
        '"/home/somchai/plan.docx", 1234 bytes, 12.30Kbyte/sec',
        {
            "form": "vsftpd",
            "service": "ftp",
            "method": "UPLOAD",
            "user_name": "somchai",
            "client_address": "10.0.0.5",
            "outcome": "accept",
            "octets": 1234,
            "detail": "/home/somchai/plan.docx",
        },
    ),
    (
        "vsftpd-2",
        '<86>Nov 27 23:57:42 ftp vsftpd[77]: [pid 76] [somchai] FAIL LOGIN: Client "10.0.0.5"',
        {
            "form": "vsftpd",
            "service": "ftp",
            "method": "LOGIN",
            "user_name": "somchai",
            "client_address": "10.0.0.5",
            "outcome": "reject",
        },
    ),
    (
        "openssh-1",
        "<86>Nov 27 23:57:42 srv sshd[77]: Accepted publickey for somchai from 10.0.0.5 port "
        "50000 ssh2: ED25519 SHA256:abc",
        {
            "form": "openssh",
            "service": "login",
            "method": "publickey",
            "user_name": "somchai",
            "client_address": "10.0.0.5",
            "outcome": "accept",
        },
    ),
    (
        "openssh-2",
        "<86>Nov 27 23:57:42 srv sshd[77]: Failed password for invalid user oracle from 1.2.3.4 "
        "from 10.0.0.5 port 50000 ssh2",
        {
            "form": "openssh",
            "service": "login",
            "method": "password",
            "user_name": "oracle from 1.2.3.4",
            "client_address": "10.0.0.5",
            "outcome": "reject",
        },
    ),
]
"""(name, line, fields of the reading that are not None)"""
