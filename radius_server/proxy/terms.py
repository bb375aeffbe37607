"""What the configuration says about foreign realms, as the proxy's parts need it."""

from __future__ import annotations

import hmac

from common.config_access import Proxy
from radius_server.process import relaying
from radius_server.process.realms import Realms, Route


def routes_of(proxy: Proxy) -> list[Route]:
    """Where each foreign realm's requests go."""
    return [
        Route(realm=realm.name, servers=realm.servers, accounting=realm.accounting, vlan=realm.vlan)
        for realm in proxy.realm
    ]


def realms_of(proxy: Proxy) -> Realms:
    """Whose each realm is."""
    return Realms(proxy.local_realms, routes_of(proxy))


def terms_of(proxy: Proxy, class_key: bytes) -> relaying.Terms:
    """What is added to and watched in what goes to home servers."""
    mark = hmac.digest(class_key, b"Proxy-State", "sha256")[: relaying.MARK_OCTETS]
    return relaying.Terms(
        mark=mark,
        class_key=class_key,
        operator_name=proxy.operator_name,
        request_cui=proxy.request_cui,
        maximum_hops=proxy.maximum_hops,
    )
