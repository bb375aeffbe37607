"""Names that cannot be read are nobody's, and break nothing."""

from __future__ import annotations

import pytest

from identity.pki import names
from tests.certificates import odd_certificates

ODD = odd_certificates()


@pytest.mark.parametrize("odd", ODD)
def test_a_name_that_cannot_be_read_is_nobody_s(odd: str) -> None:
    certificate = ODD[odd]
    assert not names.are_readable(certificate)
    assert names.account_names(certificate) == ()
    assert names.dns_names(certificate) == ()
    assert names.describe(certificate) in ("", "x")
