"""Addresses of witnesses: who is shown each seal. Pure; knows nothing of how it is sent."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

_LONGEST_HOURS = 24 * 7


class WitnessKind(StrEnum):
    DIRECTORY = "directory"
    MAIL = "mail"
    POST = "post"
    TIMESTAMP = "timestamp"


@dataclass(frozen=True, slots=True)
class WitnessAddress:
    """One of `archive.witnesses`."""

    text: str
    """As it stands in the configuration."""
    kind: WitnessKind
    target: str
    """Folder, mailbox or URL."""
    hours: int = 0
    """Mail alone: so long seals are gathered before a letter goes."""

    @property
    def id(self) -> str:
        """A file name for what is remembered of it."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    @property
    def shown(self) -> str:
        """The address without what only its server should know."""
        if self.kind not in (WitnessKind.POST, WitnessKind.TIMESTAMP):
            return self.text
        parts = urlsplit(self.text)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path}" + ("?…" if parts.query else "")


def parse_witness(text: str) -> WitnessAddress:
    """The witness at that address.

    Raises:
        ValueError: it is no address of a witness; the message shows the forms.
    """
    if text.startswith("/"):
        return WitnessAddress(text, WitnessKind.DIRECTORY, str(Path(text)))
    parts = urlsplit(text)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return WitnessAddress(text, WitnessKind.DIRECTORY, unquote(parts.path))
    if parts.scheme == "mailto":
        return _parse_mail(text, unquote(parts.path), parts.query)
    if parts.scheme == "https" and parts.hostname:
        return WitnessAddress(text, WitnessKind.POST, text)
    if parts.scheme in ("tsa+https", "tsa+http") and parts.hostname:
        return WitnessAddress(text, WitnessKind.TIMESTAMP, text.removeprefix("tsa+"))
    raise ValueError(
        f"{text!r} is no witness: write /folder, file:///folder, mailto:name@host, https://…, "
        "tsa+https://… or tsa+http://…"
    )


def _parse_mail(text: str, mailbox: str, query: str) -> WitnessAddress:
    name, at, host = mailbox.rpartition("@")
    plain = mailbox.isascii() and mailbox.isprintable() and not set(mailbox) & set(' ,;<>"')
    if not (name and at and host and plain):
        raise ValueError(f"{text!r}: write one mailbox, such as mailto:director@school.example")
    fields = parse_qs(query, keep_blank_values=True)
    hours = fields.pop("hours", ["0"])[0]
    if fields or not hours.isdecimal() or int(hours) > _LONGEST_HOURS:
        raise ValueError(f"{text!r}: behind the mailbox only ?hours=N is known, N up to 168")
    return WitnessAddress(text, WitnessKind.MAIL, mailbox, int(hours))
