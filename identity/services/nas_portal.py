"""What handing a visitor back to a network device needs: kept encrypted, keys are among it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy.orm import Session

from db.models import NasClient
from identity.office import Office
from identity.services import audit

_PURPOSE = "nas portal settings"


def portal_settings(office: Office, nas: NasClient) -> Mapping[str, str]:
    """The settings of `nas`, empty when nobody has set any."""
    if nas.portal_settings_encrypted is None:
        return {}
    stored = json.loads(office.vault.decrypt(nas.portal_settings_encrypted, _PURPOSE))
    return {str(name): str(value) for name, value in stored.items()}


def seal_portal_settings(office: Office, settings: Mapping[str, str]) -> bytes | None:
    """`settings` as they are stored; None for none. The caller stores and records it."""
    kept = {name: value for name, value in settings.items() if value}
    return office.vault.encrypt(json.dumps(kept).encode(), _PURPOSE) if kept else None


def change_portal_settings(
    session: Session, office: Office, nas: NasClient, changes: Mapping[str, str], actor: str
) -> None:
    """Set these and leave the others; an empty value takes one away. Values stay out of the audit.

    What a make understands is captive_portal.vendors' to know: `changes` are checked there.
    """
    settings = {**portal_settings(office, nas), **changes}
    nas.portal_settings_encrypted = seal_portal_settings(office, settings)
    names = ", ".join(sorted(changes))
    audit.record(session, office.clock(), actor, "nas:portal_set", nas.name, settings=names)


def set_login_url(session: Session, office: Office, nas: NasClient, url: str, actor: str) -> None:
    """Say where browsers are sent with the one-time token; empty takes it away."""
    nas.login_url = url or None
    audit.record(session, office.clock(), actor, "nas:login_url_set", nas.name, login_url=url)
