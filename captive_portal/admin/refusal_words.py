"""Refusals that have a part of the portal of their own, before those that many parts share."""

from __future__ import annotations

from captive_portal.admin.consent_words import CONSENT_REFUSALS
from captive_portal.admin.token_words import TOKEN_REFUSALS

OF_ONE_PART = (*TOKEN_REFUSALS, *CONSENT_REFUSALS)
