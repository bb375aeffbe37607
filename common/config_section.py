"""What every section of the configuration is made of: frozen, and strict about its keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from common.errors import UsageError
from common.net import parse_listen, parse_prefix

ANY = "any"
"""Instead of a prefix: whoever can reach the port."""


def _listen(text: str) -> str:
    parse_listen(text)
    return text


def _prefix(text: str) -> str:
    try:
        return str(parse_prefix(text))
    except UsageError as error:
        raise ValueError(str(error)) from error


def _sender(text: str) -> str:
    return text if text == ANY else _prefix(text)


Listen = Annotated[str, AfterValidator(_listen)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Sender = Annotated[str, AfterValidator(_sender)]


class Section(BaseModel):
    """One table of the file; an unknown key in it is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
