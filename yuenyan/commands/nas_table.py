"""How network equipment is listed: who it is, whether it signs, and how good its secret is."""

from __future__ import annotations

from collections.abc import Sequence

from db.models import NasClient
from identity.services.nas_hygiene import Hygiene
from yuenyan.commands.tables import moment, print_table, short_moment


def nas_facts(row: NasClient, hygiene: Hygiene, zone: str) -> dict[str, object]:
    """One NAS for scripts; never a secret."""
    return {
        "name": row.name,
        "prefix": row.prefix,
        "transport": hygiene.transport,
        "radsec_identity": row.radsec_identity,
        "vendor": row.vendor,
        "org": row.organisation.code if row.organisation else None,
        "mab_suffix": row.mab_suffix,
        "mab_password_set": row.mab_password_encrypted is not None,
        "enabled": row.enabled,
        "require_message_authenticator": row.require_message_authenticator,
        "sends_message_authenticator": hygiene.signing,
        "last_with_message_authenticator_at": moment(hygiene.with_at, zone),
        "last_without_message_authenticator_at": moment(hygiene.without_at, zone),
        "secret_strength": hygiene.strength,
        "secret_set_at": moment(row.secret_set_at, zone),
        "secret_age_days": hygiene.secret_age.days if hygiene.secret_age is not None else None,
        "secret_shared_with": list(hygiene.shared_with),
        "login_url": row.login_url,
        "coa_address": row.coa_address,
        "coa_port": row.coa_port,
        "last_seen_at": moment(row.last_seen_at, zone),
    }


def print_nas(rows: Sequence[NasClient], hygiene: Sequence[Hygiene], zone: str) -> None:
    """The same for people, as a table."""
    print_table(
        (
            *("name", "prefix", "transport", "vendor", "org", "enabled"),
            *("message-authenticator", "sent", "secret", "last seen"),
        ),
        (
            (
                row.name,
                row.prefix,
                known.transport,
                row.vendor,
                row.organisation.code if row.organisation else None,
                row.enabled,
                "required" if row.require_message_authenticator else "optional",
                known.signing,
                _secret(known),
                short_moment(row.last_seen_at, zone),
            )
            for row, known in zip(rows, hygiene, strict=True)
        ),
    )


def _secret(hygiene: Hygiene) -> str:
    words = [hygiene.strength or "not known"]
    if hygiene.secret_is_old:
        words.append("old")
    if hygiene.shared_with:
        words.append(f"shared by {len(hygiene.shared_with) + 1}")
    return ", ".join(words)
