"""openNDS: its configuration for Debian and OpenWrt, and that of the agent beside it.

It speaks no RADIUS, so no server of ours but the portal stands in it. The same lines with their
reasons are in deploy/opennds and docs/opennds.md.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from captive_portal.vendors.opennds import FETCHED, LEVELS
from captive_portal.vendors.snippets.facts import Facts, Snippet

_ADDRESS = "PORTAL-ADDRESS"
_KEY = "FASKEY"
_OWN_PORT = 2050


def opennds(facts: Facts) -> Snippet:
    """Three files; the key is never among what is shown, and stands as `FASKEY`."""
    portal = urlsplit(facts.portal_url)
    root = facts.portal_url.removesuffix(facts.portal_path)
    name = facts.portal_path.strip("/").rpartition("/")[2]
    level = facts.get("level", LEVELS[0])
    fas = {
        "fas_secure_enabled": level,
        # At 1 and 2 openNDS knows http:// alone; the web server there sends on to https.
        "fasport": "443" if level in FETCHED else "80",
        "fasremoteip": _address_of(facts.portal_host),
        "fasremotefqdn": facts.portal_host,
        "faspath": facts.portal_path,
        "faskey": _KEY,
        "sessiontimeout": "480",
        "download_unrestricted_bursting": "1",
        "upload_unrestricted_bursting": "1",
        "dhcp_default_url_enable": "0",
    }
    own_port = urlsplit(facts.login_url).port if facts.login_url else None
    if own_port not in (None, _OWN_PORT):
        fas["gatewayport"] = str(own_port)
    opened = f"allow tcp port {portal.port or 443} to {fas['fasremoteip']}"
    login = facts.login_url or "http://ROUTER-INSIDE:2050/opennds_auth/"
    text = f"""\
openNDS speaks no RADIUS: the agent beside it asks the portal, counts and puts out.
docs/opennds.md; INSIDE is the interface of the visitors, {_KEY} the key, {_ADDRESS} the
address of {facts.portal_host}.

Here
  openssl rand -hex 24 > {name}.key
  yuenyan nas portal {facts.name} --set level={level} \\
      --login-url {login} \\
      --secret-stdin faskey < {name}.key
Debian: opennds.conf into /etc/opennds, yuenyan-opennds.conf into /etc with mode 0600
  install -m 0755 deploy/opennds/yuenyan-opennds /usr/local/sbin/
  install -m 0644 deploy/opennds/yuenyan-opennds.service /etc/systemd/system/
  install -D -m 0644 deploy/opennds/opennds-guard.conf \\
      /etc/systemd/system/opennds.service.d/yuenyan.conf
  yuenyan-opennds check
  systemctl enable --now opennds yuenyan-opennds
OpenWrt: opennds.uci as /etc/config/opennds, yuenyan-opennds.conf into /etc with mode 0600,
  deploy/opennds/yuenyan-opennds into /usr/sbin and yuenyan-opennds.init as
  /etc/init.d/yuenyan-opennds, both with mode 0755
  yuenyan-opennds check
  service opennds restart; service yuenyan-opennds enable; service yuenyan-opennds start
"""
    return Snippet(
        text=text,
        files={
            "opennds.conf": _debian(fas, opened),
            "opennds.uci": _openwrt(fas, opened),
            "yuenyan-opennds.conf": _agent(f"{root}/opennds/{name}"),
        },
    )


def _address_of(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        return _ADDRESS


def _debian(fas: dict[str, str], opened: str) -> str:
    lines = "".join(f"{name} {value}\n" for name, value in fas.items())
    return f"""\
# /etc/opennds/opennds.conf
gatewayinterface INSIDE
gatewayname School
use_outdated_mhd 1
{lines}\
binauth /usr/local/sbin/yuenyan-opennds

FirewallRuleSet authenticated-users {{
  FirewallRule allow all
}}
FirewallRuleSet preauthenticated-users {{
  FirewallRule {opened}
}}
FirewallRuleSet users-to-router {{
  FirewallRule allow udp port 53
  FirewallRule allow tcp port 53
  FirewallRule allow udp port 67
}}
"""


def _openwrt(fas: dict[str, str], opened: str) -> str:
    lines = "".join(f"\toption {name} '{value}'\n" for name, value in fas.items())
    return f"""\
# /etc/config/opennds
config opennds
\toption enabled '1'
\toption gatewayinterface 'INSIDE'
\toption gatewayname 'School'
{lines}\
\toption binauth '/usr/sbin/yuenyan-opennds'
\tlist preauthenticated_users '{opened}'
\tlist authenticated_users 'allow all'
\tlist users_to_router 'allow udp port 53'
\tlist users_to_router 'allow tcp port 53'
\tlist users_to_router 'allow udp port 67'
"""


def _agent(portal: str) -> str:
    return f"""\
# /etc/yuenyan-opennds.conf, mode 0600
PORTAL={portal}
KEY={_KEY}
CA=
INTERVAL=3
STATE=/tmp/yuenyan-opennds
"""
