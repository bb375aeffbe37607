"""The section [mail]: the server that takes our letters. Imported by common.config."""

from __future__ import annotations

from pathlib import Path

from pydantic import ConfigDict, Field, model_validator

from common.config_section import Section
from common.urls import is_here

TLS_PORT = 465
"""TLS from the first octet (RFC 8314 section 3.3); elsewhere it begins with STARTTLS."""


class Mail(Section):
    # A word of Python cannot name a field; what is dumped for a child process is by field.
    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True)

    host: str = ""
    """Empty: no letter is sent."""
    port: int = Field(default=587, ge=1, le=65535)
    """587 is where a client hands in letters (RFC 6409)."""
    start_tls: bool = True
    """False is for a server on this machine, or with port 465."""
    ca: Path | None = None
    """Who has issued the server's certificate; None: whom the operating system trusts."""
    user: str = ""
    password_file: Path | None = None
    sender: str = Field(default="", alias="from")

    @model_validator(mode="after")
    def _usable(self) -> Mail:
        if self.host and "@" not in self.sender:
            raise ValueError("set from to the mailbox that letters come from")
        if self.user and self.password_file is None:
            raise ValueError("user needs password_file")
        if self.host and not self.start_tls and self.port != TLS_PORT and not is_here(self.host):
            raise ValueError("start_tls = false is for port 465 or a server on this machine")
        return self
