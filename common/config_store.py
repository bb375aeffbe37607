"""The section [store]: where the archive's segments are copied to. Imported by common.config."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from common.config_section import Section


class Store(Section):
    url: str = ""
    """Empty: the archive lies on this machine's disk alone. `s3://bucket/folder`, or
    `file:///folder` for a disk of its own or of another machine."""
    endpoint: str = ""
    """Of storage that is not Amazon's, such as `https://minio.example:9000`."""
    region: str = ""
    """Where the storage asks for one; empty means us-east-1, which others take for their own."""
    credentials_file: Path | None = None
    """Access key and secret key, a line each, mode 0600; None takes AWS_ACCESS_KEY_ID and
    AWS_SECRET_ACCESS_KEY of the environment."""
    ca: Path | None = None
    """Who has issued the server's certificate; None: whom the operating system trusts."""
    keep_local_days: int = Field(default=30, ge=8)
    """Segments of flows, translations and raw datagrams leave this disk so many days after
    receipt, once their copy was read back. A month is what is asked about at once."""
    timeout_seconds: int = Field(default=10, ge=1, le=300)
    """How long one request may stand still; a look-up that waits longer helps nobody."""

    @field_validator("url")
    @classmethod
    def _known_place(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("must not hold a key or options; see credentials_file")
        if parts.scheme == "s3" and parts.netloc:
            return value.rstrip("/")
        if parts.scheme == "file" and not parts.netloc and len(parts.path) > 1:
            return value.rstrip("/")
        raise ValueError("must be s3://bucket, s3://bucket/folder or file:///folder")

    @field_validator("endpoint")
    @classmethod
    def _known_endpoint(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.username is not None
            or parts.path.strip("/")
        ):
            raise ValueError("must be https://host or https://host:port")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _fitting(self) -> Store:
        if self.endpoint and not self.url.startswith("s3://"):
            raise ValueError("endpoint is for a url that begins with s3://")
        return self
