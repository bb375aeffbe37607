"""The section [mail]: the server that takes our letters. Imported by common.config."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from common.config_section import Section
from common.urls import is_here


class Mail(Section):
    host: str = ""
    """Empty: no letter is sent."""
    port: int = Field(default=587, ge=1, le=65535)
    """587 is where a client hands in letters (RFC 6409)."""
    security: Literal["start_tls", "tls", "none"] = "start_tls"
    """`tls` from the first octet, usually port 465; `none` only on this machine."""
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
        if self.host and self.security == "none" and not is_here(self.host):
            raise ValueError("security = \"none\" is for a server on this machine alone")
        return self
