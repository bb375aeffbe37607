"""Which names of a certificate may be a NAS's."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from radius_server.radsec.identity import matches, names
from tests.certificates import Authority, odd_certificates


@pytest.mark.parametrize(
    ("common_name", "dns", "found"),
    [
        pytest.param("AP of school 1", (), ("ap of school 1",), id="common name only"),
        pytest.param("x", ("AP.School-1.Example",), ("ap.school-1.example",), id="dns goes before"),
        pytest.param("x", ("a.example", "b.example"), ("a.example", "b.example"), id="several"),
        pytest.param("x", ("*.example",), (), id="a wildcard is nobody"),
    ],
)
def test_names(
    tmp_path: Path, common_name: str, dns: tuple[str, ...], found: tuple[str, ...]
) -> None:
    issued = Authority(tmp_path).issue(common_name, dns)
    assert names(issued.certificate) == found


def test_a_name_is_compared_without_case_and_final_dot(tmp_path: Path) -> None:
    certificate = Authority(tmp_path).issue("x", ["home.example"]).certificate
    assert matches(certificate, "Home.Example.")
    assert not matches(certificate, "x")


def test_a_certificate_of_a_person_is_no_nas_by_its_common_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate = authority.issue("ap1", names=[x509.RFC822Name("ap1@school.example")]).certificate
    assert names(certificate) == ()


@pytest.mark.parametrize("odd", odd_certificates().values(), ids=odd_certificates().keys())
def test_a_certificate_whose_names_cannot_be_read_is_no_nas(odd: x509.Certificate) -> None:
    assert names(odd) == ()
