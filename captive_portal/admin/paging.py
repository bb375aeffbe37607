"""One page of a list that is paged by the database, and the links to its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from flask import request, url_for
from sqlalchemy import ColumnElement, Select, false, func, or_
from sqlalchemy.orm import Session

from captive_portal.web.links import is_plain_name

RowT = TypeVar("RowT")
PAGE_SIZE = 50
_LAST_PAGE = 2000
"""Beyond it OFFSET costs more than a filter would; the page says to narrow the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[RowT]):
    """Rows of one page; `total` is None where counting would read a whole ledger."""

    rows: Sequence[RowT]
    number: int
    has_next: bool
    total: int | None = None

    @property
    def first_row(self) -> int:
        return (self.number - 1) * PAGE_SIZE + 1

    @property
    def last_row(self) -> int:
        return (self.number - 1) * PAGE_SIZE + len(self.rows)

    @property
    def previous_url(self) -> str | None:
        return link_to_page(self.number - 1) if self.number > 1 else None

    @property
    def next_url(self) -> str | None:
        return link_to_page(self.number + 1) if self.has_next else None


def page_number() -> int:
    """The page the query string asks for; 1 when it asks for nonsense."""
    text = request.args.get("page", "1")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1
    return min(max(number, 1), _LAST_PAGE)


def read_number(text: str) -> int | None:
    """The row number in `text`, or None; a number no row can have is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def link_to_page(number: int) -> str:
    """This list with the same filters, at another page."""
    arguments: dict[str, Any] = {
        key: value for key, value in request.args.items() if value and is_plain_name(key)
    }
    arguments.pop("lang", None)
    arguments |= {**(request.view_args or {}), "page": number}
    return url_for(str(request.endpoint), **arguments)


def contains(text: str, *columns: Any) -> ColumnElement[bool]:
    """Whether any of the columns holds `text`, in any case; % and _ mean themselves."""
    return or_(false(), *(column.icontains(text, autoescape=True) for column in columns))


def fetch_page(
    session: Session, statement: Select[*tuple[Any, ...]], *, count: bool = False
) -> Page[Any]:
    """The page of `statement` that the request asks for; one more row tells if there is a next."""
    number = page_number()
    rows = list(
        session.execute(statement.limit(PAGE_SIZE + 1).offset((number - 1) * PAGE_SIZE)).unique()
    )
    total = None
    if count:
        inner = statement.order_by(None).with_only_columns(func.count(), maintain_column_froms=True)
        total = session.scalar(inner)
    return Page(rows=rows[:PAGE_SIZE], number=number, has_next=len(rows) > PAGE_SIZE, total=total)


__all__ = [
    "PAGE_SIZE",
    "Page",
    "contains",
    "fetch_page",
    "link_to_page",
    "page_number",
    "read_number",
]
