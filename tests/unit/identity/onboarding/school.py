"""A school's profile, and what outside programs say of the files made from it."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from identity.onboarding.profile import (
    Anchor,
    ClientFile,
    Helpdesk,
    Logo,
    Method,
    Profile,
    Security,
)
from identity.pki.authority import make_authority
from tests.programs import require

NOW = datetime(2026, 5, 16, 1, 30, tzinfo=UTC)
VECTORS = Path(__file__).parents[3] / "vectors" / "onboarding"
CA = Anchor(make_authority("โรงเรียนบ้านหนองน้ำใส", NOW).certificate)
NEXT_CA = Anchor(make_authority("โรงเรียนบ้านหนองน้ำใส", NOW).certificate)
CLIENT = ClientFile(pkcs12=b"a PKCS#12 file" * 20, title="somchai", ends_at=NOW)
LOGO = Logo(octets=b"\x89PNG\r\n\x1a\n and so on", mime="image/png")


def profile(**values: Any) -> Profile:
    """A profile of the wireless network of a school, changed by `values`."""
    usual: dict[str, Any] = {
        "names": {"th": "โรงเรียนบ้านหนองน้ำใส", "en": "Ban Nong Nam Sai School"},
        "identifier": "th.ac.school.wifi",
        "realm": "school.ac.th",
        "ssids": ("School-1X",),
        "hidden": False,
        "security": Security.WPA2,
        "wired": False,
        "server_names": ("radius.school.ac.th",),
        "anchors": (CA,),
        "methods": (Method.TTLS_PAP,),
        "helpdesk": Helpdesk(mail="it@school.ac.th", phone="045 123 456"),
    }
    return Profile(**{**usual, **values})


EVERY = {
    "anybody's": profile(),
    "a person's": profile(username="somchai", ends_at=NOW),
    "odd": profile(ssids=('A "B" & <C>', "โรงเรียน", "a;b\\c"), username="ส้ม", hidden=True),
    "peap": profile(username="somchai", methods=(Method.PEAP_MSCHAPV2,)),
    "both": profile(username="somchai", methods=(Method.TTLS_PAP, Method.PEAP_MSCHAPV2)),
    "certificate": profile(username="somchai", methods=(Method.TLS,), client=CLIENT),
    "rollover": profile(anchors=(CA, NEXT_CA), server_names=("a.school.ac.th", "b.school.ac.th")),
    "wired too": profile(wired=True, security=Security.WPA3, logo=LOGO),
    "wired alone": profile(ssids=(), wired=True),
    "no realm": profile(realm="", helpdesk=Helpdesk(), tls_min="1.3"),
}
"""Profiles that differ in everything that a file may depend on."""


def valid(schema: str, document: bytes, folder: Path) -> None:
    """Fail with xmllint's words unless `document` is what `schema` describes."""
    path = folder / "document.xml"
    path.write_bytes(document)
    program = require("xmllint", "libxml2-utils")
    run = subprocess.run(
        [program, "--nonet", "--noout", "--relaxng", VECTORS / schema, path],
        capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
