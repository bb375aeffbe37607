"""Wireless controllers and clouds: what stands in which field, or their command line."""

from __future__ import annotations

from captive_portal.vendors.snippets.facts import Facts, Snippet
from identity.domain.sessions import INTERIM_SECONDS

_NO_RECORDS = """\
In this mode its sessions are not told to RADIUS: send its DHCP leases and flows to this server, so
that addresses can be answered for; or choose the mode that asks RADIUS.
"""


def radius_table(facts: Facts) -> str:
    """What every make asks for, by the usual names."""
    orders = str(facts.dynamic_port) if facts.dynamic_port else "it takes none"
    return f"""\
RADIUS authentication        {facts.server} port {facts.auth_port}
RADIUS accounting            {facts.server} port {facts.acct_port}
Shared secret                {facts.secret}
NAS-Identifier               {facts.name}
Interim accounting           every {facts.interim_minutes} minutes ({INTERIM_SECONDS} s)
Disconnect and CoA port      {orders}
Message-Authenticator        switched on wherever there is a switch for it
"""


def garden(facts: Facts) -> str:
    """What visitors must reach before they are let in."""
    return f"Reachable before sign-in     {facts.portal_host}\n"


def generic(facts: Facts) -> Snippet:
    """For whatever posts a form with user name and password to one address."""
    text = (
        radius_table(facts) + f"External portal              {facts.portal_url}\n" + garden(facts)
    )
    text += """\
The redirect tells client_mac (or mac), client_ip (or ip) and url in its query.
The portal posts username, password and dst to the sign-in address that is registered here.
"""
    return Snippet(text=text)


def unifi(facts: Facts) -> Snippet:
    """The Network application; the portal is known to it by its host only."""
    mode = facts.get("mode", "api")
    text = f"""\
Settings > WiFi > (guest network) > Hotspot Portal: on
Hotspot > Landing Page > Authentication
  External Portal Server     {facts.portal_host}
  (UniFi adds /guest/s/{facts.get("site", "default")}/ by itself)
Hotspot > Authorization Access > Pre-authorization allowances
  {facts.portal_host}
"""
    if mode == "radius":
        return Snippet(text=text + radius_table(facts))
    if mode == "legacy":
        text += f"""\
Admins: a local administrator for this server alone, role Site Admin
Here: yuenyan nas portal {facts.name} --set mode=legacy --set controller=https://CONSOLE \\
        --set username=NAME --secret-stdin password
"""
    else:
        text += f"""\
Settings > Control Plane > Integrations: make an API key
Here: yuenyan nas portal {facts.name} --set controller=https://CONSOLE --set site_id=UUID \\
        --secret-stdin api_key
  (UUID: "id" of the site in GET /proxy/network/integration/v1/sites)
"""
    text += "Where two consoles call their site alike: --set ap_macs=AP,AP,…\n"
    return Snippet(text=text + _NO_RECORDS)


def omada(facts: Facts) -> Snippet:
    """Omada Controller 5."""
    start = f"""\
Settings > Authentication > Portal > Create
  SSID                       the guest network
Settings > Authentication > Access Control > Pre-Authentication Access
  {facts.portal_host}
"""
    if facts.get("mode", "portal") == "radius":
        text = f"""\
  Authentication Type        RADIUS Server
  Portal Customization       External Web Portal: {facts.portal_url}
  Authentication Mode        PAP
"""
        here = f"""\
Here: yuenyan nas portal {facts.name} --set mode=radius --set controller=https://CONTROLLER:8843 \\
        --set tls_pin=SHA256
"""
        return Snippet(text=start + text + radius_table(facts) + here)
    text = f"""\
  Authentication Type        External Portal Server
  Custom Portal Server       {facts.portal_url}
Hotspot Manager > Operators: one for this server alone
Here: yuenyan nas portal {facts.name} --set controller=https://CONTROLLER:8043 \\
        --set tls_pin=SHA256 --set omadac_id=ID --set site=SITE \\
        --set operator=NAME --set time_unit=microseconds --secret-stdin operator_password
  Compare the end of the first visitor's session in the controller with what it should be: if it is
  a thousand times too late, time_unit is milliseconds there.
"""
    return Snippet(text=start + text + _NO_RECORDS)


def aruba(facts: Facts) -> Snippet:
    """Instant's command line; AOS-8 where that is registered."""
    if facts.get("mode", "instant") == "aos8":
        text = f"""\
aaa authentication-server radius "yuenyan"
    host "{facts.server}"
    key "{facts.secret}"
    authport {facts.auth_port}
    acctport {facts.acct_port}
    nas-identifier "{facts.name}"
!
aaa server-group "yuenyan"
    auth-server yuenyan
!
aaa rfc-3576-server "{facts.server}"
    key "{facts.secret}"
!
netdestination yuenyan-portal
    name {facts.portal_host}
!
aaa authentication captive-portal "yuenyan"
    server-group "yuenyan"
    login-page "{facts.portal_url}"
    switchip-in-redirection-url
    white-list yuenyan-portal
!
aaa profile "yuenyan"
    radius-accounting "yuenyan"
    radius-interim-accounting
    rfc-3576-server "{facts.server}"
"""
        return Snippet(text=text)
    text = f"""\
wlan auth-server yuenyan
 ip {facts.server}
 port {facts.auth_port}
 acctport {facts.acct_port}
 key {facts.secret}
 nas-id {facts.name}
 rfc3576
wlan external-captive-portal yuenyan
 server {facts.portal_host}
 port 443
 url "{facts.portal_path}"
 use-https
wlan access-rule before-sign-in
 rule alias {facts.portal_host} match tcp 443 443 permit
wlan ssid-profile SSID
 captive-portal external profile yuenyan
 auth-server yuenyan
 radius-accounting
 radius-interim-accounting-interval {facts.interim_minutes}
 set-role-pre-auth before-sign-in
"""
    if facts.get("mode", "instant") == "instant-on":
        text = (
            "Guest network > Guest portal > External\n"
            f"  Server URL                 {facts.portal_url}\n"
            "  Welcome screen             RADIUS\n"
            f"  Allowed domains            {facts.portal_host}\n" + radius_table(facts)
        )
    return Snippet(text=text)


def meraki(facts: Facts) -> Snippet:
    """The dashboard; RADIUS comes from Meraki's cloud."""
    start = f"""\
Wireless > Splash page
  Custom splash URL          {facts.portal_url}
Wireless > Access control
  Walled garden              {facts.portal_host}
"""
    if facts.get("mode", "sign-on") == "click-through":
        text = "  Splash page                Click-through\n"
        return Snippet(text=start + text + _NO_RECORDS)
    text = "  Splash page                Sign-on with my RADIUS server\n"
    cloud = "Its requests come from the addresses of Help > Firewall info: register those.\n"
    return Snippet(text=start + text + radius_table(facts) + cloud)


def ruckus(facts: Facts) -> Snippet:
    """ZoneDirector and Unleashed, or SmartZone."""
    if facts.get("mode", "wispr") == "smartzone":
        text = f"""\
Services > Hotspots & Portals > Hotspot (WISPr) > Create
  Logon URL                  External: {facts.portal_url}
  Walled garden              {facts.portal_host}
Administration > External Services > WISPr Northbound Interface: user api, a password
CLI, so that the portal is told which device it is:  no encrypt-mac-ip
Here: yuenyan nas portal {facts.name} --set mode=smartzone \\
        --set controller=https://SMARTZONE:9443 --secret-stdin nbi_password
"""
        return Snippet(text=text + radius_table(facts))
    text = f"""\
Hotspot Services > Create
  Login Page                 {facts.portal_url}
  Authentication Server      the RADIUS server below, PAP
  Walled Garden              {facts.portal_host}
Here: yuenyan nas portal {facts.name} --login-url http://CONTROLLER:9997/login
"""
    return Snippet(text=text + radius_table(facts))


def cambium(facts: Facts) -> Snippet:
    """cnMaestro."""
    text = f"""\
WLAN > Guest Access
  Portal Mode                External Hotspot
  External Page URL          {facts.portal_url}
  Access Policy              RADIUS
  Whitelist                  {facts.portal_host}
"""
    return Snippet(text=text + radius_table(facts))


def mist(facts: Facts) -> Snippet:
    """The WLAN's guest portal."""
    text = f"""\
WLAN > Guest Portal > Forward to external portal
  Portal URL                 {facts.portal_url}
  Allowed hostnames          {facts.portal_host}
Here: yuenyan nas portal {facts.name} --set wlan_id=ID --secret-stdin secret
"""
    return Snippet(text=text + _NO_RECORDS)
