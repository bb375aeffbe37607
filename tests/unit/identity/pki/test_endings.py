"""What a login depends on and when it ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from common.clock import utc_now
from common.config import Collector, Config
from common.config_access import Eap, RadSec
from identity.pki.authority import CRL_LIFETIME, make_authority
from identity.pki.endings import Item, find_endings

NOW = utc_now()


def written(path: Path, *ends: datetime, encoding: Encoding = Encoding.PEM) -> Path:
    """A file of revocation lists that end then, each of a CA of its own."""
    octets = b""
    for number, moment in enumerate(ends):
        authority = make_authority(f"{path.stem} {number}", NOW - timedelta(days=400))
        made = authority.revocation_list((), moment - CRL_LIFETIME, 1)
        octets += made.public_bytes(encoding)
    path.write_bytes(octets)
    return path


@pytest.fixture
def site(tmp_path: Path) -> Config:
    """With lists of a root and an intermediate, and others of RadSec."""
    ca = tmp_path / "ca.pem"
    ca.write_bytes(make_authority("root", NOW).certificate.public_bytes(Encoding.PEM))
    lists = written(tmp_path / "lists.pem", NOW + timedelta(days=3), NOW - timedelta(days=1))
    theirs = written(tmp_path / "radsec.crl", NOW + timedelta(days=5), encoding=Encoding.DER)
    return Config(eap=Eap(ca=ca, crl=lists), radsec=RadSec(ca=ca, crl=theirs))


def test_every_revocation_list_is_told_radsecs_and_those_in_der_too(site: Config) -> None:
    found = [one for one in find_endings(site) if one.item is Item.CRL]
    assert [one.problem for one in found] == ["", "", ""]
    assert [(one.path.name, one.days_left(NOW + timedelta(seconds=-5))) for one in found] == [
        ("lists.pem", 3), ("lists.pem", 0), ("radsec.crl", 5),
    ]  # fmt: skip
    assert "lists 0" in found[0].title and "lists 1" in found[1].title


def test_the_certificate_that_senders_of_records_meet_is_told_where_they_come_over_tls(
    tmp_path: Path,
) -> None:
    own = tmp_path / "collector.pem"
    own.write_bytes(make_authority("records", NOW).certificate.public_bytes(Encoding.PEM))
    for listens in ({}, {"syslog_tls": ("127.0.0.1:0",)}, {"ipfix_tls": ("127.0.0.1:0",)}):
        config = Config(collector=Collector.model_validate({"syslog_certificate": own, **listens}))
        found = [one for one in find_endings(config) if one.item is Item.COLLECTOR]
        assert [one.path for one in found] == ([own] if listens else [])
