"""Cisco wireless controllers: local web authentication of AireOS and Catalyst 9800, and central."""

from __future__ import annotations

from captive_portal.vendors.snippets.facts import Facts, Snippet
from identity.domain.central import ACL, CENTRAL, SSIDS, ssids_in, ssids_text
from identity.domain.sessions import INTERIM_SECONDS


def cisco(facts: Facts) -> Snippet:
    """What is entered for the chosen mode."""
    mode = facts.get("mode", "aireos")
    if mode == CENTRAL:
        return Snippet(text=_central(facts))
    return Snippet(text=_local_9800(facts) if mode == "9800" else _local_aireos(facts))


def _servers(facts: Facts) -> str:
    return f"""\
aaa new-model
radius server yuenyan
 address ipv4 {facts.server} auth-port {facts.auth_port} acct-port {facts.acct_port}
 key {facts.secret}
aaa group server radius yuenyan
 server name yuenyan
"""


def _reports(facts: Facts) -> str:
    return f"""\
aaa accounting identity yuenyan start-stop group yuenyan
aaa accounting update newinfo periodic {facts.interim_minutes}
radius-server attribute 32 include-in-access-req format {facts.name}
aaa server radius dynamic-author
 client {facts.server} server-key {facts.secret}
 port {facts.dynamic_port or 1700}
"""


def _local_9800(facts: Facts) -> str:
    return f"""\
{_servers(facts)}aaa authentication login yuenyan group yuenyan
{_reports(facts)}urlfilter list yuenyan
 action permit
 url {facts.portal_host}
parameter-map type webauth yuenyan
 type webauth
 redirect for-login {facts.portal_url}
 redirect append ap-mac tag ap_mac
 redirect append client-mac tag client_mac
 redirect append wlan-ssid tag wlan
 redirect portal ipv4 PORTAL-ADDRESS
wlan SSID
 security web-auth
 security web-auth authentication-list yuenyan
 security web-auth parameter-map yuenyan
"""


def _local_aireos(facts: Facts) -> str:
    return f"""\
config radius auth add 1 {facts.server} {facts.auth_port} ascii {facts.secret}
config radius auth rfc3576 enable 1
config radius acct add 1 {facts.server} {facts.acct_port} ascii {facts.secret}
config radius acct interim-update {INTERIM_SECONDS} WLAN-ID
config custom-web webauth-type external
config custom-web ext-webauth-url {facts.portal_url}
config acl create before-sign-in
config acl url-domain add {facts.portal_host} before-sign-in
config wlan security web-auth enable WLAN-ID
config wlan security web-auth acl WLAN-ID before-sign-in
config wlan radius_server auth add WLAN-ID 1
config wlan radius_server acct add WLAN-ID 1
"""


def _central(facts: Facts) -> str:
    acl = facts.get(ACL, "REDIRECT-LIST")
    ssids = ssids_text(ssids_in(facts.get(SSIDS, ""))) or "none yet"
    return f"""\
! Central web authentication, Catalyst 9800. What the list permits is redirected.
{_servers(facts)}aaa authorization network yuenyan group yuenyan
{_reports(facts)}radius-server attribute wireless authentication call-station-id ap-macaddress-ssid
ip access-list extended {acl}
 deny udp any any eq domain
 deny udp any any eq bootps
 deny ip any host PORTAL-ADDRESS
 deny ip host PORTAL-ADDRESS any
 permit tcp any any eq www
wireless profile policy guests
 aaa-override
 nac
 accounting-list yuenyan
! Redirected, once set by `yuenyan nas portal {facts.name} --set ssids=…`: {ssids}. On any other
! network with MAC filtering an unknown device is refused. Name none whose policy lacks
! aaa-override and nac: there an unknown device would be let in.
wlan SSID
 no security wpa
 no security wpa akm dot1x
 mac-filtering yuenyan
! AireOS: the SSID without layer 3 security, with MAC Filtering, Allow AAA Override and NAC State
! ISE NAC (RADIUS NAC); RADIUS server with Support for CoA, and as Auth Called Station ID Type
! AP MAC Address:SSID; an access list of the same name that
! permits DNS and both ways to the portal and denies the rest: what it denies is redirected there.
! PORTAL-ADDRESS: of {facts.portal_host}
"""
