"""The steps of a login that code writes into a trace, and whether there are words for each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from captive_portal.admin import login_words, tls_words
from captive_portal.admin.login_story import Story
from tests.unit.captive_portal.admin.test_logins import story, texts

_ROOT = Path(__file__).parents[4]
_TRACED = re.compile(
    r"""trace(?:\.append|\.extend)?\(\s*f?"([a-z]+:[a-z0-9_]+)|^\s+f?"(certificate:[a-z_]+)""", re.M
)
_TOLD_APART = {"tls:alert"}


def tunnel(step: str, language: str = "en") -> Story:
    return story(language, trace=(step,), reason="tls_failed")


def test_every_step_that_is_traced_has_words() -> None:
    traced = {
        found
        for path in (_ROOT / "radius_server").rglob("*.py")
        for pair in _TRACED.findall(path.read_text(encoding="utf-8"))
        for found in pair
        if found
    }
    assert {"eap:identity", "tls:version", "peap:cryptobinding", "certificate:name"} <= traced
    named = {f"inner:{method}" for method in login_words.METHOD_NAMES}
    assert traced - set(login_words.STEPS) - named - _TOLD_APART == set()


@pytest.mark.parametrize("language", ["en", "th"])
@pytest.mark.parametrize(
    "step",
    [
        "peap:cryptobinding",
        "peap:cryptobinding_wrong",
        "peap:peer_refused",
        "certificate:issuer=Class CA",
        "certificate:unreadable",
        "tls:alert=bad_certificate_status_response",
        *(f"tls:error={error}" for error in tls_words.ERRORS),
        *(f"tls:certificate={doubt}" for doubt in tls_words.CERTIFICATES),
    ],
)
def test_what_ends_a_tunnel_has_words_in_both_languages(step: str, language: str) -> None:
    told = texts(tunnel(step, language))[1]
    value = step.partition("=")[2]
    assert told != step
    words = told.removesuffix(value) if ": " not in told else told.rpartition(": ")[2]
    assert any("ก" <= sign <= "๛" for sign in words) is (language == "th"), told


def test_a_device_that_is_too_old_is_to_be_updated() -> None:
    told = tunnel("tls:error=unsupported_protocol")
    assert texts(told)[1].endswith("no version of TLS or no cipher in common")
    assert told.advice[0].startswith("Update the device")


def test_a_stale_list_is_to_be_renewed_and_no_certificate() -> None:
    told = tunnel("tls:certificate=CRL_has_expired")
    assert "[eap] crl" in told.advice[0]


def test_a_linux_device_that_expects_another_server_is_given_the_profile() -> None:
    told = tunnel("tls:alert=internal_error")
    assert "another name" in texts(told)[1]
    assert told.advice[0].startswith("Install the Wi-Fi profile")
