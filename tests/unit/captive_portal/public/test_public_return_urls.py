"""Which addresses a visitor may be sent back to: captive_portal.public.site."""

from __future__ import annotations

import pytest

from captive_portal.public.site import safe_return_url


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("http://example.com/a?b=c#d", True),
        ("https://example.com:8443/", True),
        ("javascript:alert(1)", False),
        ("//example.com/", False),
        ("/relative", False),
        ("http://user@example.com/", False),
        ("http://good.example\\@evil.example/", False),
        ("http://example.com/\r\nSet-Cookie: a=b", False),
        ("http://example.com/ x", False),
        ("http:///path", False),
        ("http://example.com:99999/", False),
        ("http://[::1/", False),
        ("data:text/html,x", False),
        ("http://example.com/" + "x" * 3000, False),
        ("", False),
    ],
    ids=repr,
)
def test_only_plain_web_addresses_are_returned_to(text: str, kept: bool) -> None:
    assert safe_return_url(text) == (text if kept else "")
