"""Our own gateway: the section of its configuration, and its two key files."""

from __future__ import annotations

from captive_portal.vendors.snippets.facts import Facts, Snippet

_GATEWAY = "http://10.77.0.1:8090"


def yuenyan(facts: Facts) -> Snippet:
    """/etc/yuenyan/yuenyan.toml of a box that stands alone."""
    address = facts.login_url.removesuffix("/login") or _GATEWAY
    name = facts.name.replace("\\", "\\\\").replace('"', '\\"')
    server = f"[{facts.server}]" if ":" in facts.server else facts.server
    text = f"""\
# /etc/yuenyan/yuenyan.toml of the box; docs/gateway-setup.md
[gateway]
radius_servers = ["{server}:{facts.auth_port}"]
accounting_servers = ["{server}:{facts.acct_port}"]
nas_identifier = "{name}"
portal_url = "{facts.portal_url}"
public_url = "{address}"
secret_file = "/etc/yuenyan/gateway.secret"
key_file = "/etc/yuenyan/gateway.key"

# Which interface has the devices, which is the way out, and the box's own addresses inside.
[gateway.kernel]
inside = ["eth1"]
outside = ["eth0"]
addresses = ["10.77.0.1/24", "fd77::1/64"]
portal_hosts = ["{facts.portal_host}"]

# /etc/yuenyan/gateway.secret, readable by its user alone:
#   {facts.secret}
# /etc/yuenyan/gateway.key: the text that was given to
#   yuenyan nas portal {facts.name} --secret-stdin key
# Here: yuenyan nas portal {facts.name} --login-url {address}/login
# Then, at the box: yuenyan doctor
"""
    return Snippet(text=text)
