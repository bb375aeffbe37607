"""One-time portal tokens as a login sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

PREFIX = "yt-"
"""Marks a token, so that RADIUS asks the database for tokens only when it was given one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """A token that may still be good; `client_mac` and `nas_client_id` bind it when set."""

    token_id: int
    token: str = field(repr=False)
    expires_at: datetime
    spent: bool
    client_mac: str | None = None
    nas_client_id: int | None = None
