"""Routers and firewalls that catch visitors themselves: MikroTik, CoovaChilli, pfSense, OPNsense,
FortiGate."""

from __future__ import annotations

from html import escape

from captive_portal.vendors.snippets.facts import Facts, Snippet
from identity.domain.sessions import INTERIM_SECONDS


def mikrotik(facts: Facts) -> Snippet:
    """RouterOS 7, hotspot; the pages go into the folder `yuenyan` of its files."""
    how = facts.get("login", "auto")
    login_by = "http-pap" if how == "http-pap" else "http-chap"
    text = f"""\
# RouterOS. "hsprof1" is the hotspot profile, as /ip hotspot setup names it.
/radius add service=hotspot address={facts.server} secret="{_quoted(facts.secret)}" \\
    authentication-port={facts.auth_port} accounting-port={facts.acct_port} timeout=3s
# From 7.15 on, leave require-message-auth at its default: this server signs its answers.
/radius incoming set accept=yes port={facts.dynamic_port or 3799}
# No cookie and no mac-cookie: what the portal hands over is good once.
/ip hotspot profile set [find name=hsprof1] use-radius=yes radius-accounting=yes \\
    radius-interim-update={facts.interim_minutes}m login-by={login_by} html-directory=yuenyan
/ip hotspot walled-garden add action=allow dst-host={facts.portal_host}
/ip hotspot walled-garden ip add action=accept dst-host={facts.portal_host}
# Do not add hosts that phones ask whether they are online (captive.apple.com, *.gstatic.com).
# Copy login.html, alogin.html and redirect.html into the folder yuenyan under /file.
"""
    return Snippet(
        text=text,
        files={
            "login.html": _forwarding(_mikrotik_link(facts)),
            "alogin.html": _forwarding("$(link-redirect)"),
            "redirect.html": _forwarding("$(link-redirect)"),
        },
    )


def _mikrotik_link(facts: Facts) -> str:
    names = ("mac", "ip", "link-orig", "error", "server-name")
    told = "&amp;".join(f"{name}=$({name}-esc)" for name in names)
    nonces = "&amp;chap-id=$(chap-id-esc)&amp;chap-challenge=$(chap-challenge-esc)"
    return f"{escape(facts.portal_url)}?{told}$(if chap-id){nonces}$(endif)"


def _forwarding(link: str) -> str:
    """A page that goes on by itself, without a script; `link` is HTML already."""
    return f"""\
<!doctype html>
<html lang="th">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="0;url={link}">
<title>Wi-Fi</title>
</head>
<body><p><a href="{link}">เข้าสู่ระบบ Wi-Fi / Sign in to the Wi-Fi</a></p></body>
</html>
"""


def _quoted(text: str, special: str = '"\\$?') -> str:
    """`text` inside a quoted string; RouterOS's, unless other signs are special."""
    return "".join("\\" + one if one in special else one for one in text)


def coova(facts: Facts) -> Snippet:
    """chilli.conf, also of what descends from it."""
    server = facts.get("uamserver", facts.portal_url)
    plain = "nochallenge\n" if facts.get("login", "chap") == "plain" else ""
    text = f"""\
# chilli.conf
radiusserver1 {facts.server}
radiusserver2 {facts.server}
radiussecret {facts.secret}
radiusauthport {facts.auth_port}
radiusacctport {facts.acct_port}
radiusnasid {facts.name}
definteriminterval {INTERIM_SECONDS}
# Off unless it is set: connections are ended from the portal by it.
coaport {facts.dynamic_port or 3799}
uamserver {server}
# The same text as the setting uamsecret here; without it nothing proves a redirect.
uamsecret UAM-SECRET
uamallowed {facts.portal_host}
{plain}"""
    return Snippet(text=text)


def pfsense(facts: Facts) -> Snippet:
    """Settings by their names in the web configurator, and the two pages of the zone."""
    link = (
        f"{escape(facts.portal_url)}?zone=$PORTAL_ZONE$&amp;mac=$CLIENT_MAC$&amp;ip=$CLIENT_IP$"
        "&amp;redirurl=$PORTAL_REDIRURL$"
    )
    failed = (
        f"{escape(facts.portal_url)}?zone=$PORTAL_ZONE$&amp;mac=$CLIENT_MAC$&amp;ip=$CLIENT_IP$"
        "&amp;message=refused"
    )
    text = f"""\
System > User Manager > Authentication Servers > Add
  Type                       RADIUS
  Protocol                   PAP
  Hostname or IP address     {facts.server}
  Shared Secret              {facts.secret}
  Services offered           Authentication and Accounting
  Authentication port        {facts.auth_port}
  Accounting port            {facts.acct_port}
Services > Captive Portal > (zone)
  Portal page contents       index.html (file of this snippet)
  Auth error page contents   error.html (file of this snippet)
  Authentication Method      Use an Authentication backend: the server above
  NAS Identifier             {facts.name}
  Reauthenticate Users       every minute (it takes no orders from RADIUS)
  Session timeout            Use RADIUS Session-Timeout attributes
  Per-user bandwidth         Use RADIUS attributes
  Traffic quota              Use RADIUS pfSense-Max-Total-Octets
  Accounting                 Send; updates: Interim, {facts.interim_minutes} minutes
Services > Captive Portal > (zone) > Allowed Hostnames
  {facts.portal_host}        Both
Here: yuenyan nas portal {facts.name} --login-url 'http://LAN-ADDRESS:8002/index.php?zone=ZONE'
"""
    return Snippet(
        text=text, files={"index.html": _forwarding(link), "error.html": _forwarding(failed)}
    )


def opnsense(facts: Facts) -> Snippet:
    """The zone's template only sends on; the API connects."""
    zone = facts.get("zone", "0")
    text = f"""\
System > Access > Users > Add
  a user of its own for this server, privilege "Services: Captive Portal" only; make an API key
Services > Captive Portal > Templates
  download the default one, replace index.html by the file of this snippet, upload it
Services > Captive Portal > Administration > Zone {zone}
  Authenticate using         (none)
  Allowed addresses          {facts.portal_host} by its addresses
  Custom template            the one above
  Idle timeout               30; Hard timeout 480 (minutes): it takes no orders from RADIUS
Here: yuenyan nas portal {facts.name} --set controller=https://FIREWALL --set zone={zone} \\
        --secret-stdin api_key --secret-stdin api_secret
Sessions of an external page are not told to RADIUS: send its DHCP leases and flows to this
server, so that addresses can be answered for.
"""
    link = f"{escape(facts.portal_url)}?zone={escape(zone)}"
    return Snippet(text=text, files={"index.html": _forwarding(link)})


def fortinet(facts: Facts) -> Snippet:
    """FortiOS command line."""
    secret = _quoted(facts.secret, '"\\')
    text = f"""\
config user radius
    edit "yuenyan"
        set server "{facts.server}"
        set secret "{secret}"
        set radius-port {facts.auth_port}
        set nas-id "{facts.name}"
        set acct-interim-interval {INTERIM_SECONDS}
        set radius-coa enable
        config accounting-server
            edit 1
                set status enable
                set server "{facts.server}"
                set secret "{secret}"
                set port {facts.acct_port}
            next
        end
    next
end
config user group
    edit "yuenyan"
        set member "yuenyan"
    next
end
config user setting
    set auth-secure-http enable
end
config firewall address
    edit "yuenyan-portal"
        set type fqdn
        set fqdn "{facts.portal_host}"
    next
end
config wireless-controller vap
    edit "SSID"
        set security captive-portal
        set portal-type external-auth
        set external-web "{facts.portal_url}"
        set selected-usergroups "yuenyan"
    next
end
# A policy from the SSID to "yuenyan-portal" for HTTP, HTTPS and DNS with captive-portal-exempt.
# The form has room for user names of 50 characters.
"""
    return Snippet(text=text)
