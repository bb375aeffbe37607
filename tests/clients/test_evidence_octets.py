"""What Debian's radclient sent lies in a bundle octet for octet: its authenticator still fits."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.clients.radclient import Nas
from tests.integration.radius_site import SECRET, LiveSite
from tests.unit.traffic.evidence.bundles import read_items
from traffic.evidence import verify

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

PASSWORD = "seven green elephants"
STATION = "3C-22-FB-00-0A-01"


def test_the_authenticator_of_each_accounting_datagram_fits_the_shared_secret(
    live: LiveSite, nas: Nas, tmp_path: Path
) -> None:
    live.add_person("malee", PASSWORD, **{"full-name": "มาลี ดีงาม"})
    accepted = nas.access("malee", PASSWORD, Calling_Station_Id=STATION)
    for status in ("Start", "Interim-Update", "Stop"):
        answer = nas.account(
            status,
            "malee-1",
            User_Name="malee",
            Calling_Station_Id=STATION,
            Framed_IP_Address="10.20.30.40",
            Class=accepted.one("Class"),
        )
        assert answer.code == "Accounting-Response", answer.output
    out, now = tmp_path / "case.zip", datetime.now(UTC)
    span = timedelta(minutes=5)
    made = live.yuenyan(
        *("evidence", "export", "--case", "12/2569", "--reason", "court", "--user", "malee"),
        *("--from", (now - span).isoformat(), "--to", (now + span).isoformat()),
        *("--out", str(out), "--json"),
    )
    told = json.loads(made.stdout)
    assert verify.check(str(out))["records"] == told["records"]
    items = read_items(out)
    datagrams = [items[name] for name in sorted(items) if name.startswith("raw/accounting/")]
    assert len(datagrams) == 3
    for octets in datagrams:
        assert (octets[0], int.from_bytes(octets[2:4], "big")) == (4, len(octets))
        # RFC 2866 section 3: MD5 over the packet with sixteen zero octets, then the secret.
        proof = hashlib.md5(octets[:4] + bytes(16) + octets[20:] + SECRET.encode()).digest()
        assert proof == octets[4:20]
    logins = [json.loads(line) for line in items["records/logins.jsonl"].splitlines()]
    assert [one["outcome"] for one in logins] == ["accept"]
    assert PASSWORD.encode() not in out.read_bytes()
