"""What the issuer of a certificate says of it today, and how somebody is asked about that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Word(StrEnum):
    """RFC 6960 section 2.2."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    """The responder knows no such certificate."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What was said, and until when it may be relied on."""

    word: Word
    until: datetime


class NoProof(Exception):  # noqa: N818 - reads as what happened
    """What came back proves nothing; the reason is for the log."""


class Inquiry(Protocol):
    """A question about one certificate, and what makes an answer to it good."""

    @property
    def key(self) -> bytes:
        """The same for every inquiry about this certificate of this responder."""

    @property
    def url(self) -> str:
        """Where to ask."""

    def request(self, nonce: bytes) -> bytes:
        """What to post there."""

    def judge(self, answer: bytes, nonce: bytes, now: datetime) -> Standing:
        """What `answer` proves.

        Raises:
            NoProof: nothing.
        """
