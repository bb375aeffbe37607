"""The lab certificate authority: yuenyan.certificates."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from yuenyan.certificates import make_lab_certificates


def test_a_long_thai_site_name_is_cut_between_letters(tmp_path: Path) -> None:
    site = "โรงเรียนบ้านหนองน้ำใสวิทยาคม"
    assert make_lab_certificates(tmp_path, site)
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    name = str(authority.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    assert f"Lab CA {site}".startswith(name)
    assert 60 <= len(name.encode()) <= 64
    assert not make_lab_certificates(tmp_path, site)
