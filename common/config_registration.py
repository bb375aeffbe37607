"""The sections [registration] and [sms]. Imported by common.config."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from common.config_section import Section
from common.urls import is_here

_PREFIX = re.compile(r"\+[1-9][0-9]{0,6}")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")


class Registration(Section):
    guest_days: int = Field(default=30, ge=1, le=366)
    """A guest's account ends at the latest this long after it was made or given more time; a
    month is a trainee's stay, and whoever stays longer belongs on the roster."""
    mails_per_recipient: int = Field(default=5, ge=1, le=100)
    """Codes by mail to one mailbox in 24 hours; nobody needs more, and a stranger's mailbox must
    not be filled through this page."""
    mails_per_address: int = Field(default=300, ge=1, le=10_000)
    """Letters caused from one address in 24 hours; a parents' evening may share one."""
    mails_per_day: int = Field(default=1000, ge=1, le=1_000_000)
    """Letters caused by visitors of the whole site in 24 hours; more would be an attack, and cost
    the office the good name of its mail server."""
    tell_by_sms: bool = True
    """Whether a visitor who gave only a mobile number is told of the decision by short message;
    false where each one costs more than it is worth."""


class Sms(Section):
    url: str = ""
    """Where the operator's gateway takes a message; empty: no short message is sent."""
    method: Literal["POST", "GET"] = "POST"
    format: Literal["form", "json"] = "form"
    """How `fields` travel in a POST; with GET they are the query."""
    fields: dict[str, str] = {"to": "{number}", "text": "{text}"}
    """{number} is +66812345678, {local} 0812345678, {digits} 66812345678, {text} the message,
    {secret} the content of secret_file."""
    template: str = ""
    """JSON to send instead of `fields`, for gateways that want more than one level; {number} and
    the others stand in its texts."""
    headers: dict[str, str] = {}
    """Such as Authorization = "Bearer {secret}"."""
    secret_file: Path | None = None
    """The key of the operator's gateway; it stands nowhere else."""
    ca: Path | None = None
    """Who has issued its certificate; None: whom the operating system trusts."""
    success_status: tuple[int, ...] = (200, 201, 202)
    success_pattern: str = ""
    """A regular expression that the answer must hold, where the status tells nothing."""
    refused_pattern: str = ""
    """One that says this number can never be reached, so that nobody tries again."""
    prefixes: tuple[str, ...] = ("+66",)
    """Numbers elsewhere cost much, and fraudsters earn by them."""
    seconds: float = Field(default=10.0, ge=1, le=60)
    """For the gateway's answer."""
    cool_down_seconds: int = Field(default=30, ge=0, le=3600)
    """Between two messages to one number: the first may still be on its way."""
    per_number: int = Field(default=5, ge=1, le=100)
    """Messages to one number in 24 hours."""
    per_address: int = Field(default=20, ge=1, le=10_000)
    """Messages caused from one address in 24 hours; a school may share one."""
    per_day: int = Field(default=200, ge=1, le=1_000_000)
    """Messages that visitors of the whole site cause in 24 hours: the most that an attack can cost
    in a day. Warnings that an account was changed have as many of their own, and those to
    officers no bound but ten a day of one change."""

    @field_validator("url")
    @classmethod
    def _encrypted(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ValueError("write it like https://sms.example/send")
        if parts.username is not None:
            raise ValueError("put user and password into secret_file and headers")
        if parts.scheme == "http" and not is_here(parts.hostname):
            raise ValueError("http would show numbers and codes on the way; use https")
        return value

    @field_validator("success_pattern", "refused_pattern")
    @classmethod
    def _expression(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"{value!r} is no regular expression: {error}") from error
        return value

    @field_validator("template")
    @classmethod
    def _json(cls, value: str) -> str:
        if value and not isinstance(json.loads(value), dict | list):
            raise ValueError("write a JSON object or list")
        return value

    @field_validator("prefixes")
    @classmethod
    def _countries(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for prefix in value:
            if not _PREFIX.fullmatch(prefix):
                raise ValueError(f"{prefix!r}: write a country's prefix like +66")
        return value

    @field_validator("headers")
    @classmethod
    def _plain_headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not _HEADER.fullmatch(name) or not text.isprintable():
                raise ValueError(f"{name!r} is no header")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Sms:
        if self.template and (self.method, self.format) != ("POST", "json"):
            raise ValueError('template needs method = "POST" and format = "json"')
        told = self.template or " ".join(self.fields.values())
        places = " ".join((told, *self.headers.values()))
        numbers = ("{number}", "{local}", "{digits}")
        if self.url and not ("{text}" in told and any(place in told for place in numbers)):
            raise ValueError("fields must hold {text}, and {number}, {local} or {digits}")
        if "{secret}" in places and self.secret_file is None:
            raise ValueError("{secret} needs secret_file")
        return self
