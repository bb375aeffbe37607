"""What handing a visitor back to a network device needs: kept encrypted, keys are among it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from db.models import NasClient
from identity.office import Office

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
